"""Start the miniature host, which prints "serving on URL" and logs everything to stderr."""

from __future__ import annotations

import ast
import importlib
import json
import logging
import pkgutil
import pyclbr
import re
import sys
import warnings
from typing import Any, Dict, Iterator, List

warnings.simplefilter("ignore")  # cryptography warns of old Pythons
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)

import cherrypy  # noqa: E402
from cheroot.wsgi import Server  # noqa: E402
from oc.od import settings  # noqa: E402
from oc.od.services import authorize  # noqa: E402

logger = logging.getLogger("od")
CONTROLLER = re.compile(r"(\w+)Controller")


def send_error(status: Any, message: str) -> bytes:
    cherrypy.response.headers["Content-Type"] = "application/json"
    return (json.dumps({"status": status, "message": message}) + "\n").encode("utf-8")


def error_page(status: str, message: str, traceback: str, version: str) -> bytes:
    """Answer for an HTTPError."""
    return send_error(cherrypy.response.status, message)


def error_response() -> None:
    """Answer for any other exception: its `code` is the status, and its text is sent."""
    error = sys.exc_info()[1]
    status = getattr(error, "code", 500)
    message = getattr(error, "message", None) or str(error)
    cherrypy.response.status = status
    cherrypy.response.body = send_error(status, message)


@cherrypy.tools.register("before_handler")
def trace_request() -> None:
    request = cherrypy.serving.request
    logger.info("%s %s", request.path_info, getattr(request, "json", ""))


@cherrypy.tools.register("on_end_request")
def trace_response() -> None:
    response = cherrypy.serving.response
    if not hasattr(response, "notrace"):
        logger.info("%s %s", cherrypy.serving.request.path_info, response.body)


@cherrypy.config(
    **{
        "request.error_response": error_response,
        "error_page.default": error_page,
        "tools.trace_request.on": True,
        "tools.trace_response.on": True,
        "tools.allow.on": True,
        "tools.allow.methods": ["POST"],
    }
)
class Api:
    """``/API``: a controller for each literal class statement in ``controllers``."""

    def __init__(self, entries: Dict[str, Any]) -> None:
        for controller_class in controller_classes("controllers"):
            name = controller_class.__name__
            controller = controller_class(entries.get(name))
            controller.root = self
            controller.logger = logging.getLogger(f"{controller_class.__module__}.{name}")
            match = CONTROLLER.fullmatch(name)
            setattr(self, match.group(1).lower(), controller)
            logger.debug("mounted %s", name)


def controller_classes(package: str) -> Iterator[Any]:
    for _, name, _ in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if name.endswith("_controller"):
            module = importlib.import_module(f"{package}.{name}")
            for class_name in literal_classes(module):
                if CONTROLLER.fullmatch(class_name):
                    yield getattr(module, class_name)


def literal_classes(module: Any) -> List[str]:
    """Return the names of the class statements in a module, as pyos finds them."""
    if sys.version_info < (3, 10):
        return list(pyclbr.readmodule(module.__name__))
    # From 3.10 on, pyclbr raises for what these modules import.
    with open(module.__file__, encoding="utf-8") as stream:
        tree = ast.parse(stream.read())
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


def main() -> None:
    settings.init()
    cherrypy.tools.auth = cherrypy.Tool("before_handler", authorize)
    cherrypy.config.update(settings.get_configuration_file_name())
    cherrypy.tree.mount(Api(settings.controllers), "/API")
    server = Server(("127.0.0.1", 0), cherrypy.tree)
    server.prepare()
    print(f"serving on http://127.0.0.1:{server.bind_addr[1]}", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
