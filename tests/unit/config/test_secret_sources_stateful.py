"""Reload, rotation and minting together, in any order, beside faults of the secret's file.

The file is mounted as Kubernetes mounts a Secret: a link to a file in a folder that
another link leads to, which is swapped. The promise: a file that vanishes, is empty,
half written, a directory or a ring of links never changes what is used; the log says so
once, and it recovers by itself.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import abcwebrtc
from abcwebrtc.config import secret_sources as secrets
from abcwebrtc.config.secret_sources import MAX_FILE_BYTES, STAT_INTERVAL, FileSecrets
from abcwebrtc.errors import ConfigError, CredentialError, WebRTCDisabledError
from abcwebrtc.turn.credentials import verify_turn_credentials

START = 1_700_000_000
STAYS, RECOVERED = "the last good secret stays in use", "the secret can be read again"
SETTLE_SECONDS: float = getattr(secrets, "SETTLE_SECONDS", 0.0)
"""Seconds without a change after which a file is treated as complete."""
FAULTS = ("vanished", "empty", "blank", "directory", "ring", "dangling", "too large", "a pipe")
OD_CONFIG = """\
[global]
webrtc.enable: {enable}
webrtc.coturn: {{
  'coturn_static_auth_secret_file': 'mounted/secret',
  'url': 'turn.example.org:3478', 'username': 'userid', 'ttl': {ttl} }}
"""


class Minted(NamedTuple):
    """A credential, and the secret that signed it."""

    username: str
    password: str
    expires_at: int
    secret: str


class Clock:
    """Seconds that pass where the test says so."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return self.passed


class Messages(logging.Handler):
    """Keeps what is logged, and what was raised."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    def count(self, words: str) -> int:
        return sum(words in text for text in self.texts)


class Mount:
    """A folder in which Kubernetes keeps a Secret with one key, and what can happen to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0
        folder.mkdir()
        (folder / "secret").symlink_to("..data/secret")

    @property
    def _file(self) -> Path:
        return self.folder / "..data" / "secret"

    def swap(self, content: bytes) -> None:
        """Put new content there as the kubelet does: all at once, by another link."""
        self._number += 1
        name = f"..{self._number}"
        (self.folder / name).mkdir()
        (self.folder / name / "secret").write_bytes(content)
        (self.folder / "..new").symlink_to(name)
        os.replace(self.folder / "..new", self.folder / "..data")
        shutil.rmtree(self.folder / f"..{self._number - 1}", ignore_errors=True)

    def replace(self, content: bytes) -> None:
        """Put another file in the place of the one that is there."""
        self._clear(directories_only=True)
        other = self.folder / "..data" / "other"
        other.write_bytes(content)
        os.replace(other, self._file)

    def overwrite(self, content: bytes) -> None:
        """Write into the file that is there, as an editor may."""
        self._clear(directories_only=self._file.is_file())
        self._file.write_bytes(content)

    def break_it(self, fault: str) -> None:
        """Make the file one that no secret can be read from."""
        self._clear()
        makers: Dict[str, Callable[[], Any]] = {
            "vanished": lambda: None,
            "empty": lambda: self._file.write_bytes(b""),
            "blank": lambda: self._file.write_bytes(b" \n\t\n"),
            "directory": self._file.mkdir,
            "ring": lambda: self._file.symlink_to("secret"),
            "dangling": lambda: self._file.symlink_to("nothing"),
            "too large": lambda: self._file.write_bytes(b"x" * (MAX_FILE_BYTES + 1)),
            "a pipe": lambda: os.mkfifo(self._file),
        }
        makers[fault]()

    def _clear(self, directories_only: bool = False) -> None:
        if self._file.is_dir() and not self._file.is_symlink():
            self._file.rmdir()
        elif not directories_only and os.path.lexists(self._file):
            self._file.unlink()


WAYS = (Mount.swap, Mount.replace, Mount.overwrite)


