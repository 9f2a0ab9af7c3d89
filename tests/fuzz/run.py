"""Fuzz abcwebrtc: look for inputs that break its promises.

    python3 tests/fuzz/run.py [--seconds 600] [--seed 1] [target ...]
    python3 tests/fuzz/run.py --input FILE target

Without a target, it fuzzes all of them: loader, costs, uris, turnserver, manifests and endpoint. A
run starts from the target's seeds in `corpus` and its finds in `crashes`. Inputs that reach more
code are kept in `build/fuzz`, where the next run goes on.

It installs what it needs into `.venv`. The fuzzer, atheris, has wheels for Python 3.11 to 3.14 on
Linux, x86_64. Exit status: 1 if it found something.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import List, Sequence

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
        clean = [run.result() for run in runs]
    return 0 if all(clean) else 1


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
    add("--seed", type=int, default=0, help="seed of the mutations; 0 picks a new one each time")
    add("--input", metavar="FILE", help="check one input, without the fuzzer")
    return parser


def _check_one(file: str, targets: List[str]) -> int:
    if len(targets) != 1:
        sys.exit("name one target with --input")
    importlib.import_module(f"fuzz.{targets[0]}").check(Path(file).read_bytes())
    print(f"{file}: nothing is wrong with {targets[0]}")
    return 0


def _fuzz(name: str, target: ModuleType, options: argparse.Namespace) -> bool:
    """Fuzz one target, and return whether nothing was found."""
    found = FOUND / name
    grown = found / "corpus"
    grown.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    seeds = [str(path) for path in (CORPUS / name, CRASHES / name) if path.is_dir()]
    with tempfile.TemporaryDirectory(prefix="abcwebrtc-fuzz-") as folder:
        dictionary = _write_dictionary(target.DICTIONARY, Path(folder))
        limits = [f"-max_total_time={options.seconds}", f"-seed={options.seed}"]
        places = [f"-artifact_prefix={found}{os.sep}", f"-dict={dictionary}", str(grown), *seeds]
        log = _engine(name, target, folder, [*limits, *places])
    crashes = sorted(path for path in set(found.iterdir()) - before if _is_fault(path))
    _report(name, log, crashes)
    return not crashes and "Done " in log


def _is_fault(path: Path) -> bool:
    """Return whether a file holds an input that failed, and not one that was only slow."""
    return path.name.startswith(("crash-", "timeout-", "oom-", "leak-"))


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
        # libFuzzer exits without cleaning up; a seed needs sets that keep their order.
        here = {**os.environ, "TMPDIR": folder, "PYTHONHASHSEED": "0"}
        subprocess.run(command, cwd=folder, env=here, stdout=stream, stderr=subprocess.STDOUT)
    return log.read_text(encoding="utf-8", errors="replace")


def _write_dictionary(words: Sequence[str], folder: Path) -> Path:
    path = folder / "dictionary"
    lines = []
    for word in dict.fromkeys(words):
        data = word.encode("utf-8", "surrogateescape" if word.isascii() else "surrogatepass")
        if data and len(data) <= 64:
            lines.append('"' + "".join(f"\\x{byte:02X}" for byte in data) + '"\n')
    path.write_text("".join(lines))
    return path


def _report(name: str, log: str, crashes: List[Path]) -> None:
    lines = log.splitlines()
    if not crashes:
        numbers = [line for line in lines if "cov:" in line]
        print(f"== {name}: nothing found", *numbers[-1:], sep="\n", flush=True)
        if "Done " not in log:
            print(f"== {name}: the fuzzer did not finish", *lines[-30:], sep="\n", flush=True)
        return
    print(f"== {name}: FOUND", *lines[-60:], sep="\n")
    for path in crashes:
        print(f"{path}\nbase64: {base64.b64encode(path.read_bytes()).decode()}")
        print(f"to see it again: python3 tests/fuzz/run.py --input {shlex.quote(str(path))} {name}")
        print(f"once it is fixed, move it to tests/fuzz/crashes/{name}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
