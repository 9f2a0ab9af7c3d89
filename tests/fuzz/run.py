"""Fuzz abcwebrtc: look for inputs that break its promises.

    python3 tests/fuzz/run.py [--seconds 600] [target ...]
    python3 tests/fuzz/run.py --fixed [target ...]
    python3 tests/fuzz/run.py --input FILE target

Without a target, it fuzzes all of them: loader, costs, uris, turnserver, manifests and endpoint. A
run starts from the target's seeds in `corpus` and its finds in `crashes`. Inputs that reach more
code are kept in `build/fuzz`, where the next run goes on. With `--fixed`, it starts with the
same seed and ends after the same number of inputs on every machine, after about a minute each.

It installs what it needs into `.venv`. The fuzzer, atheris, has wheels for Python 3.11 to 3.14 on
Linux, x86_64. Exit status: 1 if it found something.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import importlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import List, Sequence, Set, Tuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[0] = str(HERE.parent)
sys.path.insert(1, str(ROOT / "examples"))

import bootstrap  # noqa: E402

from fuzz import TARGETS  # noqa: E402

CORPUS, CRASHES = HERE / "corpus", HERE / "crashes"
FOUND = ROOT / "build" / "fuzz"
UNIT_SECONDS = 60
"""More than any input of a few KB takes on a slow machine; an input that takes longer hangs."""
MEMORY_MB = 2048
SAME_ADDRESSES = ("setarch", "--addr-no-randomize")
"""Some containers may not; the fuzzer's random choices differ more between their runs."""


def main() -> int:
    """Fuzz, and return 1 if something was found."""
    options = _parser().parse_args()
    bootstrap.enter_venv("test,lint,fuzz", ["abcwebrtc", "cherrypy", "pytest"], False)
    if options.input:
        return _check_one(options.input, options.target)
    if not importlib.util.find_spec("atheris"):
        sys.exit("atheris is not installed; it has wheels for Python 3.11 to 3.14 on Linux, x86_64")
    names = options.target or TARGETS
    targets = {name: importlib.import_module(f"fuzz.{name}") for name in names}
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(_fuzz, name, targets[name], options) for name in names]
        finds = [find for run in runs for find in run.result()]
    for find in finds:  # behind everything else, where a long log still shows them
        print(find, flush=True)
    return 1 if finds else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("target", nargs="*", choices=[[], *TARGETS], metavar="target", help=", ".join(TARGETS))
    add("--seconds", type=int, default=600, help="time for each target (%(default)s)")
    add(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="targets at a time (%(default)s)",
    )
    add("--fixed", action="store_true", help="a number of inputs from one seed, not a time")
    add("--input", metavar="FILE", help="check one input, without the fuzzer")
    return parser


def _check_one(file: str, targets: List[str]) -> int:
    if len(targets) != 1:
        sys.exit("name one target with --input")
    importlib.import_module(f"fuzz.{targets[0]}").check(Path(file).read_bytes())
    print(f"{file}: nothing is wrong with {targets[0]}")
    return 0


def _fuzz(name: str, target: ModuleType, options: argparse.Namespace) -> List[str]:
    """Fuzz one target, and return a report of everything that it found."""
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    before = _written(found)
    seeds = [str(path) for path in (CORPUS / name, CRASHES / name) if path.is_dir()]
    with tempfile.TemporaryDirectory(prefix="abcwebrtc-fuzz-") as folder:
        grown = Path(folder, "corpus") if options.fixed else found / "corpus"
        grown.mkdir(exist_ok=True)
        limits = [f"-max_total_time={options.seconds}"]
        if options.fixed:
            limits = [f"-runs={target.RUNS}", "-seed=1"]
        dictionary = _write_dictionary(target.DICTIONARY, Path(folder))
        places = [f"-artifact_prefix={found}{os.sep}", f"-dict={dictionary}", str(grown), *seeds]
        log = _engine(name, target, folder, [*limits, *places])
    crashes = [Path(path) for path, _ in sorted(_written(found) - before)]
    return _reports(name, log, crashes)


def _written(found: Path) -> Set[Tuple[str, int]]:
    """Return the inputs that failed, and were not only slow, with the time of each."""
    names = ("crash-*", "timeout-*", "oom-*", "leak-*")
    paths = [path for name in names for path in found.glob(name)]
    return {(str(path), path.stat().st_mtime_ns) for path in paths}


def _engine(name: str, target: ModuleType, folder: str, arguments: List[str]) -> str:
    """Run the fuzzer to its end, and return its log."""
    bounds = [
        f"-max_len={target.MAX_LENGTH}",
        f"-timeout={UNIT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MB}",
    ]
    log = Path(folder, "log")
    with open(log, "wb") as stream:
        command = [sys.executable, str(HERE / "engine.py"), name, *bounds, *arguments]
        # libFuzzer exits without cleaning up. Where a set or an object lies in memory steers it.
        here = {**os.environ, "TMPDIR": folder, "PYTHONHASHSEED": "0"}
        if _can_fix_addresses():
            command = [*SAME_ADDRESSES, *command]
        subprocess.run(command, cwd=folder, env=here, stdout=stream, stderr=subprocess.STDOUT)
    return log.read_text(encoding="utf-8", errors="replace")


def _can_fix_addresses() -> bool:
    tried = [*SAME_ADDRESSES, "true"]
    if not shutil.which(tried[0]):
        return False
    return subprocess.run(tried, stderr=subprocess.DEVNULL).returncode == 0


def _write_dictionary(words: Sequence[str], folder: Path) -> Path:
    path = folder / "dictionary"
    lines = []
    for word in dict.fromkeys(words):
        data = word.encode("utf-8", "surrogateescape" if word.isascii() else "surrogatepass")
        if data and len(data) <= 64:
            lines.append('"' + "".join(f"\\x{byte:02X}" for byte in data) + '"\n')
    path.write_text("".join(lines))
    return path


def _reports(name: str, log: str, crashes: List[Path]) -> List[str]:
    """Return a report for each input that was found, or print that there is none."""
    lines = log.splitlines()
    if not crashes and "Done " not in log:
        return ["\n".join((f"== {name}: the fuzzer did not finish", *lines[-30:]))]
    if not crashes:
        numbers = [line for line in lines if "cov:" in line]
        print(f"== {name}: nothing found", *numbers[-1:], sep="\n", flush=True)
    return [_report(name, log, path) for path in crashes]


def _report(name: str, log: str, path: Path) -> str:
    """Return what went wrong, and the input, which may be lost with the machine."""
    reason = log.rpartition("=== Uncaught Python exception: ===")[2].strip().splitlines()
    packed = base64.b64encode(gzip.compress(path.read_bytes(), mtime=0)).decode()
    return "\n".join(
        (
            *(f"== {name}: FOUND", *reason[-30:], "", f"{path}, for base64 -d | gunzip:"),
            *textwrap.wrap(packed, 100),
            f"to see it again: python3 tests/fuzz/run.py --input {shlex.quote(str(path))} {name}",
            f"once it is fixed, move it to tests/fuzz/crashes/{name}",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
