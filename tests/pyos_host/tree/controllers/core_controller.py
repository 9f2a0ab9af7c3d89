from __future__ import annotations

from typing import Any, Dict

import cherrypy
from oc.od import settings
from oc.od.base_controller import BaseController


class CoreController(BaseController):
    """Requests that need no login."""

    @cherrypy.expose
    @cherrypy.tools.json_in()
    @cherrypy.tools.json_out()
    def getkeyinfo(self) -> Dict[str, Any]:
        keys = {
            "webrtc.enable": "enable",
            "webrtc.configuration": "rtc_configuration",
            "webrtc.rtc_constraints": "rtc_constraints",
        }
        key = keys.get(cherrypy.request.json.get("provider"))
        return {"id": settings.webrtc.get(key), "callbackurl": None}
