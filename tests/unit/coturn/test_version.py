"""Which coturn a turnserver.conf is for: told, found on this machine, or assumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from abcwebrtc.cli import turnserver_options
from abcwebrtc.cli.main import main
from abcwebrtc.coturn import this_machine
from abcwebrtc.coturn.options import NEWEST, CoturnVersion, parse_version
from abcwebrtc.coturn.this_machine import installed_version
from support import write_od_config
from support.turnserver_entry import ENTRY


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("4.6", (4, 6)),
        ("4.6.1", (4, 6)),
        ("4.5.1.3", (4, 5)),
        ("4.18.0", (4, 18)),
        ("5.0", (5, 0)),
        ("4", None),
        ("4.", None),
        ("v4.6", None),
        ("4.6.1-1", None),
        ("4.6\n", None),
        ("４.６", None),
        ("4.6.1.2.3", None),
        ("", None),
    ],
)
def test_a_version_is_two_numbers_and_what_follows(text: str, version: Any) -> None:
    assert parse_version(text) == version


def test_versions_compare_as_numbers() -> None:
    assert CoturnVersion(4, 6) < CoturnVersion(4, 18) < CoturnVersion(5, 0)
    assert (CoturnVersion(4, 19).known, CoturnVersion(4, 7).known) == (NEWEST, (4, 7))
    assert str(CoturnVersion(4, 18)) == "4.18"


OF_4_5 = """echo "x: unrecognized option '$1'" >&2; echo 'Usage: turnserver TURN'; exit 255"""


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ('test "$1" = --version && echo 4.6.1', (4, 6)),
        ("echo 4.18.0; echo", (4, 18)),
        ("echo 9.1.0", (9, 1)),
        (OF_4_5, (4, 5)),
        ("echo \"unrecognized option '--version'\"", None),
        ("echo 0.7.3", None),
        ("echo turnserver 4.6.1", None),
        ("printf '\\377\\0'", None),
        ("exit 1", None),
        ("cat; echo 4.6.1", (4, 6)),
        ("exec sleep 60", None),
    ],
)
def test_a_program_is_asked_for_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: Any
) -> None:
    if "sleep" in script:
        monkeypatch.setattr(this_machine, "SECONDS", 0.2)
    program = tmp_path / "turnserver"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert installed_version(str(program)) == version


@pytest.mark.parametrize("name", ["missing", "folder", "text"])
def test_a_program_that_does_not_run_says_no_version(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("4.6.1")
    assert installed_version(str(tmp_path / name)) is None


@pytest.mark.parametrize(
    ("found", "arguments", "note"),
    [
        (
            (4, 18),
            [],
            "note: for coturn 4.18, that of this machine; for another one write",
        ),
        (None, [], "note: for coturn 4.6, since this machine has none; for another one write"),
        ((4, 18), ["--coturn", "4.6.1"], ""),
        (None, ["--coturn", "5.2"], "note: coturn 5.2 is not known here; it is taken for 4.18"),
        ((4, 99), [], "note: coturn 4.99 is not known here; it is taken for 4.18"),
    ],
)
@pytest.mark.parametrize("checking", [False, True])
def test_what_is_assumed_is_said_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: Any,
    arguments: Any,
    note: str,
    checking: bool,
) -> None:
    def installed() -> Optional[CoturnVersion]:
        return CoturnVersion(*found) if found else None

    monkeypatch.setattr(turnserver_options, "installed_version", installed)
    od_config = write_od_config(tmp_path, webrtc__coturn=ENTRY)
    conf = tmp_path / "turnserver.conf"
    assert main(["turnserver-conf", str(od_config), "--output", str(conf), *arguments]) == 0
    if checking:
        capsys.readouterr()
        assert main(["turnserver-conf", str(od_config), "--check", str(conf), *arguments]) == 0
    err = capsys.readouterr().err
    assert note in err
    assert err.count("note: ") == bool(note) + (found == (4, 99))


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("4.4", "coturn is too old before 4.5; take a newer one"),
        ("3.2.5", "coturn is too old before 4.5; take a newer one"),
        ("latest", "write coturn's version, such as 4.6 or 4.18.0"),
        ("4", "write coturn's version, such as 4.6 or 4.18.0"),
        ("", "write coturn's version, such as 4.6 or 4.18.0"),
    ],
)
def test_a_version_that_is_none_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, words: str
) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn=ENTRY)
    with pytest.raises(SystemExit) as ended:
        main(["turnserver-conf", str(od_config), "--coturn", version])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
