"""A file that is a bomb is looked at within bounds: by a process that may take 1 GiB."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Dict

from unit.odconfig.test_bounds import BAD_FILES, BOMBS, HANGS, ROOT

READER = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.reader import read_sections
from abcwebrtc.odconfig.whole_file import pyos_problems
def messages(text):
    try:
        return [problem.message for problem in pyos_problems(read_sections(text, "f"))]
    except ConfigError as error:
        return [problem.message for problem in error.problems]
texts = json.load(sys.stdin)
print(json.dumps({name: messages(texts[name]) for name in texts}))
"""
LARGE = 1024 * 1024


def full_of(unit: str, start: str = "[global]\na: [", end: str = "]") -> str:
    return start + unit * ((LARGE - len(start) - len(end)) // len(unit)) + end


FILES: Dict[str, str] = {
    "names": full_of("a, "),
    "attributes": full_of("os.a, "),
    "calls": full_of("str(), "),
    "sums": full_of("1 + 1, "),
    "f-strings behind the value": "[global]\na: 1\n" + " f'{" + "-" * 100000 + "1}'",
    "entries": "[global]\n" + "".join(f"{n:x}: os.a{n}\n" for n in range(60000)),
    "large sums": "[global]\n"
    + "".join(f"{n:x}: [[0] * 1000] * 1000{' + []' * 90}\n" for n in range(1000)),
    "percent signs in many sections": "[DEFAULT]\n"
    + "".join(f"a{n:x}: '%%'\n" for n in range(20000))
    + "[global]\n"
    + "".join(f"[{n:x}]\n" for n in range(60000)),
    "bad percent signs in many sections": "[DEFAULT]\n"
    + "".join(f"a{n:x}: '%'\n" for n in range(20000))
    + "[global]\n"
    + "".join(f"[{n:x}]\n" for n in range(60000)),
    "plain defaults in many sections": "[DEFAULT]\n"
    + "".join(f"{n:x}:\n" for n in range(75000))
    + "[global]\n"
    + "".join(f"[{n:x}]\n" for n in range(75000)),
    "defaults in many sections": "[DEFAULT]\n"
    + "".join(f"a{n:x}: %(b)s\n" for n in range(20000))
    + "b: 1\n[global]\n"
    + "".join(f"[{n:x}]\n" for n in range(60000)),
}


def test_every_bomb_is_looked_at_within_bounds() -> None:
    texts = {
        **FILES,
        **{f"value: {name}": f"[global]\na: {value}\n" for name, (value, _) in BOMBS.items()},
        **{f"file: {name}": f"[global]\n{text}" for name, (text, _) in BAD_FILES.items()},
    }
    done = subprocess.run(
        [sys.executable, "-c", READER],
        cwd=ROOT,
        input=json.dumps(texts).encode(),
        stdout=subprocess.PIPE,
        timeout=3 * HANGS,
        check=False,
    )
    assert done.returncode == 0
    found = json.loads(done.stdout.decode())
    assert set(found) == set(texts)
    assert found["names"][0].startswith("not looked at: ")
    assert found["value: unclosed quote"] == [
        "pyos refuses the whole file: a quote is not closed, or not a straight one (' or \")"
    ]
