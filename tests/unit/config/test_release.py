"""Which release an od.config is for, and the ones that have no WebRTC sound."""

from __future__ import annotations

from typing import Any, List, Optional

import pytest

from abcwebrtc import WebRTCConfig
from abcwebrtc.config.release import find_release
from support import ENTRIES

ON = {"enable": True, "acl": {"permit": ["all"]}}


def release(pod: Any) -> Optional[str]:
    found = find_release({"desktop.pod": pod})
    return str(found) if found else None


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("oc.pulseaudio:3.2", "3.2"),
        ("ghcr.io/abcdesktopio/oc.pulseaudio:4.2", "4.2"),
        ("localhost:5000/a/b/oc.pulseaudio:3.4", "3.4"),
        ("oc.pulseaudio:3.4-dev", "3.4"),
        ("oc.pulseaudio:v3.2", "3.2"),
        ("oc.pulseaudio:10.12", "10.12"),
        ("oc.pulseaudio:4", "4"),
        ("oc.pulseaudio:v5-dev", "5"),
        ("oc.pulseaudio:3.2@sha256:" + "a" * 64, "3.2"),
    ],
)
def test_the_tag_of_the_sound_image_tells_it(image: str, name: str) -> None:
    expected = f"{name}, by the image oc.pulseaudio:{name}"
    assert release({"sound": {"image": image}, "graphical": {"image": "oc.user:4.4"}}) == expected
    assert release({"sound": {"image": {"default": image}}}) == expected


@pytest.mark.parametrize(
    "image",
    [
        *("oc.pulseaudio", "oc.pulseaudio:dev", "oc.pulseaudio:latest", "oc.pulseaudio:3"),
        *("registry.test/sound:3.2", "busybox:3.2", "pulseaudio:3.2", "", None, 5, ["a"], {}),
        *({"default": None}, {3: "x"}, "oc.pulseaudio:3.2 oc.pulseaudio:3.4"),
    ],
    ids=str,
)
def test_it_is_never_guessed(image: Any) -> None:
    assert release({"sound": {"image": image}}) is None
    assert release({"graphical": {"image": image}}) is None


def test_other_images_tell_it_where_they_agree() -> None:
    pod = {"graphical": {"image": {"default": "a/oc.user.ubuntu.24.04:3.2"}}, "sound": ON}
    assert release(pod) == "3.2, by the image oc.user.ubuntu.24.04:3.2"
    assert release({**pod, "printer": {"image": "oc.cupsd:3.2"}, "init": 5, "x": None}) is not None
    assert release({**pod, "printer": {"image": "oc.cupsd:3.4"}}) is None


def test_the_port_of_mpeg_tells_it() -> None:
    by = "by the tcpport 29788 of its sound"
    assert release({"sound": {"tcpport": 29788}}) == f"3.4 or later, {by}"
    assert release({"sound": {"tcpport": 4714}}) is None


@pytest.mark.parametrize("pod", [None, 5, [], {}, {"sound": None}, {"sound": []}])
def test_without_a_sound_there_is_nothing_to_tell(pod: Any) -> None:
    assert release(pod) is None


def mpeg(**changes: Any) -> List[str]:
    entries = {**ENTRIES, "desktop.pod": {"sound": {"image": "a/b:1", **ON, **changes}}}
    config = WebRTCConfig.from_mapping(entries)
    assert WebRTCConfig.from_mapping({**entries, "webrtc.enable": False}).warnings == ()
    return list(map(str, config.warnings))


@pytest.mark.parametrize(
    "image",
    [
        *("x/oc.pulseaudio:3.4", "oc.pulseaudio:3.4-dev", "oc.pulseaudio:5.0", "oc.pulseaudio:4"),
        *("oc.pulseaudio.22.04:4.0", "r.test:5000/oc.pulseaudio.ubuntu:3.5", "oc.pulseaudio:v4"),
    ],
)
def test_an_image_that_sends_mpeg_is_a_warning(image: str) -> None:
    (warning,) = mpeg(image=image)
    assert warning.startswith("desktop.pod.sound.image: is of abcdesktop ")
    assert "MPEG over a websocket, not over WebRTC" in warning
    assert "exists in abcdesktop 3.2 and 3.3 only; set webrtc.enable: False, or use" in warning


@pytest.mark.parametrize("image", ["oc.pulseaudio:3.1", "oc.pulseaudio:2.0"])
def test_an_image_from_before_webrtc_is_a_warning(image: str) -> None:
    (warning,) = mpeg(image=image)
    assert "has no WebRTC sound yet: WebRTC sound exists in abcdesktop 3.2 and 3.3" in warning


def test_an_image_of_a_label_is_named() -> None:
    (warning,) = mpeg(image={"default": "oc.pulseaudio:3.2", "new": "oc.pulseaudio:4.0"})
    assert warning.startswith("desktop.pod.sound.image.new: is of abcdesktop 4.0")


def test_the_port_of_mpeg_is_a_warning() -> None:
    (warning,) = mpeg(tcpport=29788)
    assert warning.startswith("desktop.pod.sound.tcpport: is the sound port of abcdesktop 3")
    assert len(mpeg(tcpport=29788, image="oc.pulseaudio:4.2")) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "oc.pulseaudio:3.3-alpine", "tcpport": 4714},
        {"image": "oc.pulseaudio:dev"},
        {"image": "my/sound:4.2"},
    ],
    ids=str,
)
def test_other_images_are_no_warning(changes: Any) -> None:
    assert mpeg(**changes) == []
