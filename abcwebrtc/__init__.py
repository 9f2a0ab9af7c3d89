"""WebRTC configuration and TURN credentials for abcdesktop.

Reads the ``webrtc.*`` entries of an od.config, mints time-limited credentials
for coturn, and merges them into the rtc_configuration that browsers get.
"""

from importlib import import_module

TYPE_CHECKING = False  # as in `typing`, whose import takes longer than all of this
if TYPE_CHECKING:
    from abcwebrtc.config import WebRTCConfig
    from abcwebrtc.credentials import (
        TurnCredentials,
        mint_turn_credentials,
        verify_turn_credentials,
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
        WebRTCDisabledError,
    )
    from abcwebrtc.manifests import desktop_environment
    from abcwebrtc.odconfig import load_od_config
    from abcwebrtc.pods import (
        PreparedPod,
        inject_webrtc,
        owned_secret,
        prepare_pod,
        without_secret,
    )
    from abcwebrtc.rtc import build_rtc_configuration

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

_NAMES = {
    "config": ("WebRTCConfig",),
    "credentials": ("TurnCredentials", "mint_turn_credentials", "verify_turn_credentials"),
    "errors": (
        "AbcWebRTCError",
        "ConfigError",
        "CredentialError",
        "KubeError",
        "ManifestError",
        "ProbeError",
        "Problem",
        "SecretElsewhereError",
        "TokenError",
        "WebRTCDisabledError",
    ),
    "manifests": ("desktop_environment",),
    "odconfig": ("load_od_config",),
    "pods": ("PreparedPod", "inject_webrtc", "owned_secret", "prepare_pod", "without_secret"),
    "rtc": ("build_rtc_configuration",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name):
        """Load the module that a public name comes from when it is first used (PEP 562)."""
        if name in _NAMES:
            return import_module(f"{__name__}.{name}")
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value

    def __dir__():
        """Name what is there, loaded or not."""
        return sorted({*globals(), *__all__})
