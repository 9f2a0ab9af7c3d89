"""The command networkpolicy: what it prints, resolves and refuses."""

from __future__ import annotations

import functools
import json
import re
import socket
from pathlib import Path
from typing import Any, List

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.cli.main import main
from abcwebrtc.cluster.network_policy import PolicyOptions
from abcwebrtc.cluster.yaml import yaml_text
from support import SECRET, listed_options, own_options, run_command, run_main, write_od_config
from support.desktop_pod import VERSIONS
from support.policies import COTURN, policy, port, rule
from unit.project.test_docs import table_keys
from unit.test_imports import loaded_by


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return functools.partial(run_main, capsys, "networkpolicy")


def test_it_prints_yaml_after_its_comments(tmp_path: Path, run: Any) -> None:
    status, out, err = run(write_od_config(tmp_path))
    head = [line for line in out.splitlines() if line.startswith("#")]
    assert status == 0
    assert out.splitlines()[: len(head)] == head
    assert all(len(line) <= 100 for line in head)
    assert "turn.example.org. --resolve" in " ".join(head).replace("#   ", "")
    assert yaml.safe_load(out)["spec"]["egress"] == [{"ports": [port("UDP", 3478)]}]
    assert err.startswith("warning: desktops have no TURN server of their own")
    assert len(err.splitlines()) == 1


def test_json_is_the_same_with_the_notes_on_stderr(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path)
    _, text, warning = run(od_config)
    status, out, err = run(od_config, "--json")
    assert status == 0
    assert json.loads(out) == yaml.safe_load(text)
    assert err.startswith(warning)
    notes = err[len(warning) :].splitlines()
    assert all(line.startswith("note: ") for line in notes)
    comments = re.sub(r"\n#   ", " ", text)
    assert all(f"# - {line[len('note: ') :]}\n" in comments for line in notes)
    assert len(notes) == 6


def test_yaml_data_has_no_comments(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path)
    as_json, as_yaml = run(od_config, "-o", "json"), run(od_config, "-o", "yaml")
    assert "#" not in as_yaml.out
    assert yaml.safe_load(as_yaml.out) == json.loads(as_json.out)
    assert as_yaml.err == as_json.err
    assert run(od_config, "-o", "yaml", "-q").err == ""


def test_verbose_says_which_names_are_resolved(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn={**COTURN, "url": "localhost"})
    od_config.write_text(od_config.read_text().replace("stun.example.org", "192.0.2.1"))
    err = run(od_config, "--resolve", "-v").err
    assert re.search(r"(?m)^resolving localhost$", err)
    assert re.search(r"(?m)^localhost is (127\.0\.0\.1|::1)", err)


def test_the_options_reach_the_manifest(tmp_path: Path, run: Any) -> None:
    options = ["--name", "n.x", "--namespace", "ns", "--relay-ports", "50000-50999", "--dns"]
    selectors = ["--selector", "type=x11server", "--selector", "netpol/ocuser=true"]
    _, out, err = run(write_od_config(tmp_path), *options, *selectors)
    made = yaml.safe_load(out)
    assert made["metadata"] == {"name": "n.x", "namespace": "ns"}
    assert made["spec"]["podSelector"]["matchLabels"] == {
        "type": "x11server",
        "netpol/ocuser": "true",
    }
    first, dns = made["spec"]["egress"]
    assert first["ports"][1:] == [port("UDP", 50000, 50999)]
    assert dns["ports"][0]["port"] == 53
    assert err == ""


