"""The commands of docs/tutorial/setup.md, with a real coturn and a mock cluster."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Tuple

import pytest
import trustme

from conftest import missing, require_program
from integration.cloud import PRIVATE, PUBLIC, put_behind_nat
from integration.cluster import Server
from integration.kubeconfig import write_kubeconfig
from integration.netns import Namespace, NoNamespaceError, ip
from support import WAIT, environment, wait_for
from support.programs import running_program

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "setup.md"
NAME, ADDRESS = "turn.domain.local", "11.0.0.1"
"""An address that relays are not denied to reach; nothing leaves the namespace."""
VARYING = [
    (r"(?s)  note: data from outside .*? home\n", ""),  # on the server itself
    (r"not tried", "0.0 ms"),
    (r"\s+", " "),
    (r"\d+\.\d+\.\d+\.\d+(:\d+)?", "ADDRESS"),
    (r"\d+-\d+-\d+T\d+:\d+:\d+Z", "TIME"),
    (r"[\d.]+ ms", "MS"),
    (r"\d %", "LOSS"),
    (r"\d+\s+days", "DAYS"),
    (r"host \S+", "HOST"),
]
"""What differs by machine and time, and how lines are wrapped."""


def blocks(kind: str, left_out: str = "") -> List[str]:
    """Return the blocks of the page, without those of a step that is skipped."""
    parts = re.split(r"^## \d+\. ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    kept = [part for part in parts if not (left_out and part.startswith(left_out))]
    assert len(kept) == len(parts) - bool(left_out)
    text = "".join(kept)
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def steps(behind_nat: bool = False) -> Iterator[Tuple[str, str]]:
    """Yield each command of the page, with the output below it.

    Behind a NAT, those of the step about it take the place of those above it.
    """
    left_out = "Set up coturn" if behind_nat else "Behind NAT"
    for block in blocks("text", left_out):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown


def lasting(text: str) -> str:
    """Return an output without the parts that differ each time."""
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return text.strip()


def is_shown(output: str, shown: str) -> bool:
    """Return whether the page shows this output; "..." stands for any part of it."""
    pattern = re.escape(lasting(shown)).replace(re.escape("..."), ".*")
    return bool(re.fullmatch(pattern, lasting(output)))


class Machine:
    """A network namespace with coturn's address, and a file system in which it has its name.

    `probing` is where probe runs, which is the same machine.
    """

    own = ADDRESS

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace, self.folder, self.probing = namespace, folder, namespace
        ip(namespace, "link set lo up", "link add eth0 type veth peer name eth1")
        ip(namespace, "link set eth0 up", "link set eth1 up", f"addr add {ADDRESS}/32 dev eth0")
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {NAME}\n")

    def command(self, *words: str) -> List[str]:
        places = {"hosts": "/etc/hosts", "": "/usr/local/etc"}  # of the certificate
        binds = [f"mount --bind {self.folder / name} {place}" for name, place in places.items()]
        mount = " && ".join([*binds, 'exec "$@"'])
        inside = ("unshare", "--mount", "sh", "-c", mount, "sh", *words)
        return (self.probing if "probe" in words else self.namespace).command(*inside)

    def abcwebrtc(self, line: str) -> Tuple[int, str, str]:
        """Run a command of the page; `apply` runs outside the namespace, where the cluster is."""
        words = [sys.executable, "-m", "abcwebrtc", *shlex.split(line)[1:]]
        files = {"SSL_CERT_FILE": "authority.pem", "KUBECONFIG": "kubeconfig"}
        variables = {name: str(self.folder / file) for name, file in files.items()}
        if " probe " in line:
            variables["COLUMNS"] = "120"  # room for the page's table
        done = subprocess.run(
            words if " apply " in line else self.command(*words),
            cwd=self.folder,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=4 * WAIT,
        )
        return done.returncode, done.stdout, done.stderr

    @contextlib.contextmanager
    def coturn(self) -> Iterator[None]:
        program = require_program("turnserver", "coturn")
        files = (f"--{name}={self.folder / name}" for name in ("pidfile", "userdb"))
        conf = str(self.folder / "turnserver.conf")
        command = self.command(program, "-c", conf, "--log-file=stdout", *files)
        with running_program(command, self.folder / "coturn.log", cwd="/") as process:
            places = (("udp", 3478), ("tcp", 3478), ("tcp", 5349))

            def listens() -> bool:
                return all(self.namespace.listens_at(how, self.own, port) for how, port in places)

            wait_for(lambda: listens() or process.poll() is not None)
            yield


class BehindNat(Machine):
    """A machine with a private address; the probe runs on another one."""

    own = PRIVATE

    def __init__(self, namespace: Namespace, probing: Namespace, folder: Path) -> None:
        self.namespace, self.folder, self.probing = namespace, folder, probing
        put_behind_nat(namespace, probing)
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{PUBLIC} {NAME}\n")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with the page's od.config, with its own secret, and a certificate.

    coturn's user can read what is there; Debian's unit hides /tmp from it.
    """
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        os.chmod(name, 0o711)
        prepare(Path(name))
        yield Path(name)


