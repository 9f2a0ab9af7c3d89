"""The names of the entries of od.config that abcwebrtc reads."""

from __future__ import annotations

ENABLE, COTURN, COTURN_SERVERS = "webrtc.enable", "webrtc.coturn", "webrtc.coturn_servers"
RTC_CONFIGURATION, RTC_CONSTRAINTS = "webrtc.rtc_configuration", "webrtc.rtc_constraints"
POLICIES, DESKTOP = "webrtc.policies", "webrtc.desktop"
KEYS = (ENABLE, RTC_CONFIGURATION, COTURN, COTURN_SERVERS, RTC_CONSTRAINTS, DESKTOP, POLICIES)
ENVLOCAL = "desktop.envlocal"
USER_TOKEN = "jwt_token_user"  # noqa: S105, the name of an entry
