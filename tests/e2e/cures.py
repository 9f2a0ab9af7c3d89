"""A set-up with a fault, what the commands say about it, and what is heard before and after."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import Iterator, List, Optional, Sequence

from conftest import require_program
from e2e.lab import TURN_PORT, Desktop, Lab, Site, SoundPage, chain
from integration.netns import SERVER, Namespace
from support import WAIT, command, environment, wait_for

TONE = 440.0
STUN_SERVER = f"stun://{SERVER}:{TURN_PORT}"


# what is heard


def check_silence(site: Site, desktop: Desktop) -> SoundPage:
    """Fail unless the desktop plays, and the page hears nothing and gives up its call."""
    with desktop.playing(TONE):
        page = site.open(desktop.user)
        page.wait_for_line("FAILED: ")
        desktop.check_it_plays(TONE)
        assert page.page.evaluate("sound.heardAfter") is None  # the page looks all the time
        assert page.measure().tone is None
        assert page.statistics()["received"] == 0
    page.page.close()
    return page


def check_tone(site: Site, desktop: Desktop) -> SoundPage:
    """Fail unless the page hears what the desktop plays."""
    with desktop.playing(TONE):
        page = site.open(desktop.user)
        page.wait_for_tone(TONE)
        assert page.failures() == []
    return page


# what is said


def said(namespace: Namespace, *arguments: object, status: Optional[int] = None) -> str:
    """Run a command in a namespace, and return its output; fail if its exit status is another."""
    done = subprocess.run(
        namespace.command(*command(*arguments)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
        timeout=WAIT,
        text=True,
    )
    print(f"$ abcwebrtc {' '.join(map(str, arguments))}\n{done.stdout}")
    assert status is None or done.returncode == status, done.stdout
    return done.stdout


def one_line(text: str) -> str:
    """Return a text with its messages unwrapped."""
    return re.sub(r"\n {4,}", " ", text)


def found(pattern: str, text: str) -> str:
    """Return the first part of a text that matches a pattern, or its group."""
    match = re.search(pattern, one_line(text))
    assert match, f"no {pattern} in:\n{text}"
    return match.group(match.lastindex or 0)


# what is faulty


class Filter:
    """nftables rules in a namespace, which drop what comes in or goes out."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace, self._nft = namespace, require_program("nft", "nftables")

    def set(self, come: Sequence[str] = (), go: Sequence[str] = ()) -> None:
        """Replace the rules for incoming and for outgoing packets."""
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; {'; '.join(rules)}; }}\n"
            for hook, rules in (("input", come), ("output", go))
            if rules
        )
        text = f"table inet test {{\n}}\ndelete table inet test\ntable inet test {{\n{chains}}}\n"
        self._namespace.run(self._nft, "--file", "-", input=text)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[Filter]:
        """Remove the rules at the end."""
        try:
            yield self
        finally:
            self.set()


def generated_conf(lab: Lab, od_config: Path, *options: str) -> Path:
    """Return a turnserver.conf of ``abcwebrtc turnserver-conf``."""
    conf = lab.outside.folder / "turnserver.conf"
    make = ["turnserver-conf", od_config, "--output", conf, "--force", *options]
    said(lab.network.outside, *make, status=0)
    return conf


@contextlib.contextmanager
def running_coturn(lab: Lab, conf: Path, program: str = "") -> Iterator[chain.Program]:
    """Run a coturn on a turnserver.conf, as an operator does."""
    program = program or require_program("turnserver", "coturn")
    files = [f"--pidfile={lab.outside.folder}/pid", f"--userdb={lab.outside.folder}/db"]
    line: List[object] = [program, "-c", conf, "--log-file=stdout", *files]
    with lab.outside.running("turnserver", line) as coturn:
        for protocol in ("udp", "tcp"):
            wait_for(lambda name=protocol: lab.network.outside.listens(name, TURN_PORT))
        yield coturn
    wait_for(lambda: not lab.network.outside.listens("tcp", TURN_PORT))