class Rotation(RuleBasedStateMachine):
    """What an operator, Kubernetes, accidents and users do to one configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.mount = Mount(self.root / "mounted")
        self.clock = Clock()
        self.messages = Messages()
        self.logger = logging.getLogger("abcwebrtc")
        self.level = self.logger.level
        self.logger.setLevel(logging.DEBUG)
        self.logger.addHandler(self.messages)
        reader = functools.partial(FileSecrets, clock=self.clock)
        self.patch = mock.patch("abcwebrtc.config.secret_sources.FileSecrets", reader)
        self.patch.start()
        self.minted: List[Minted] = []
        self.made = 0
        self.ttl, self.enabled, self.valid = 600, True, True
        self.in_file: Optional[Tuple[str, ...]] = None
        self.wrote_at, self.looks = 0.0, 0
        self.said = 0

    def teardown(self) -> None:
        self.patch.stop()
        self.logger.removeHandler(self.messages)
        self.logger.setLevel(self.level)
        shutil.rmtree(self.root)

    @initialize()
    def begin(self) -> None:
        self._write(Mount.swap, (self._new_secret(),))
        self._write_od_config()
        self.config = self._load()
        self.used = self._current()

    # the secret's file

    @rule(way=st.sampled_from(WAYS))
    def put_a_new_secret_before_the_old_ones(self, way: Any) -> None:
        self._write(way, (self._new_secret(), *(self.in_file or self.used)[:2]))

    @rule(way=st.sampled_from(WAYS))
    def take_the_old_ones_away(self, way: Any) -> None:
        self._write(way, (self.in_file or self.used)[:1])

    @rule(way=st.sampled_from(WAYS))
    def put_back_what_is_used(self, way: Any) -> None:
        self._write(way, self.used)

    @rule(fault=st.sampled_from(FAULTS))
    def break_the_file(self, fault: str) -> None:
        self.mount.break_it(fault)
        self._changed(None)

    @rule(part=st.integers(1, 20), looks=st.booleans())
    def write_half_of_it_and_then_all(self, part: int, looks: bool) -> None:
        """A reader that comes in between does not take the half."""
        new = (self._new_secret(), *self.used[:1])
        self._write(Mount.overwrite, (new[0][:part],))
        before = self.used
        if looks:
            self.clock.passed += STAT_INTERVAL
            after = self._current()
            in_time = time.time() - self.wrote_at < SETTLE_SECONDS  # else it counts as complete
            assert after == before or not in_time
            self._looked(after)
        self._write(Mount.overwrite, new)

    # od.config

    @rule(ttl=st.sampled_from([1, 60, 86400]), enabled=st.sampled_from([True, True, False]))
    def change_the_od_config(self, ttl: int, enabled: bool) -> None:
        self.ttl, self.enabled, self.valid = ttl, enabled, True
        self._write_od_config()

    @rule()
    def spoil_the_od_config(self) -> None:
        (self.root / "od.config").write_text("[global]\nwebrtc.coturn: {\n")
        self.valid = False

    @rule()
    def load_it_again(self) -> None:
        """Load, as a restart would; where that fails, the old configuration goes on."""
        try:
            config = self._load()
        except ConfigError as error:
            self._raised(error)
            assert not self.valid or self.in_file is None
            return
        assert self.valid
        assert self.in_file is not None
        self.config, self.looks = config, 0
        self.said = self.messages.count(STAYS) - self.messages.count(RECOVERED)
        self.used = self._current()
        assert self.used == self.in_file

    # time, and users

    @rule(seconds=st.sampled_from([0.0, 0.5, STAT_INTERVAL, 59.0, 61.0, 90000.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.passed += seconds
        self._look()

    @rule(user=st.sampled_from(["alice", "zo\u00eb", "bob@example.org", "a b"]))
    def mint(self, user: str) -> None:
        self._look()
        now = self._now()
        try:
            answer = abcwebrtc.build_rtc_configuration(self.config, user, now)
        except CredentialError as error:
            self._raised(error)
            is_disabled = isinstance(error, WebRTCDisabledError)
        else:
            self._check_minted(answer["iceServers"][0], user, now)
            return
        assert is_disabled != self.config.enable
        assert is_disabled or user == "a b"

    def _check_minted(self, entry: Dict[str, str], user: str, now: float) -> None:
        assert self.config.enable
        login = entry["username"], entry["credential"]
        expires_at = int(now) + self.config.coturn[0].ttl
        assert login[0] == f"{expires_at}:{user}"
        assert verify_turn_credentials(self.used[0], *login, now), "the newest secret did not sign"
        self.minted.append(Minted(*login, expires_at, self.used[0]))

    # what always holds

    @invariant()
    def a_credential_holds_until_it_expires_or_its_secret_goes(self) -> None:
        now = self._now()
        for minted in self.minted:
            holds = verify_turn_credentials(self.used, minted.username, minted.password, now)
            in_time = int(now) <= minted.expires_at  # coturn counts whole seconds
            assert holds == (minted.secret in self.used and in_time)

    @invariant()
    def nothing_tells_a_secret(self) -> None:
        told = "\n".join(self.messages.texts) + repr(getattr(self, "config", ""))
        for number in range(self.made):
            assert self._name(number) not in told
        assert not any(minted.password in told for minted in self.minted)

    @precondition(lambda self: self.minted)
    @rule(user=st.sampled_from(["alice", "mallory"]))
    def no_credential_of_another_holds(self, user: str) -> None:
        minted = self.minted[-1]
        stolen = f"{minted.expires_at}:{user}"
        if stolen != minted.username:
            assert not verify_turn_credentials(self.used, stolen, minted.password, self._now())

    # helpers

    def _now(self) -> float:
        return START + self.clock.passed

    def _name(self, number: int) -> str:
        return f"{number:03}-secret-of-this-test"

    def _new_secret(self) -> str:
        self.made += 1
        return self._name(self.made - 1)

    def _write(self, way: Any, listed: Tuple[str, ...]) -> None:
        self.wrote_at = time.time()
        way(self.mount, "".join(f"{secret}\n" for secret in listed).encode())
        self._changed(listed)

    def _changed(self, listed: Optional[Tuple[str, ...]]) -> None:
        self.in_file, self.looks = listed, 0

    def _write_od_config(self) -> None:
        text = OD_CONFIG.format(enable=self.enabled, ttl=self.ttl)
        (self.root / "od.config").write_text(text)

    def _load(self) -> abcwebrtc.WebRTCConfig:
        return abcwebrtc.WebRTCConfig.from_file(self.root / "od.config", {}, self._now())

    def _current(self) -> Tuple[str, ...]:
        found = self.config.coturn[0].secrets.current()
        return tuple(secret.reveal().decode() for secret in found)

    def _raised(self, error: BaseException) -> None:
        shown = traceback.format_exception(type(error), error, error.__traceback__)
        self.messages.texts += [repr(error), repr(error.__context__), "".join(shown)]

    def _look(self) -> None:
        """Let the configuration look at the file: twice, so that a change has settled."""
        for _ in range(2):
            self.clock.passed += STAT_INTERVAL
            self._looked(self._current())

    def _looked(self, used: Tuple[str, ...]) -> None:
        """Compare what is used after a look with what may be."""
        self.looks += 1
        said = self.messages.count(STAYS) - self.messages.count(RECOVERED) - self.said
        if self.in_file is None:
            assert used == self.used, "a file without a secret changed what is used"
            assert self.looks < 2 or said == 1, "the log does not say it once"
        else:
            assert used in (self.used, self.in_file)
            if self.looks >= 2:
                assert used == self.in_file, "it does not recover by itself"
                assert said == 0, "the log does not say that it is over"
        self.used = used


Rotation.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=25,
)
TestRotation = Rotation.TestCase
