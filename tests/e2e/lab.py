"""The whole path of sound: Chromium and coturn outside, desktops behind their NAT.

It is put up by the modules of examples/04-sound, in the two network namespaces of
`integration.netns`. What browsers, desktops and coturn know can differ: each is
given an od.config.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import subprocess
import sys
import time
from array import array
from pathlib import Path
from typing import Any, Callable, Collection, Dict, Iterator, List, Mapping, Optional, Sequence
from urllib.parse import unquote

from playwright.sync_api import Browser, BrowserContext, Page

from conftest import require_program
from e2e.spectrum import amplitude
from integration.netns import DESKTOP, SERVER, Namespace, Network
from integration.turn import Certificate
from support import SECRET, WAIT, environment, make_token, wait_for, write_od_config

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "04-sound"
sys.path.insert(0, str(EXAMPLE))

import chain  # noqa: E402
import tones  # noqa: E402

TURN_PORT, TLS_PORT, SIGNALLING_PORT, WEB_PORT = 3478, 5349, 29787, 8080
USERS = [f"user{number}" for number in range(1, 33)]
"""The users who can have desktops; each desktop's address is known before it runs."""
ADDRESSES = {user: f"{DESKTOP}:{SIGNALLING_PORT + i}" for i, user in enumerate(USERS)}
CONFIGURATION = "rtc_configuration="
TOLERANCE = 4.0
"""Hz by which the page's loudest tone may differ."""
SOUND = ["--raw", "--format=s16le", "--channels=1", f"--rate={tones.RATE}"]
"""What PulseAudio's programs play and record here."""
CAT = 'while cat "$0"; do :; done'
"""Write a file again and again, until nobody reads it."""

COTURN: Mapping[str, Any] = {
    "coturn_static_auth_secret": SECRET,
    "ttl": 600,
    "protocol": "turn",
    "url": f"{SERVER}:{TURN_PORT}",
    "username": "userid",
}
ENTRIES: Mapping[str, Any] = {
    "webrtc.enable": True,
    "webrtc.coturn": COTURN,
    "webrtc.desktop": {"turn": True},
    "webrtc.rtc_constraints": {"video": False, "audio": True},
    "desktop.pod": {"sound": {"image": "sound", "enable": True, "acl": {"permit": ["all"]}}},
}

