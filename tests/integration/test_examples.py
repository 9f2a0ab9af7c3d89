"""Every numbered example runs with the command that its page shows."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import kubernetes
import pytest
import yaml

from abcwebrtc import WebRTCConfig
from conftest import require_program
from e2e.gstreamer import require_gstreamer
from integration.netns import required_network
from pyos_host.apiserver import running_api_server
from support import WAIT, environment, request
from support.desktop_pod import assert_valid

NEEDS = {
    "01-first-call": [("turnserver", "coturn")],
    "02-desktop-pod": [],
    "03-beside-pyos": [("turnserver", "coturn"), ("nginx", "nginx")],
    "04-sound": [
        ("turnserver", "coturn"),
        ("nginx", "nginx"),
        ("pulseaudio", "pulseaudio"),
        ("paplay", "pulseaudio-utils"),
        ("chromium", "chromium"),
    ],
    "05-fleet": [("turnserver", "coturn"), ("ip", "iproute2"), ("prometheus", "prometheus")],
}
"""The programs of each example, with the Debian packages that have them."""
PROMISES = {
    "01-first-call": [
        "abcwebrtc serve answered alice's browser: {",
        '"message": "ok"',
        "coturn accepted the credential, and opened the relay 127.0.0.1:",
        "This is running:",
        "abcwebrtc serve at http://127.0.0.1:",
        "coturn at 127.0.0.1:14780",
        "abcwebrtc probe examples/01-first-call/od.config",
        "Open in a browser on this machine:",
        "http://127.0.0.1:",
        "This is the test page.",
    ],
    "02-desktop-pod": [
        "create Secret abcdesktop/webrtc-desktop-alice with TURN_SERVER",
        "create Pod abcdesktop/desktop-alice",
        "name: s-desktop-alice",
        "patch Secret abcdesktop/webrtc-desktop-alice: owned by Pod desktop-alice",
        "python3 examples/02-desktop-pod/run.py --guest ",
    ],
    "03-beside-pyos": [
        "pyos answers /API/core/getkeyinfo for webrtc.enable: true",
        '"message": "ok"',
        'for webrtc.rtc_constraints: {"video": false, "audio": true}',
        "The secret has changed, without a restart:",
        "coturn accepts a credential of the old secret: relay 127.0.0.1:",
        "coturn accepts a credential of the new secret: relay 127.0.0.1:",
        "abcwebrtc serve at http://127.0.0.1:",
        "abcwebrtc probe examples/03-beside-pyos/run/replica-1/config/od.config",
    ],
    "04-sound": [
        "Running: coturn at ",
        "the sound container of alice, with the variables of the injected pod",
        "abcwebrtc serve at http://127.0.0.1:",
        "nginx at http://localhost:",
        "paplay plays 440 Hz in the desktop, and Chromium opens http://localhost:",
        "Created peer connection for call and creating SDP",
        "Hz, relay to relay, ",
        "Chromium has heard the tone.",
    ],
    "05-fleet": [
        "Each of twenty users gets one coturn, and always the same one:",
        "  paris-1  alice ",
        "The coturn paris-1 is killed. Three failed probes later, its users (*) get others:",
        "  paris-1  -",
        "*alice",
        "Nobody else has moved.",
        "TurnServerDown: turn:10.77.0.11:3478 does not work",
        "TurnServerLeftOut: paris-1 is left out",
        "paris-1 runs again, its users are back, and no alert fires.",
        "abcwebrtc serve at http://127.0.0.1:",
        "Prometheus at http://127.0.0.1:",
        " probe examples/05-fleet/od.config",
    ],
}
"""What each example prints, in this order."""
SERVES = ["--once", "--port", "0"]
OPTIONS = {
    "01-first-call": SERVES,
    "02-desktop-pod": [],
    "03-beside-pyos": SERVES,
    "04-sound": SERVES,
    "05-fleet": SERVES,
}
"""What makes an example end by itself."""

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted(path for path in ROOT.glob("examples/[0-9]*") if path.is_dir())


def readme_command(example: Path) -> str:
    """Return the line of the README that runs an example."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = f"python3 examples/{example.name}/"
    return next(line for line in lines if line.startswith(start))


def run_example(command: str, *options: str) -> str:
    # Without --apt: a test installs nothing.
    words = [word for word in shlex.split(command, comments=True)[1:] if word != "--apt"]
    result = subprocess.run(
        [sys.executable, *words, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        timeout=120,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_every_example_is_in_the_tables() -> None:
    assert [path.name for path in EXAMPLES] == sorted(NEEDS) == sorted(PROMISES) == sorted(OPTIONS)


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_ends_with_what_it_promises(example: Path) -> None:
    for program, package in NEEDS[example.name]:
        require_program(program, package)
    if example.name == "04-sound":
        require_gstreamer()
    if example.name == "05-fleet":
        with required_network():
            pass  # it makes one of its own
    rest = run_example(readme_command(example), *OPTIONS[example.name])
    for promise in PROMISES[example.name]:
        assert promise in rest
        rest = rest.partition(promise)[2]


# 01-first-call: what it ends with


def test_what_the_first_call_tells_to_try_works() -> None:
    require_program("turnserver", "coturn")
    words = shlex.split(readme_command(EXAMPLES[0]), comments=True)[1:]
    line = [sys.executable, *(word for word in words if word != "--apt"), "--port", "0"]
    process = subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment(), bufsize=1
    )
    try:
        printed = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))  # type: ignore
        _, _, end = printed.partition("Try in another terminal, in this folder:\n")
        *commands, link = re.findall("^  (.+)$", end, re.MULTILINE)
        names = [re.search("probe|mint|curl", command)[0] for command in commands]  # type: ignore
        assert names[:2] == ["probe", "mint"]
        assert names[2:] == (["curl"] if shutil.which("curl") else [])
        for command in commands:
            done = subprocess.run(
                ["sh", "-c", command], cwd=ROOT, env=environment(), capture_output=True, text=True
            )
            assert done.returncode == 0, command + done.stdout + done.stderr
            assert "127.0.0.1:14780" in done.stdout
        page, _, key = link.partition("#")
        assert "set-cookie" in request(page + "login", {"key": key}).headers
    finally:
        process.terminate()
        process.communicate(timeout=WAIT)


# 02-desktop-pod: its calls, made by the kubernetes client


@pytest.mark.parametrize("labels", [[], ["guest"]], ids=["alice", "guest"])
def test_a_desktop_is_created_after_its_secret(
    monkeypatch: pytest.MonkeyPatch, labels: List[str]
) -> None:
    folder = ROOT / "examples" / "02-desktop-pod"
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    example: Dict[str, Any] = runpy.run_path(str(folder / "run.py"))
    example["make_secret"]()
    pod = yaml.safe_load((folder / "desktop.yaml").read_text(encoding="utf-8"))
    config = WebRTCConfig.from_file(folder / "od.config")
    settings = kubernetes.client.Configuration()
    with running_api_server() as server:
        settings.host = server.url
        api = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(settings))
        example["create_desktop"](api, pod, config, "alice", labels)
    assert_valid(*(call.body for call in server.calls if call.method == "POST"))
    steps = [("POST", "secrets"), ("POST", "pods"), ("PATCH", "secrets")]
    assert [call.what for call in server.calls] == ([("POST", "pods")] if labels else steps)
