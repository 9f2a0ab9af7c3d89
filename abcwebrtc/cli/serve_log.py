"""The forms of the log of ``abcwebrtc serve``: text, and JSON for clusters."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime, timezone
from typing import Any, Dict

from abcwebrtc.texts import escaped, harmless_logger
from abcwebrtc.web.access_log import Access

TEXT, JSON = "text", "json"


def start_log(form: str, quiet: bool) -> None:
    """Write the log to stderr: every request, only warnings with `quiet`."""
    handler = logging.StreamHandler()
    text = OneLine("%(asctime)s %(levelname)s: %(message)s")
    handler.setFormatter(JsonLines() if form == JSON else text)
    handler.setLevel(logging.WARNING if quiet else logging.DEBUG)
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    logging.raiseExceptions = False  # a line that can't be written is lost without a traceback
    harmless_logger("abcwebrtc").handlers.clear()  # --verbose writes the same lines without a time


class OneLine(logging.Formatter):
    """Write each message in one line, those of libraries too; only tracebacks have more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, of logging
        """Return the message as one line."""
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802, of logging
        """Return the lines of a traceback."""
        return "\n".join(map(escaped, super().formatException(ei).split("\n")))


class JsonLines(logging.Formatter):
    """Write each record as one JSON object, with the fields of a request apart."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, in one line of ASCII."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        data: Dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": re.sub(r"\.\d+$", "", record.name),  # CherryPy adds a number
        }
        access = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if isinstance(access, Access):
            data.update(access.fields())
        else:
            data["message"] = escaped(record.getMessage())
        if record.exc_info:
            data["traceback"] = self.formatException(record.exc_info)
        return json.dumps(data)
