"""WebRTC configuration and TURN credentials for abcdesktop.

Reads the ``webrtc.*`` entries of an od.config, mints time-limited credentials
for coturn, and merges them into the rtc_configuration that browsers get.
"""

from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import desktop_environment
from abcwebrtc.desktop.pod import (
    PreparedPod,
    inject_webrtc,
    owned_secret,
    prepare_pod,
    without_secret,
)
from abcwebrtc.errors import (
    AbcWebRTCError,
    ConfigError,
    CredentialError,
    KubeError,
    ManifestError,
    ProbeError,
    Problem,
    SecretElsewhereError,
    TokenError,
    UnreadableError,
    WebRTCDisabledError,
)
from abcwebrtc.odconfig.reader import load_od_config
from abcwebrtc.turn.credentials import (
    TurnCredentials,
    mint_turn_credentials,
    verify_turn_credentials,
)
from abcwebrtc.turn.rtc_configuration import build_rtc_configuration

__version__ = "0.1.0"

__all__ = [
    "AbcWebRTCError",
    "ConfigError",
    "CredentialError",
    "KubeError",
    "ManifestError",
    "PreparedPod",
    "ProbeError",
    "Problem",
    "SecretElsewhereError",
    "TokenError",
    "TurnCredentials",
    "UnreadableError",
    "WebRTCConfig",
    "WebRTCDisabledError",
    "build_rtc_configuration",
    "desktop_environment",
    "inject_webrtc",
    "load_od_config",
    "mint_turn_credentials",
    "owned_secret",
    "prepare_pod",
    "verify_turn_credentials",
    "without_secret",
]
