"""The audit does not trust a service that knows no vulnerability at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, List

import pytest

from audit import LEFT_OUT, SERVICES, VULNERABLE, audit

CVE = [{"id": "PYSEC-0-0", "fix_versions": []}]
PROGRAM = """\
#!{python}
import pathlib, sys
service = sys.argv[sys.argv.index("-s") + 1]
asked = pathlib.Path(sys.argv[sys.argv.index("-r") + 1]).read_text().split()
with open({log!r}, "a") as log:
    print(service, *asked, "--strict" in sys.argv, file=log)
if asked == [{vulnerable!r}]:
    print({known!r}.get(service, ""))
    sys.exit(1)
sys.exit({status})
"""


class Stub:
    """A program in place of pip-audit; `known` is what it prints for each service."""

    def __init__(self, folder: Path, known: Any, status: int = 0) -> None:
        self._log = folder / "log"
        self.path = folder / "pip-audit"
        text = PROGRAM.format(
            python=sys.executable,
            log=str(self._log),
            vulnerable=VULNERABLE,
            known=known,
            status=status,
        )
        self.path.write_text(text, encoding="utf-8")
        self.path.chmod(0o755)

    def asked(self) -> List[str]:
        return self._log.read_text(encoding="utf-8").splitlines()


def answer(vulns: Any) -> str:
    return json.dumps({"dependencies": [{"name": "requests", "version": "2.5.0", "vulns": vulns}]})


SKIPPED = json.dumps({"dependencies": [{"name": "requests", "skip_reason": "not found on PyPI"}]})


@pytest.mark.parametrize("known", ["", "null", SKIPPED, answer([])])
def test_a_service_that_knows_nothing_leaves_the_audit_out(
    known: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stub = Stub(tmp_path, dict.fromkeys(SERVICES, known))
    assert audit(str(stub.path), ["cherrypy>=18"]) is None
    assert capsys.readouterr().out == LEFT_OUT + "\n"
    assert stub.asked() == [f"{service} {VULNERABLE} False" for service in SERVICES]


@pytest.mark.parametrize(("status", "clean"), [(0, True), (1, False)])
def test_the_first_service_that_knows_something_decides(
    status: int, clean: bool, tmp_path: Path
) -> None:
    stub = Stub(tmp_path, {"pypi": SKIPPED, "osv": answer(CVE)}, status)
    assert audit(str(stub.path), ["cherrypy>=18", "pyyaml>=6"]) is clean
    assert stub.asked()[2:] == ["osv cherrypy>=18 pyyaml>=6 True"]