ASK_FOR_THE_MICROPHONE = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
const allowed = new Promise((resolve) => { window.allowMicrophone = resolve; });
navigator.mediaDevices.getUserMedia = (constraints) => allowed.then(() => open(constraints));
"""
"""A test can't answer Chromium's permission prompt; this waits for the test instead."""


class Lab:
    """What a test starts; everything ends with `stack`."""

    def __init__(
        self,
        network: Network,
        browser: Browser,
        certificate: Certificate,
        folder: Path,
        stack: contextlib.ExitStack,
    ) -> None:
        self.network, self.browser, self._certificate = network, browser, certificate
        self.folder, self._stack = folder, stack
        self.outside = self._host("outside", network.outside)
        self.inside = self._host("inside", network.desktop)
        self._sites = 0

    def _host(self, name: str, namespace: Namespace) -> chain.Host:
        folder = self.folder / name
        folder.mkdir()
        return chain.Host(folder, lambda command: namespace.command(*command), environment())

    def od_config(self, name: str = "od.config", coturn: Any = None, **changes: Any) -> Path:
        """Write an od.config: `coturn` changes its ``webrtc.coturn``, or is a list to replace it.

        The other changes are those of `support.write_od_config`.
        """
        folder = self.folder / f"config-{name}"
        folder.mkdir(exist_ok=True)
        entry = coturn if isinstance(coturn, list) else {**COTURN, **(coturn or {})}
        return write_od_config(folder, ENTRIES, **{"webrtc__coturn": entry, **changes})

    def start_coturn(self, od_config: Path, *switches: str) -> chain.Program:
        """Start coturn with the file of ``abcwebrtc turnserver-conf``; `stop()` ends it early.

        `switches` are coturn's, and come before what is in its file.
        """
        files = ("--cert", self._certificate.cert_file, "--key", self._certificate.key_file)
        starting = chain.running_coturn(self.outside, od_config, *files, switches=switches)
        coturn = self._stack.enter_context(starting)
        wait_for(lambda: self.network.outside.listens("udp", TURN_PORT))
        return coturn

    def start_desktop(
        self, user: str, od_config: Path, relay_only: bool = True, **given: Any
    ) -> Desktop:
        """Start the sound container of one of `USERS`, with its own PulseAudio.

        `given` is what `abcwebrtc.prepare_pod` is told. `stop()` of the container ends it early.
        """
        options = ["--relay-only"] * relay_only
        where = (user, DESKTOP, int(ADDRESSES[user].partition(":")[2]))
        starting = chain.running_desktop(self.inside, od_config, *where, *options, **given)
        return Desktop(self._stack.enter_context(starting))

    def start_site(self, od_config: Path, api: str = "", labels: Collection[str] = ()) -> Site:
        """Start ``abcwebrtc serve`` and the web server that a browser opens.

        With `api` the endpoint is at that URL instead. Its users have these labels.
        """
        self._sites += 1
        folder = self.outside.folder / f"site{self._sites}"
        (folder / "logins").mkdir(parents=True)
        auth = {"data": {"labels": dict.fromkeys(labels, "true")}}
        for user in USERS:
            (folder / "logins" / user).write_text(make_token(user, auth=auth))
        host = dataclasses.replace(self.outside, folder=folder)
        api = api or self._stack.enter_context(chain.running_serve(host, od_config))
        port = WEB_PORT + self._sites
        starting = chain.running_nginx(host, port, api, folder / "logins", ADDRESSES)
        url = self._stack.enter_context(starting)
        wait_for(lambda: self.network.outside.listens("tcp", port))
        return Site(url, self)

    def new_context(self) -> BrowserContext:
        """Return a browser context whose pages may use the microphone."""
        context = self.browser.new_context(permissions=["microphone"])
        self._stack.callback(context.close)
        return context


class Desktop:
    """A desktop with a running sound container."""

    def __init__(self, running: chain.Desktop) -> None:
        self.user, self.running = running.user, running

    @contextlib.contextmanager
    def playing(self, hertz: float) -> Iterator[None]:
        """Play a tone, as a program of the desktop does, for as long as the block takes."""
        file = self.running.folder / "tone.raw"
        file.write_bytes(tones.tone_samples(hertz, 60).tobytes())
        again = f"exec {require_program('paplay', 'pulseaudio-utils')} {' '.join(SOUND)} < <({CAT})"
        with self._program("bash", "-c", again, str(file)):
            yield

    @contextlib.contextmanager
    def _program(self, *command: str) -> Iterator[None]:
        env = {**environment(), "PULSE_SERVER": self.running.pulse_server}
        process = subprocess.Popen(command, env=env)
        try:
            yield
        finally:
            process.terminate()
            process.wait(WAIT)

    def environment(self) -> Dict[str, str]:
        """Return the container's real environment."""
        file = Path(f"/proc/{self.running.container.process.pid}/environ")
        entries = file.read_text().rstrip("\0").split("\0")
        return {name: value for name, _, value in (entry.partition("=") for entry in entries)}

    def username(self) -> str:
        """Return the username that the desktop has for coturn."""
        return unquote(self.environment()["TURN_SERVER"].split("//")[1].partition(":")[0])

    def candidates(self) -> List[str]:
        """Return the candidates of the container's calls, once they are complete."""
        self.running.container.wait_for("ice-gathering-state complete")
        lines = self.running.container.output.splitlines()
        return [line for line in lines if line.startswith("candidate ")]

    def record_microphone(self, seconds: float) -> "array[int]":
        """Return what a program in the desktop hears from the microphone: 16 bit, mono."""
        return self._record("microphone", seconds)

    def record_speaker(self, seconds: float) -> "array[int]":
        """Return what programs in the desktop play: 16 bit, mono."""
        return self._record("virtspk.monitor", seconds)

    def check_it_plays(self, hertz: float) -> None:
        """Fail unless programs in the desktop play this tone, with gaps where they are slow."""
        loud = 1000  # of 32767; paplay's tone is more than nine times as loud
        wait_for(lambda: amplitude(self.record_speaker(0.5), hertz, tones.RATE) > loud)

    def _record(self, source: str, seconds: float) -> "array[int]":
        parec = require_program("parec", "pulseaudio-utils")
        file = self.running.folder / "recorded.raw"
        file.unlink(missing_ok=True)
        wanted = int(seconds * tones.RATE)
        with self._program(parec, f"--device={source}", *SOUND, "--latency-msec=50", str(file)):
            wait_for(lambda: file.exists() and file.stat().st_size >= 2 * wanted)
        samples = array("h")
        samples.frombytes(file.read_bytes()[: 2 * wanted])
        return samples


