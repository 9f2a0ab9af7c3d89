"""How ``abcwebrtc apply`` finds the cluster, and as whom it logs in."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import threading
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest
import trustme
import yaml

from abcwebrtc.cli.main import main
from abcwebrtc.cluster import api as kube
from integration.apply.conftest import NO_ANSWER, TOKEN, header, only
from integration.cluster import Server
from integration.kubeconfig import write_kubeconfig
from integration.turn import free_ports
from support import SECRET, WAIT, command, environment

# the cluster, and how it is found


def test_kubeconfig_comes_from_the_environment(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first existing file counts; missing files are skipped."""
    file = write_kubeconfig(tmp_path / "mine", server.url)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{file}")
    assert main(["apply", str(od_config), "--restart", "none"]) == 0
    assert cluster.text() == od_config.read_text()


def test_the_context_chooses(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = write_kubeconfig(tmp_path / "wrong", "http://127.0.0.1:1")
    both = yaml.safe_load(wrong.read_text())
    both["contexts"].append({"name": "right", "context": {"cluster": "right", "user": "u"}})
    both["clusters"].append({"name": "right", "cluster": {"server": server.url}})
    wrong.write_text(yaml.safe_dump(both))
    line = ["apply", str(od_config), "--kubeconfig", str(wrong), "--restart", "none"]
    assert main(line) == 3
    assert main([*line, "--context", "right"]) == 0
    assert cluster.text() == od_config.read_text()


def test_the_token_goes_to_the_server(cluster: Any, run: Any) -> None:
    assert run("--restart", "none")[0] == 0
    assert {header(request, "authorization") for request in cluster.seen} == {f"Bearer {TOKEN}"}


def test_the_namespace_is_the_one_that_is_asked_for(cluster: Any, run: Any) -> None:
    status, _, err = run("--namespace", "another")
    assert status == 3
    assert "namespace another has no Deployment pyos-od (404)" in err
    assert {request.namespace for request in cluster.seen} == {"another"}


def test_tls_with_the_authority_of_the_kubeconfig(
    tls: Tuple[Server, trustme.CA], od_config: Path, tmp_path: Path
) -> None:
    server, authority = tls
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    options = {"certificate-authority": str(tmp_path / "ca.pem")}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, **options)
    line = ["apply", str(od_config), "--kubeconfig", str(kubeconfig), "--restart", "none"]
    assert main(line) == 0
    assert server.cluster.text() == od_config.read_text()


def test_insecure_skip_tls_verify_is_heeded_without_a_warning(
    tls: Tuple[Server, trustme.CA], od_config: Path, tmp_path: Path, capfd: Any
) -> None:
    options = {"insecure-skip-tls-verify": True}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", tls[0].url, **options)
    line = ["apply", str(od_config), "--kubeconfig", str(kubeconfig), "--restart", "none"]
    assert main(line) == 0
    assert "arning" not in capfd.readouterr().err


