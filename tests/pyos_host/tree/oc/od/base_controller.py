"""What every controller has: its entry of od.config, and the user."""

from __future__ import annotations

import ipaddress
from typing import Any, Tuple

import cherrypy

from oc.od import services, settings


class WebAppError(cherrypy.HTTPError):
    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(status, message)
        self.code = self.status = status
        self.message = message


class BaseController:
    def __init__(self, config: Any = None) -> None:
        entry = config if isinstance(config, dict) else {}
        self.config = config
        self.enable = entry.get("enable", True)
        self.requestsallowed = entry.get("requestsallowed")
        self.apikey = entry.get("apikey")
        self.permitip = entry.get("permitip")

    def is_permit_request(self) -> None:
        """Raise a 403 if the controller's entry of od.config says so."""
        headers = cherrypy.request.headers
        if not self.enable:
            raise cherrypy.HTTPError(403, "the controller is off")
        if isinstance(self.apikey, list) and headers.get("X-API-Key") not in self.apikey:
            raise cherrypy.HTTPError(403, "the API key is not one of the list")
        if isinstance(self.permitip, list):
            address = ipaddress.ip_address(headers.get("X-Forwarded-For", "127.0.0.1"))
            networks = map(ipaddress.ip_network, self.permitip)
            if not any(address in network for network in networks):
                raise cherrypy.HTTPError(403, "the address is not in the list")
        if isinstance(self.requestsallowed, dict):
            request = cherrypy.request.path_info.split("/")[2]  # in the case it was typed in
            if self.requestsallowed.get(request) is False:
                raise cherrypy.HTTPError(403, "the request is not allowed")

    def validate_env(self) -> Tuple[Any, Any]:
        """Return the login as (auth, user)."""
        claims = services.claims()
        if claims is None:
            raise WebAppError("nobody is logged in")
        user = services.AuthUser(claims["user"])
        if user.userid in settings.gconfig.get("banned", []):
            raise WebAppError("the user is banned")
        return services.AuthInfo(claims["auth"]), user