def prepare(folder: Path) -> None:
    authority = trustme.CA()
    issued = authority.create_child_ca().issue_cert(NAME)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    issued.private_key_pem.write_to_path(str(folder / "turn.key"))
    for pem in issued.cert_chain_pems:
        pem.write_to_path(str(folder / "turn.pem"), append=True)
    for name in ("turn.key", "turn.pem"):
        (folder / name).chmod(0o644)
    entries = blocks("ini")[0].replace("the-static-auth-secret-of-your-coturn", secrets.token_hex())
    (folder / "od.config").write_text(f"[global]\n{entries}", encoding="utf-8")


@pytest.fixture
def namespaces() -> Iterator[Callable[[], Namespace]]:
    """Return a function that creates a namespace, and more beside the first."""
    made: List[Namespace] = []

    def make() -> Namespace:
        try:
            made.append(made[0].another() if made else Namespace.first())
        except NoNamespaceError as error:
            missing(f"no network namespace can be made here: {error}")
        return made[-1]

    yield make
    for namespace in reversed(made):
        namespace.close()


@pytest.fixture
def machine(folder: Path, namespaces: Callable[[], Namespace]) -> Machine:
    return Machine(namespaces(), folder)


@pytest.fixture
def _cluster(machine: Machine) -> Iterator[None]:
    """A cluster with pyos but no sound, where kubectl finds it."""
    server = Server()
    server.cluster.add_pyos()
    server.cluster.add_config_map("[global]\nwebrtc.enable: False\n")
    write_kubeconfig(machine.folder / "kubeconfig", server.url)
    yield
    server.stop()


def follow(machine: Machine, commands: Iterable[Tuple[str, str]]) -> List[str]:
    """Run the commands of the page, compare their output, and return their names, each once."""
    with contextlib.ExitStack() as stack:
        done: Dict[str, str] = {}
        for command, shown in commands:
            if " probe " in command:
                stack.enter_context(machine.coturn())
            status, output, errors = machine.abcwebrtc(command)
            print(command, output, errors, sep="\n")
            assert status == 0
            notes = [line for line in errors.splitlines() if line.startswith("note: for coturn ")]
            assert " apply " in command or errors.splitlines() == notes  # it says how far it is
            assert is_shown(output, shown)
            done[command.split()[1]] = output
    return list(done)


@pytest.mark.usefixtures("_cluster")
def test_the_page_leads_from_nothing_to_servers_that_work(machine: Machine) -> None:
    found = follow(machine, steps())
    assert found == ["check", "turnserver-conf", "probe", "networkpolicy", "apply"]


def test_behind_nat_the_page_leads_there_too(
    folder: Path, namespaces: Callable[[], Namespace]
) -> None:
    machine = BehindNat(namespaces(), namespaces(), folder)
    first = itertools.takewhile(lambda step: " networkpolicy " not in step[0], steps(True))
    assert follow(machine, first) == ["check", "turnserver-conf", "probe"]
    conf = (folder / "turnserver.conf").read_text()
    assert f"\nexternal-ip={PUBLIC}/{PRIVATE}\n" in conf