def test_resolve_asks_this_machine(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(
        tmp_path,
        webrtc__coturn={**COTURN, "url": "localhost"},
        webrtc__rtc_configuration={"iceServers": [{"urls": "stun:192.0.2.1"}]},
    )
    status, out, err = run(od_config, "--resolve")
    blocks = {item["to"][0]["ipBlock"]["cidr"] for item in yaml.safe_load(out)["spec"]["egress"]}
    assert status == 0
    assert "192.0.2.1/32" in blocks
    assert blocks & {"127.0.0.1/32", "::1/128"}
    assert blocks <= {"127.0.0.1/32", "::1/128", "192.0.2.1/32"}
    assert re.search(r"\n# - localhost was .* at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ; generate", out)
    assert "localhost is a loopback address" in err


def test_a_name_that_is_not_found_is_one_error(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn={**COTURN, "url": "nowhere.invalid"})
    od_config.write_text(od_config.read_text().replace("stun.example.org", "192.0.2.1"))
    status, out, err = run(od_config, "--resolve")
    assert status == 3
    assert out == ""
    assert re.fullmatch(r"error: can't resolve nowhere\.invalid: .*or without --resolve\n", err)


def test_without_resolve_nothing_is_looked_up(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: List[Any] = []

    def lookup(name: str, *_: Any, **__: Any) -> Any:
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    od_config = write_od_config(tmp_path)
    run(od_config)
    assert asked == []
    _, out, _ = run(od_config, "--resolve")
    assert asked == ["stun.example.org", "turn.example.org"]
    assert yaml.safe_load(out)["spec"]["egress"] == [rule("192.0.2.7/32", port("UDP", 3478))]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"webrtc__enable": False},
            "error: webrtc.enable is False; set webrtc.enable: True for sound\n",
        ),
        (
            {"webrtc__coturn": ..., "webrtc__rtc_configuration": ...},
            "error: webrtc.rtc_configuration: there is no STUN or TURN server to open; ",
        ),
        ({"webrtc__enable": 1}, ":2: error: webrtc.enable: must be True or False"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--resolve"]], ids=str)
def test_what_has_no_policy_is_one_error_and_exit_1(
    tmp_path: Path, run: Any, changes: Any, message: str, options: List[str]
) -> None:
    status, out, err = run(write_od_config(tmp_path, **changes), *options)
    assert status == 1
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1


def test_warnings_of_the_configuration_go_to_stderr(tmp_path: Path, run: Any, capsys: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)
    status, out, err = run(od_config)
    assert status == 0
    assert main(["check", str(od_config)]) == 0
    assert err.splitlines()[0] == capsys.readouterr().out.splitlines()[0]
    assert "webrtc.enabled: no such entry" in err.splitlines()[0]
    assert "no such entry" not in out


@pytest.mark.parametrize(
    "options",
    [
        ["--relay-ports", "49152"],
        ["--relay-ports", "2-1"],
        ["--relay-ports", "0-1"],
        ["--relay-ports", "1-65536"],
        ["--relay-ports", "1-2\n"],
        ["--relay-ports", "٣-٤"],
        ["--name", ""],
        ["--name", "A"],
        ["--name", "a\nb"],
        ["--name", "a."],
        ["--name", "a" * 64],
        ["--name", ".".join(["a" * 60] * 5)],
        ["--namespace", "a.b"],
        ["--namespace", "a-"],
        ["--namespace=-a"],
        ["--selector", "type"],
        ["--selector", "=x"],
        ["--selector", "type=x y"],
        ["--selector", "type=" + "x" * 64],
        ["--selector", "/type=x"],
        ["--selector", "a=b,c=d"],
        ["--selector", "a=b", "--selector", "a=c"],
    ],
    ids=repr,
)
def test_a_wrong_option_is_exit_2_and_says_what_to_write(
    tmp_path: Path, run: Any, options: List[str]
) -> None:
    status, out, err = run(write_od_config(tmp_path), *options)
    assert status == 2
    assert out == ""
    last = err.splitlines()[0]
    assert last.startswith("abcwebrtc networkpolicy: error: ")
    assert (
        f"{options[0].partition('=')[0]}: write " in last or "--selector gives a key twice" in last
    )


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@settings(max_examples=25)
@given(LABELS, LABELS, LABELS, LABELS)
def test_whatever_name_is_taken_comes_back_from_yaml_as_text(
    name: str, namespace: str, key: str, value: str
) -> None:
    # Such as 1e5, null, true or 0x1f, which YAML would take for something else.
    from abcwebrtc.cli.options import kube_label, kube_name, kube_namespace

    labels = dict([kube_label(f"{key}={value}")])
    options = PolicyOptions(kube_name(name), kube_namespace(namespace), labels)
    made = policy(["stun:192.0.2.1"], options=options).manifest
    assert yaml.safe_load(yaml_text([made])) == made
    kubernetes_validate.validate(made, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("options", [[], ["--json"], ["--relay-ports", "1-2", "--dns"]], ids=str)
def test_no_secret_is_in_the_output(tmp_path: Path, run: Any, options: List[str]) -> None:
    server = {"urls": "turn:192.0.2.3", "username": "u-53cr37", "credential": "c-53cr37"}
    od_config = write_od_config(
        tmp_path,
        webrtc__rtc_configuration={"iceServers": [server]},
        webrtc__desktop={"turn": True},
    )
    status, out, err = run(od_config, *options)
    assert status == 0
    assert "192.0.2.3" in out
    assert not re.search(f"{SECRET}|53cr37", out + err)


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    result = run_command("networkpolicy", write_od_config(tmp_path), "--relay-ports", "1-2")
    assert (result.returncode, result.stderr) == (0, "")
    assert yaml.safe_load(result.stdout)["kind"] == "NetworkPolicy"


def test_only_printing_yaml_loads_yaml(tmp_path: Path) -> None:
    code = "from abcwebrtc.cli.main import main\nassert main(['networkpolicy', *sys.argv[1:]]) == 0"
    od_config = write_od_config(tmp_path)
    assert "yaml" in loaded_by(code, od_config)
    assert not loaded_by(code, od_config, "--json") & {"yaml", "cherrypy", "kubernetes"}


def test_the_table_of_options_is_complete() -> None:
    listed = listed_options(table_keys("networkpolicy.md", "# NetworkPolicy"))
    assert listed == own_options("networkpolicy")
