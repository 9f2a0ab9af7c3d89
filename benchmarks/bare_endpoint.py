"""Serve a bare CherryPy handler on abcwebrtc's server, for comparison in `endpoint.py`.

    .venv/bin/python benchmarks/bare_endpoint.py KEY_FILE ANSWER_FILE

It verifies the user's token and logs as `abcwebrtc serve` does, and always answers with the JSON of
the same file.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import cherrypy

from abcwebrtc.web.serve import Listen, run_server
from abcwebrtc.web.tokens import UserTokenVerifier, bearer_token


class Bare:
    """One handler, at ``/API/webrtc/coturn_rtcconfiguration``."""

    def __init__(self, verifier: UserTokenVerifier, answer: Any) -> None:
        self._verifier = verifier
        self._answer = answer

    @cherrypy.expose
    @cherrypy.tools.json_in()
    @cherrypy.tools.json_out()
    def coturn_rtcconfiguration(self) -> Any:
        """Answer a request that has a valid token."""
        header = cherrypy.serving.request.headers.get("ABCAuthorization")
        self._verifier.user(bearer_token(header))
        return self._answer


def main() -> None:
    """Serve until SIGTERM."""
    key_file, answer_file = sys.argv[1:]
    bare = Bare(UserTokenVerifier.from_file(key_file), json.loads(Path(answer_file).read_text()))
    logging.basicConfig(format="%(asctime)s %(levelname)s: %(message)s", level=logging.INFO)
    cherrypy.log.screen = False
    app = cherrypy.Application(bare, "/API/webrtc", {"/": {}})
    run_server(app, Listen("127.0.0.1", 0), lambda url: print(f"serving on {url}", flush=True))


if __name__ == "__main__":
    main()
