"""od.config, read once, and what the rest of the host uses of it."""

from __future__ import annotations

import logging
import os
from typing import Any, Dict

from cherrypy.lib.reprconf import Config

logger = logging.getLogger(__name__)

gconfig: Dict[str, Any] = {}
controllers: Dict[str, Any] = {}
webrtc: Dict[str, Any] = {
    "enable": False,
    "coturn": {},
    "rtc_configuration": {"iceServers": []},
    "rtc_constraints": {"video": False, "audio": False},
}
desktop: Dict[str, Any] = {}


def get_configuration_file_name() -> str:
    return os.environ.get("OD_CONFIG_PATH", "od.config")


def init_coturn_webrtc() -> None:
    """Fill `webrtc`."""
    # put: Settings 1


def init() -> None:
    global gconfig
    gconfig = Config(get_configuration_file_name())["global"]
    desktop["environmentlocal"] = gconfig.get("desktop.envlocal", {"DISPLAY": ":0.0"})
    desktop["pod"] = gconfig.get("desktop.pod", {})
    init_coturn_webrtc()
    controllers.update(gconfig.get("controllers", {}))
    logger.info("the webrtc settings are %s", webrtc)
