from __future__ import annotations

from typing import Any, Dict

import cherrypy
from oc.od import composer
from oc.od.base_controller import BaseController


@cherrypy.config(**{"tools.auth.on": True})
class ComposerController(BaseController):
    """Desktops for users who are logged in."""

    @cherrypy.expose
    @cherrypy.tools.json_in()
    @cherrypy.tools.json_out()
    def launchdesktop(self) -> Dict[str, Any]:
        authinfo, userinfo = self.validate_env()
        desktop = composer.createdesktop(authinfo, userinfo, **cherrypy.request.json)
        return {"status": 200, "result": desktop, "message": "ok"}
