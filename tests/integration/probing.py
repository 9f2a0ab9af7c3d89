"""Run `abcwebrtc probe` and read its output; shared by the tests of the probe."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

from abcwebrtc.cli.main import main
from integration.conftest import SECRET
from support import environment, run_command, write_od_config

OTHER = "not-the-secret-of-this-coturn"
PASSWORD = "credential-of-somebody"
Probe = Callable[..., "Report"]


def coturn(url: str, *secrets: str, **changes: Any) -> Dict[str, Any]:
    """Return a server of webrtc.coturn."""
    known = list(secrets) or [SECRET]
    return {"coturn_static_auth_secret": known, "ttl": 3600, "url": url, **changes}


def ice(*urls: str, **login: str) -> Dict[str, Any]:
    return {"iceServers": [{"urls": list(urls), **login}] if urls else []}


class Report:
    """The exit status of a probe, and its JSON."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        assert done.stderr == "", done.stderr
        self.status, self.text = done.returncode, done.stdout
        self.json = json.loads(done.stdout)
        self.results: List[Dict[str, Any]] = self.json["results"]

    @property
    def words(self) -> List[List[str]]:
        """What the probe says about each result, without notes."""
        said = [result["diagnoses"] for result in self.results]
        return [[one["word"] for one in some if one["level"] != "note"] for some in said]

    def only(self, word: str, level: str = "error") -> Dict[str, str]:
        """Return the only diagnosis of the only result, after checking word, level and status.

        A note changes neither the level of the result nor the status.
        """
        assert self.words == [[] if level == "note" else [word]], self.text
        (found,) = (one for one in self.results[0]["diagnoses"] if one["word"] == word)
        whole = "ok" if level == "note" else level
        assert (found["level"], self.results[0]["level"]) == (level, whole)
        assert self.status == (level == "error")
        assert self.json["ok"] is (level != "error")
        return found


def run_here(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a command in this process, where its coverage is measured."""
    line, out, err = list(map(str, arguments)), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(line)
    return subprocess.CompletedProcess(line, status, out.getvalue(), err.getvalue())


def prober(folder: Path) -> Probe:
    """Return a function that runs the probe on these servers, with no secret in what it prints."""

    def run(
        *servers: Dict[str, Any],
        rtc: Any = None,
        options: Sequence[object] = (),
        runner: Callable[..., Any] = run_here,
    ) -> Report:
        entries = {"webrtc__rtc_configuration": rtc or ice(), "webrtc__coturn": list(servers)}
        od_config = write_od_config(folder, **entries)
        return checked(runner("probe", od_config, "--json", *options))

    return run


def probe_environment(variables: Mapping[str, str], *options: str) -> Report:
    """Run the probe as in a pod, without od.config."""
    done = run_command("probe", "--desktop", "--json", *options, env=environment(**variables))
    return checked(done)


def checked(done: "subprocess.CompletedProcess[str]") -> Report:
    for secret in (SECRET, OTHER, PASSWORD):
        assert secret not in done.stdout + done.stderr
    return Report(done)