@dataclasses.dataclass(frozen=True)
class Site:
    """The origin of the page, the API and the signalling."""

    url: str
    lab: Lab

    def open(
        self,
        user: str,
        relay: bool = True,
        start: bool = True,
        script: str = "",
        context: Optional[BrowserContext] = None,
    ) -> SoundPage:
        """Open a user's page; without `start`, somebody has to click.

        With `relay` there is no way but through TURN. `script` is JavaScript to run
        before the page's own. The page has a browser context of its own, or the given one.
        """
        page = (context or self.lab.new_context()).new_page()
        if script:
            page.add_init_script(script)
        opened = SoundPage(page)
        options = ["relay"] * relay + ["start"] * start
        page.goto("&".join([f"{self.url}/?user={user}", *options]))
        return opened


class SoundPage:
    """The page of a desktop's user, in a browser."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.console: List[str] = []
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(f"exception: {error}"))

    def wait_for_tone(self, hertz: float) -> Measure:
        """Wait until a tone is the loudest one heard."""

        def hears() -> Optional[Measure]:
            heard = self.measure()
            near = heard.tone is not None and abs(heard.tone - hertz) <= TOLERANCE
            return heard if near else None

        return self.wait_until(hears)

    def wait_for_silence(self) -> None:
        self.wait_until(lambda: self.measure().tone is None)

    def wait_for_state(self, state: str) -> None:
        self.wait_until(lambda: self.page.evaluate("sound.state") == state)

    def wait_for_line(self, start: str) -> str:
        """Return the first console line with this beginning, once it is there."""
        return self.wait_until(
            lambda: next((line for line in self.console if line.startswith(start)), None)
        )

    def wait_until(self, condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            self.page.wait_for_timeout(50)  # in which Playwright takes what the page says
        raise AssertionError("waited in vain; the console:\n" + "\n".join(self.console))

    def measure(self) -> Measure:
        return Measure(**self.page.evaluate("sound.measure()"))

    def wait_for_failure(self, reason: str) -> None:
        """Wait until the page says that there is no sound, for this reason."""
        self.wait_for_line("FAILED: ")
        assert self.failures()[0] == reason, self.failures()
        assert self.status() == f"No sound. {reason}", self.status()

    def username(self) -> str:
        """Return the TURN username of the page's newest call."""
        self.wait_for_line(CONFIGURATION)
        line = [line for line in self.console if line.startswith(CONFIGURATION)][-1]
        (server,) = json.loads(line[len(CONFIGURATION) :])["iceServers"]
        return str(server["username"])

    def expires_at(self) -> int:
        """Return when the page's credential expires, in unix seconds."""
        return int(self.username().partition(":")[0])

    def levels_at(self, hertz: Sequence[float]) -> List[float]:
        """Return the level of each of these tones, in dB of full scale."""
        return list(self.page.evaluate("(all) => all.map(sound.levelAt)", list(hertz)))

    def failures(self) -> List[str]:
        return list(self.page.evaluate("sound.failures"))

    def status(self) -> str:
        """Return what the page tells its user."""
        return self.page.inner_text("#status")

    def heard_after(self) -> float:
        """Return how long the first sound took, in seconds."""
        return float(self.page.evaluate("sound.heardAfter")) / 1000

    def statistics(self) -> Dict[str, Any]:
        return dict(self.page.evaluate("sound.statistics()") or {})


@dataclasses.dataclass(frozen=True)
class Measure:
    """What a page hears: the level in dB of full scale, the loudest tone in Hz."""

    level: float
    tone: Optional[float]


def refreshes(coturn: chain.Program, username: str) -> int:
    """Return how often coturn logged that it prolonged an allocation; lifetime 0 ends one."""
    said = rf"refreshed, realm=<.*>, username=<{re.escape(username)}>, lifetime=[1-9]"
    return len(re.findall(said, coturn.output))


def _after_the_first_packet(found: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    return found if found.get("received") else None


def check_it_came_by_relays(page: SoundPage) -> Dict[str, Any]:
    """Return the statistics; fail unless both sides used their relay and no packet was lost."""
    # The browser counts packets a moment after it plays them.
    found = page.wait_until(lambda: _after_the_first_packet(page.statistics()))
    assert (found["local"], found["remote"]) == ("relay", "relay")
    assert found["lost"] == 0
    return found
