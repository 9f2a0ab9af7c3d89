"""``abcwebrtc rotate``: its command line, the plan, and what check says without a coturn."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from abcwebrtc.cli.main import main
from support import ENTRIES, SECRET, WAIT, command, environment, run_main, write_od_config

COTURN = ENTRIES["webrtc.coturn"]
NEW = "the-secret-from-today-on"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return functools.partial(run_main, capsys, "rotate")


# the line


@pytest.mark.parametrize("name", ["plan", "new-secret", "old-secret", "check"])
def test_the_help_of_each_subcommand_has_an_example(run: Any, name: str) -> None:
    result = run(name, "--help")
    assert result.status == 0
    assert re.search(rf"\n(example: |examples?:\n  )abcwebrtc rotate {name} ", result.out)
    assert max(map(len, result.out.splitlines())) <= 80


def test_without_a_subcommand_the_line_is_wrong(run: Any) -> None:
    result = run()
    assert result.status == 2
    assert "SUBCOMMAND" in result.err


WRONG_LINES = {
    "a number that is none": (["plan", "od.config", "--margin", "1h"], "whole number of seconds"),
    "a time that is none": (["plan", "od.config", "--at", "noon"], "2026-01-05T09:00:00Z"),
    "a timeout that is none": (["check", "od.config", "--timeout", "0"], "write seconds"),
    "yaml into a secret file": (
        ["new-secret", "--format", "turnserver", "--output", "x"],
        "redirect stdout to a file",
    ),
    "turnadmin without a file": (["new-secret", "--format", "turnadmin"], "needs --from FILE"),
    "turnadmin from stdin": (
        ["new-secret", "--format", "turnadmin", "--from", "-"],
        "needs --from FILE",
    ),
    "sql without a file": (["new-secret", "--format", "sql", "--realm", "r"], "needs --from FILE"),
    "sql without a realm": (["new-secret", "--format", "sql", "--from", "x"], "needs --realm"),
    "an old secret of nothing": (["old-secret", "--realm", "r"], "there is no od.config in"),
    "an old secret of two": (
        ["old-secret", "od.config", "--from", "x", "--realm", "r"],
        "either OD_CONFIG or --from FILE",
    ),
    "an old secret of the plan's place for a realm": (
        ["old-secret", "od.config", "--realm", "REALM"],
        "replace REALM with coturn's realm",
    ),
    "an old secret without a realm": (["old-secret", "od.config"], "--realm"),
    "an entry of a file": (
        ["old-secret", "--from", "x", "--realm", "r", "--entry", "0"],
        "--entry goes with OD_CONFIG",
    ),
    "a manifest without a name": (["new-secret", "--format", "kubernetes"], "needs --name"),
    "a name that no Secret has": (["new-secret", "--name", "A B"], "a name of small letters"),
    "a key that no Secret has": (["new-secret", "--key", ".."], "static-auth-secret"),
    "a name for a file": (["new-secret", "--name", "a"], "--name goes with --format kubernetes"),
    "a namespace for turnserver": (
        ["new-secret", "--format", "turnserver", "-n", "a"],
        "--namespace goes with --format kubernetes",
    ),
    "a realm for a manifest": (
        ["new-secret", "--format", "kubernetes", "--name", "a", "--realm", "b"],
        "--realm goes with --format turnadmin or sql",
    ),
    "force without output": (["new-secret", "--force"], "--force goes with --output"),
    "its old name without output": (["new-secret", "--replace"], "--force goes with --output"),
    "keep with output": (["new-secret", "--keep", "a", "--output", "b"], "leave --keep out"),
    "output to a minus sign": (["new-secret", "--output", "-"], "leave --output out"),
    "stdin twice": (["new-secret", "--from", "-", "--keep", "-"], "both read stdin"),
}


@pytest.mark.parametrize(("line", "words"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_wrong_line_is_exit_2_and_says_what_to_write(
    run: Any, line: List[str], words: str
) -> None:
    result = run(*line)
    assert result.status == 2
    assert words in result.err
    assert result.out == ""


# plan


def test_plan_prints_numbered_steps_and_no_secret(tmp_path: Path, run: Any) -> None:
    result = run("plan", write_od_config(tmp_path), "--at", "2026-01-05T09:00:00Z")
    assert result.status == 0
    assert result.err == ""
    first, second, *rest = result.out.splitlines()
    assert first == "webrtc.coturn: turn:turn.example.org:3478"
    assert second == "  one secret; no rotation is under way"
    numbers = [line.split(".")[0].strip() for line in rest if re.match(r"  \d+\. ", line)]
    assert numbers == [str(number) for number in range(1, 10)]
    assert "2026-01-05T09:15:01Z" in re.sub(r"\s+", " ", result.out)
    assert SECRET not in result.out


def test_the_json_of_plan_says_the_same(tmp_path: Path, run: Any) -> None:
    result = run("plan", "--json", write_od_config(tmp_path), "--at", "1767603600")
    (group,) = json.loads(result.out)["groups"]
    assert group["overlap"]["remove_at"] == "2026-01-05T09:15:01Z"
    assert group["places"] == [{"kind": "inline", "name": ""}]
    assert group["secrets"] == 1
    assert [step["name"] for step in group["steps"]][:3] == ["prepare", "make", "give"]


def test_by_default_the_switch_is_now(tmp_path: Path, run: Any) -> None:
    result = run("plan", "--json", write_od_config(tmp_path))
    (group,) = json.loads(result.out)["groups"]
    at = group["overlap"]["switch_at"]
    assert f"--since {at}" in json.dumps(group["steps"])
    assert at > "2026-01-01"


def test_the_last_time_that_can_be_given_has_a_plan(tmp_path: Path, run: Any) -> None:
    line = ("--at", "2099-12-31T23:59:59Z", "--margin", "99999999")
    result = run("plan", write_od_config(tmp_path), *line)
    assert result.status == 0
    assert "Z." in result.out


@pytest.mark.parametrize("columns", ["0", "1"])
def test_columns_of_no_width_are_no_traceback(
    tmp_path: Path, run: Any, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    result = run("plan", write_od_config(tmp_path))
    assert (result.status, max(map(len, result.out.splitlines())) > 20) == (0, True)


def test_each_secret_is_planned_by_itself(tmp_path: Path, run: Any) -> None:
    other = {**COTURN, "coturn_static_auth_secret": NEW, "url": "turn.other.org"}
    od_config = write_od_config(tmp_path, webrtc__coturn=[COTURN, other, COTURN])
    groups = json.loads(run("plan", "--json", od_config).out)["groups"]
    assert [group["paths"] for group in groups] == [
        ["webrtc.coturn[0]", "webrtc.coturn[2]"],
        ["webrtc.coturn[1]"],
    ]
    assert "--entry 1" in json.dumps(groups[1]["steps"])
    (chosen,) = json.loads(run("plan", "--json", od_config, "--entry", "1").out)["groups"]
    assert chosen["paths"] == ["webrtc.coturn[1]"]
    line = ("plan", od_config, "--at", "2026-01-05T09:00:00Z", "--entry")
    one = run(*line, "1").out
    for name in ("turn.other.org", "turn:turn.other.org"):
        assert run(*line, name).out == one
    known = "has: 0 and 2 turn.example.org, 1 turn.other.org\n"
    for name in ("3", "-1", "nobody.local", SECRET):
        wrong = run("plan", od_config, "--entry", name)
        assert (wrong.status, wrong.out, SECRET in wrong.err) == (2, "", False)
        assert f"error: --entry is not one of od.config, which {known}" in wrong.err


@pytest.mark.parametrize("name", ["plan", "check"])
def test_without_a_coturn_there_is_nothing_to_rotate(tmp_path: Path, run: Any, name: str) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn=...)
    result = run(name, od_config)
    assert result.status == 1
    assert result.err == (
        f"{od_config}: error: webrtc.coturn: there is no coturn server, "
        "so there is no secret to change\n"
    )


@pytest.mark.parametrize("name", ["plan", "check"])
def test_the_same_secret_twice_is_not_taken_for_an_old_one(
    tmp_path: Path, run: Any, name: str
) -> None:
    """The step that removes the old one would remove the only one."""
    (tmp_path / "secrets").write_text(f"{NEW}\n{NEW}\n")
    in_file = {key: value for key, value in COTURN.items() if "secret" not in key}
    in_file["coturn_static_auth_secret_file"] = "secrets"
    for coturn in (in_file, {**COTURN, "coturn_static_auth_secret": [NEW, SECRET, NEW]}):
        result = run(name, write_od_config(tmp_path, webrtc__coturn=coturn))
        assert (result.status, result.out) == (1, "")
        assert "error: webrtc.coturn: has the same secret twice" in result.err
        assert NEW not in result.err


def test_that_nothing_mints_is_said(tmp_path: Path, run: Any) -> None:
    result = run("plan", write_od_config(tmp_path, webrtc__enable=False))
    assert result.status == 0
    assert "webrtc.enable is False" in result.err


def test_warnings_of_the_configuration_are_as_check_has_them(
    tmp_path: Path, run: Any, capsys: Any
) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)
    result = run("plan", od_config)
    main(["check", str(od_config)])
    assert result.err.splitlines() == capsys.readouterr().out.splitlines()[:1]


@pytest.mark.parametrize("name", ["plan", "check"])
def test_a_configuration_that_is_wrong_is_exit_1(tmp_path: Path, run: Any, name: str) -> None:
    result = run(name, write_od_config(tmp_path, webrtc__coturn={**COTURN, "ttl": 0}))
    assert result.status == 1
    assert "webrtc.coturn.ttl: must be 1 second or more" in result.err
    assert result.out == ""


# check; `integration/test_rotate_check` tests it with a coturn


def test_only_check_loads_aioice(tmp_path: Path) -> None:
    code = (
        "import sys; from abcwebrtc.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "assert not {'aioice', 'yaml', 'cherrypy'} & set(sys.modules)"
    )
    for line in (["plan", write_od_config(tmp_path)], ["new-secret"]):
        subprocess.run(
            [sys.executable, "-c", code, "rotate", *map(str, line)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            check=True,
        )


def test_the_switch_can_not_be_in_the_future(tmp_path: Path, run: Any) -> None:
    result = run("check", write_od_config(tmp_path), "--since", "2099-01-01")
    assert result.status == 2
    assert "--since is in the future" in result.err


def test_a_new_secret_belongs_to_one_entry(tmp_path: Path, run: Any) -> None:
    other = {**COTURN, "coturn_static_auth_secret": "another-secret-of-its-own"}
    od_config = write_od_config(tmp_path, webrtc__coturn=[COTURN, other])
    (tmp_path / "new").write_text(NEW)
    result = run("check", od_config, "--new", tmp_path / "new")
    assert result.status == 2
    assert "--new needs --entry N" in result.err


# old-secret


TABLE = "create table turn_secret (realm text, value text, primary key (realm, value))"


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        made.execute(TABLE)
        yield made


def rows(database: sqlite3.Connection) -> List[Tuple[str, str]]:
    return database.execute("select realm, value from turn_secret order by value").fetchall()


def test_all_secrets_but_the_first_go_from_the_realm(
    tmp_path: Path, run: Any, database: sqlite3.Connection
) -> None:
    old = ["it's an old one", "'; delete from turn_secret; --", "an-even-older-one"]
    kept = [("a realm", NEW), ("a realm", "of somebody else"), ("another", old[0])]
    every = [*kept, *(("a realm", secret) for secret in old)]
    database.executemany("insert into turn_secret values (?, ?)", every)
    coturn = {**COTURN, "coturn_static_auth_secret": [NEW, *old]}
    result = run("old-secret", write_od_config(tmp_path, webrtc__coturn=coturn), "--realm=a realm")
    assert result.status == 0
    database.executescript(result.out)
    assert sorted(rows(database)) == sorted(kept)
    (tmp_path / "secrets").write_text("\n".join([NEW, *old]))
    assert run("old-secret", "--from", tmp_path / "secrets", "--realm=a realm").out == result.out


def test_a_secret_that_is_added_twice_is_there_once(
    tmp_path: Path, run: Any, database: sqlite3.Connection
) -> None:
    (tmp_path / "new").write_text("it's new")
    (tmp_path / "kept").write_text(NEW)
    line = ("--from", tmp_path / "new", "--format", "sql", "--realm", "o'r", "--keep")
    result = run("new-secret", *line, tmp_path / "kept")
    for _ in range(2):
        database.executescript(result.out)
    assert rows(database) == [("o'r", "it's new"), ("o'r", NEW)]


@pytest.mark.parametrize(
    ("coturn", "status", "words"),
    [
        ([COTURN], 1, "has only one secret, which mints"),
        (
            [
                {**COTURN, "coturn_static_auth_secret": [NEW, SECRET]},
                {**COTURN, "coturn_static_auth_secret": [SECRET, NEW], "url": "b.org"},
            ],
            1,
            "webrtc.coturn[0] and webrtc.coturn[1]: mint with different secrets",
        ),
        (
            [COTURN, {**COTURN, "coturn_static_auth_secret": [NEW, "old"], "url": "b.org"}],
            2,
            "give --entry N",
        ),
        ([{**COTURN, "coturn_static_auth_secret": [NEW, "an\told-one"]}], 1, "control character"),
    ],
)
def test_where_it_is_not_clear_what_is_old_nothing_is_printed(
    tmp_path: Path, run: Any, coturn: Any, status: int, words: str
) -> None:
    result = run("old-secret", write_od_config(tmp_path, webrtc__coturn=coturn), "--realm", "r")
    assert (result.status, result.out) == (status, "")
    assert words in result.err
    assert not [secret for secret in (NEW, SECRET, "told-one") if secret in result.err]


def test_an_entry_is_chosen(tmp_path: Path, run: Any) -> None:
    other = {**COTURN, "coturn_static_auth_secret": [NEW, "its-old-one"], "url": "b.org"}
    od_config = write_od_config(tmp_path, webrtc__coturn=[COTURN, other])
    result = run("old-secret", od_config, "--realm", "r", "--entry", "1")
    assert result.out == (
        "begin;\ndelete from turn_secret where realm = 'r' and value = 'its-old-one';\ncommit;\n"
    )


def test_the_data_of_old_secret_has_its_sql(tmp_path: Path, run: Any) -> None:
    coturn = {**COTURN, "coturn_static_auth_secret": [NEW, SECRET]}
    od_config = write_od_config(tmp_path, webrtc__coturn=coturn, webrtc__enabled=True)
    line = ("old-secret", od_config, "--realm", "r")
    found = json.loads(run(*line, "--json").out)
    assert (found["ok"], found["file"]) == (True, str(od_config))
    assert found["content"] == run(*line).out
    assert [one["level"] for one in found["warnings"]] == ["warning"]


# the od.config


def test_an_od_config_from_stdin_has_a_plan(tmp_path: Path) -> None:
    text = write_od_config(tmp_path).read_bytes()
    line = command("rotate", "plan", "-")
    done = subprocess.run(line, input=text, capture_output=True, env=environment(), timeout=WAIT)
    printed = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "replace OD_CONFIG with the name of its file" in re.sub(r"\s+", " ", printed)
    assert "\n       abcwebrtc apply OD_CONFIG\n" in printed
    assert "/dev/stdin" not in printed


def test_the_commands_name_the_od_config_that_was_found(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    od_config = write_od_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert "\n       abcwebrtc apply od.config\n" in run("plan").out
    monkeypatch.setenv("ABCWEBRTC_OD_CONFIG", str(od_config))
    assert f"\n       abcwebrtc apply {od_config}\n" in run("plan").out


def test_the_data_has_warnings_and_stderr_has_none(tmp_path: Path, run: Any) -> None:
    result = run("plan", write_od_config(tmp_path, webrtc__enable=False), "--json")
    found = json.loads(result.out)
    assert result.err == ""
    assert found["ok"]
    assert any("webrtc.enable is False" in one["message"] for one in found["warnings"])


def test_quiet_leaves_the_plan(tmp_path: Path, run: Any) -> None:
    result = run("plan", write_od_config(tmp_path, webrtc__enable=False), "-q")
    assert (result.status, result.err) == (0, "")
    assert result.out