def test_in_a_pod_the_service_account_is_used(
    tls: Tuple[Server, trustme.CA],
    od_config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kubernetes.config import incluster_config

    server, authority = tls
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert main(["apply", str(od_config), "--restart", "none"]) == 0
    assert server.cluster.text() == od_config.read_text()
    assert header(server.cluster.seen[0], "authorization").lower() == f"bearer {TOKEN}"


def test_a_pod_without_a_service_account_is_one_error(
    od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert main(["apply", str(od_config)]) == 3
    assert capsys.readouterr().err.splitlines()[1:] == [
        "error: can't use the service account of this pod: Service token file does not exist"
    ]


def bad_kubeconfigs(folder: Path, tls_url: str) -> Dict[str, Tuple[Any, str]]:
    """Return kubeconfigs, each with what its error must say."""
    good = yaml.safe_load(write_kubeconfig(folder / "k", tls_url).read_text())
    refused = f"http://127.0.0.1:{free_ports(1)[0]}"

    def server(url: str) -> Any:
        changed = copy.deepcopy(good)
        changed["clusters"][0]["cluster"]["server"] = url
        return changed

    def user(**content: Any) -> Any:
        return {**good, "users": [{"name": "u", "user": content}]}

    unusable = f"can't use the kubeconfig {folder}/bad: "
    return {
        "refused": (server(refused), f"{NO_ANSWER}{refused}: connection refused; is it running"),
        "name": (server("http://nowhere.invalid"), f"{NO_ANSWER}http://nowhere.invalid: "),
        "password": (
            server(refused.replace("//", f"//me:{SECRET}@")),
            f"{NO_ANSWER}{refused}: connection refused",
        ),
        "password with a slash": (server(refused.replace("//", f"//me:a/{SECRET}@")), ""),
        "url": (server("http://[::1"), ""),
        "tls": (good, f"{NO_ANSWER}{tls_url}: TLS failed: "),
        "no tls": (server(tls_url.replace("https", "http")), ""),
        "empty": ("", unusable),
        "no yaml": (f"users: [\n{SECRET}: {{", f"{unusable}it is not valid ("),
        "a text": (SECRET, unusable),
        "a list": ([SECRET], unusable),
        "certificate": (user(**{"client-certificate-data": SECRET}), unusable),
        "no file": (user(**{"client-certificate": "/nowhere", "client-key": "/nowhere"}), unusable),
        "misspelt user": (
            {**good, "users": [{"name": "u", "usr": {"token": SECRET}}]},
            f"{unusable}the key 'user' is missing where it is needed",
        ),
        "misspelt name": ({**good, "users": [{"nam": SECRET}]}, f"{unusable}one of its users has"),
        "misspelt cluster": (
            {**good, "clusters": [{"name": "k", "clustr": {"server": SECRET}}]},
            unusable,
        ),
        "no such file": (
            user(**{"client-certificate": "/q83vEjRWeJC3n5k9xT2a", "client-key": "/nowhere"}),
            f"{unusable}it names a file that does not exist: (not shown)",
        ),
        "no user": ({**good, "users": []}, ""),
        "no clusters": ({**good, "clusters": None}, unusable),
        "no context": ({**good, "contexts": []}, unusable),
    }


@pytest.mark.parametrize("name", sorted(bad_kubeconfigs(Path("/tmp"), "https://127.0.0.1")))
def test_a_kubeconfig_that_leads_nowhere_is_one_error(
    name: str, tls: Tuple[Server, trustme.CA], od_config: Path, tmp_path: Path, capsys: Any
) -> None:
    content, message = bad_kubeconfigs(tmp_path, tls[0].url)[name]
    file = tmp_path / "bad"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    assert main(["apply", str(od_config), "--kubeconfig", str(file)]) == 3
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 2, err
    assert lines[1].startswith("error: " + message)
    assert SECRET not in err


def test_a_plugin_gives_the_token(
    server: Server, od_config: Path, tmp_path: Path, capfd: Any
) -> None:
    """As the plugins of the large clouds do."""
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    text = json.dumps({**answer, "status": {"token": TOKEN}})
    plugin = {"apiVersion": answer["apiVersion"], "command": "echo", "args": [text]}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    content = yaml.safe_load(kubeconfig.read_text())
    content["users"] = [{"name": "u", "user": {"exec": {**plugin, "interactiveMode": "Never"}}}]
    kubeconfig.write_text(yaml.safe_dump(content))
    line = ["apply", str(od_config), "--kubeconfig", str(kubeconfig), "--restart", "none"]
    assert main(line) == 0
    assert header(server.cluster.seen[0], "authorization") == f"Bearer {TOKEN}"
    assert TOKEN not in "".join(capfd.readouterr())


PLUGINS = {
    "exit status": ("sh", ["-c", f"echo {SECRET} >&2; exit 3"], "exec: process returned 3; "),
    "not there": ("/nowhere/plugin", [], "No such file or directory; "),
    "no JSON": ("echo", [SECRET], "it returns no credentials; "),
    "no token": (
        "echo",
        ['{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}'],
        "it returns no credentials; ",
    ),
}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_fails_is_the_error(
    server: Server, od_config: Path, tmp_path: Path, name: str
) -> None:
    """Without credentials, the server would only say that an anonymous user may do nothing."""
    program, arguments, message = PLUGINS[name]
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": program}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    content = yaml.safe_load(kubeconfig.read_text())
    plugin.update(args=arguments, interactiveMode="Never")
    content["users"] = [{"name": "u", "user": {"exec": plugin}}]
    kubeconfig.write_text(yaml.safe_dump(content))
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=WAIT)
    assert (done.returncode, server.cluster.seen) == (3, [])
    assert done.stderr.splitlines()[1:] == [
        f"error: can't use the kubeconfig {kubeconfig}: its credential plugin failed: "
        f"{message}for details, run kubectl --kubeconfig {kubeconfig} get pods"
    ]


def test_a_plugin_that_fails_later_on_is_waited_for(
    cluster: Any, od_config: Path, tmp_path: Path, server: Server
) -> None:
    """Its token expires during the wait for pyos, and it can't get a new one yet."""
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    status = {"token": TOKEN, "expirationTimestamp": "2020-01-01T00:00:00Z"}
    (tmp_path / "answer").write_text(json.dumps({**answer, "status": status}))
    script = f"cd {tmp_path}; rm fail 2>/dev/null && echo {SECRET} >&2 && exit 3; cat answer"
    cluster.before = only("PATCH", "deployments", lambda _: (tmp_path / "fail").touch())
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    content = yaml.safe_load(kubeconfig.read_text())
    plugin = {"apiVersion": answer["apiVersion"], "command": "sh", "args": ["-c", script]}
    content["users"] = [{"name": "u", "user": {"exec": {**plugin, "interactiveMode": "Never"}}}]
    kubeconfig.write_text(yaml.safe_dump(content))
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=WAIT)
    assert done.returncode == 0, done.stderr
    assert f"the credentials for {server.url} can't be renewed: exec: process returned 3\n" in (
        done.stderr
    )
    assert SECRET not in done.stderr


def test_a_context_that_is_not_there_is_named(run: Any, cluster: Any) -> None:
    status, _, err = run("--context", "production")
    assert status == 3
    assert "error: can't use the kubeconfig " in err
    assert err.endswith(": it has no context production\n")


@pytest.mark.parametrize("options", [[], ["--context", "x"]])
def test_no_kubeconfig_is_one_error(
    od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, options: Any
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert main(["apply", str(od_config), *options]) == 3
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"error: there is no kubeconfig {tmp_path}/missing; set --kubeconfig or "
        "KUBECONFIG, or run this in a pod with a service account"
    ]


def test_a_server_that_does_not_answer(
    cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()
    monkeypatch.setattr(kube, "REQUEST_TIMEOUT", 0.2)
    cluster.before = only("GET", "configmaps", lambda request: given_up.wait(WAIT))
    status, _, err = run()
    given_up.set()
    assert status == 3
    assert re.search(r"error: can't reach the cluster at http://127.*: there was no answer", err)
