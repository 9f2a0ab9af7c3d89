"""Which abcdesktop release an od.config is for, as far as its images tell.

WebRTC sound exists only in abcdesktop 3.2 and 3.3. Later releases send MPEG over a websocket: their
oc.pulseaudio has no GStreamer, and reads neither STUN_SERVER nor TURN_SERVER.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Optional, Tuple

from abcwebrtc.config.problems import Where, is_word
from abcwebrtc.config.sound import DESKTOP_POD, SOUND
from abcwebrtc.errors import Problem

WEBRTC_RELEASES = ((3, 2), (3, 3))
MPEG_FROM = (3, 4)
MPEG_PORT = 29788
"""The tcpport of sound in releases that send MPEG; PulseAudio's is 4714."""
WHAT_TO_DO = (
    "WebRTC sound exists in abcdesktop 3.2 and 3.3 only; "
    "set webrtc.enable: False, or use oc.pulseaudio:3.2 with the tcpport 4714"
)
_IMAGE = re.compile(
    r"(?:\S*/)?(?P<name>oc\.[a-z0-9._-]{1,60}):v?(?P<major>[0-9]{1,3})(?:\.(?P<minor>[0-9]{1,3}))?"
    r"(?:[.-][A-Za-z0-9_.-]*)?(?:@\S+)?"
)

_SOUND_IMAGE = "oc.pulseaudio"

Version = Tuple[int, ...]
"""Such as (3, 2), or (4,) if nothing more is known."""


@dataclass(frozen=True)
class Release:
    """A release of abcdesktop: its `name`, such as "3.2", and what shows it (`by`)."""

    name: str
    by: str

    def __str__(self) -> str:
        """Return ``3.2, by the image oc.pulseaudio:3.2``."""
        return f"{self.name}, by {self.by}"


def find_release(mapping: Mapping[str, Any]) -> Optional[Release]:
    """Return the release, from the tags of abcdesktop's images in ``desktop.pod``, or None.

    The sound image decides, since WebRTC depends on it. If its tag does not tell, all other images
    that tell must agree.
    """
    pod = mapping.get(DESKTOP_POD)
    entries = pod if isinstance(pod, Mapping) else {}
    sound = entries.get(SOUND)
    found = list(_versions(sound))
    found = found or [one for entry in entries.values() for one in _versions(entry)]
    if len({version for _, version, _ in found}) == 1:
        name, version, _ = found[0]
        return Release(_text(version), f"the image {name}:{_text(version)}")
    if not found and isinstance(sound, Mapping) and sound.get("tcpport") == MPEG_PORT:
        return Release(f"{_text(MPEG_FROM)} or later", f"the tcpport {MPEG_PORT} of its sound")
    return None


def check_release(mapping: Mapping[str, Any], root: Where) -> Iterator[Problem]:
    """Warn about sound without WebRTC; for use if webrtc.enable is True."""
    pod = mapping.get(DESKTOP_POD)
    sound = pod.get(SOUND) if isinstance(pod, Mapping) else None
    if not isinstance(sound, Mapping):
        return
    where = root[DESKTOP_POD][SOUND]
    for name, version, label in _versions(sound):
        if name.startswith(_SOUND_IMAGE) and version not in WEBRTC_RELEASES:
            sends = (
                "sends sound as MPEG over a websocket, not over WebRTC"
                if version >= MPEG_FROM
                else "has no WebRTC sound yet"
            )
            message = f"is of abcdesktop {_text(version)}, which {sends}: {WHAT_TO_DO}"
            image = where["image"]
            place, is_hidden = (image[label], not is_word(label)) if label else (image, False)
            yield place.warning(message, is_hidden)
    if sound.get("tcpport") == MPEG_PORT:
        message = (
            f"is the sound port of abcdesktop {_text(MPEG_FROM)} and later, which send MPEG "
            f"over a websocket, not WebRTC: {WHAT_TO_DO}"
        )
        yield where["tcpport"].warning(message)


def _versions(entry: Any) -> Iterator[Tuple[str, Version, str]]:
    """Yield the name and release of each abcdesktop image in an entry, and its label."""
    image = entry.get("image") if isinstance(entry, Mapping) else None
    images: Mapping[Any, Any] = image if isinstance(image, Mapping) else {None: image}
    for label, text in images.items():
        match = _IMAGE.fullmatch(text.strip()) if isinstance(text, str) else None
        if match:
            version = tuple(map(int, filter(None, match.group("major", "minor"))))
            if len(version) > 1 or (version > MPEG_FROM and match["name"].startswith(_SOUND_IMAGE)):
                yield match.group("name"), version, label if isinstance(label, str) else ""


def _text(version: Version) -> str:
    return ".".join(map(str, version))
