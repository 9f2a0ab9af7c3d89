"""Every seed and find of the fuzzer keeps the promises; no fuzzer is needed.

The planted faults show that each target can fail: each undoes one thing that the code takes
care of, and an input of the corpus, or one made from it, finds it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Callable, List

import pytest

import fuzz
from abcwebrtc import errors
from abcwebrtc.cluster import yaml as yamlfiles
from abcwebrtc.config import uris
from abcwebrtc.coturn import conf_file as turnserverfile
from abcwebrtc.desktop import pod as pods
from abcwebrtc.odconfig import ini, scalars
from abcwebrtc.odconfig import reader as odconfig
from abcwebrtc.odconfig import value_tokens as valuetokens
from abcwebrtc.web import rest
from fuzz.common import MARK, STATIC, Forbidden, nothing_but

HERE = Path(fuzz.__file__).parent
MAX_FILES, MAX_BYTES = 80, 256 * 1024


def module(name: str) -> ModuleType:
    return importlib.import_module(f"fuzz.{name}")


def inputs(name: str) -> List[Path]:
    folders = [HERE / "corpus" / name, HERE / "crashes" / name]
    return sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir())


def check_all(name: str) -> None:
    """Check all inputs of a target; the error names the one that failed."""
    check = module(name).check
    for path in inputs(name):
        try:
            check(path.read_bytes())
        except BaseException as error:
            raise AssertionError(f"{path.relative_to(HERE)} breaks a promise") from error


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_every_input_that_was_found_keeps_the_promises(name: str) -> None:
    assert inputs(name)
    check_all(name)


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_inputs_that_are_made_and_changed_keep_the_promises(name: str) -> None:
    target = module(name)
    random = Random(name)
    for _ in range(40):
        data = target.generate(random)
        for _ in range(3):
            target.check(data)
            data = target.mutate(data, random)[: target.MAX_LENGTH]


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in HERE.glob("c*/*/*")) < MAX_BYTES
    for name in fuzz.TARGETS:
        assert len(inputs(name)) <= MAX_FILES
        assert max(path.stat().st_size for path in inputs(name)) <= module(name).MAX_LENGTH


def test_there_is_a_target_for_each_folder_of_inputs() -> None:
    assert {path.name for path in HERE.glob("c*/*") if path.is_dir()} <= set(fuzz.TARGETS)


def test_what_a_parser_must_not_do_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "made"
    with pytest.raises(Forbidden), nothing_but(lambda *_: False):
        path.write_text("x")
    assert not path.exists()


def test_what_a_parser_must_not_do_is_found_where_it_is_hidden() -> None:
    def hide() -> None:
        with contextlib.suppress(BaseException):
            os.listdir(".")

    with pytest.raises(AssertionError, match="did"), nothing_but(lambda *_: False):
        hide()


# planted faults


def call_what_is_named(lines: Any, *_: Any) -> Any:
    """Read a value as CherryPy does."""
    return eval("\n".join(text for _, text in lines)), {}, ()


def show_the_value(real: Any) -> Any:
    return lambda reader, index, reason: real(reader, index, f"{reason}: {reader._source}")


def raise_anything(*_: Any, **__: Any) -> Any:
    raise KeyError("x")


def plant(target: Any, name: str, make: Callable[[Any], Any]) -> Callable[..., None]:
    return lambda patch: patch.setattr(target, name, make(getattr(target, name)))


PLANTED = {
    "the loader runs what it reads": (
        "loader",
        plant(odconfig, "parse_literal", lambda _: call_what_is_named),
    ),
    "the loader shows a value": (
        "loader",
        plant(scalars.Scalars, "_fault", show_the_value),
    ),
    "the loader drops the line": (
        "loader",
        plant(valuetokens.LiteralError, "__init__", lambda real: lambda *a: real(a[0], -9, a[2])),
    ),
    "each problem is printed": ("costs", plant(errors.Problems, "add", lambda _: keep_each)),
    "each line is looked at with all before it": (
        "costs",
        plant(ini.IniReader, "_add_line", lambda real: look_at_all(real)),
    ),
    "a line takes a megabyte": (
        "costs",
        plant(ini.IniReader, "_add_line", lambda real: keep_much(real)),
    ),
    "a port is not checked": ("uris", plant(uris, "_parse_port", lambda _: int)),
    "a host is not checked": ("uris", plant(uris, "_check_host", lambda _: lambda host: host)),
    "turnserver.conf raises": (
        "turnserver",
        plant(turnserverfile, "_flag", lambda _: raise_anything),
    ),
    "an unknown option is shown": (
        "turnserver",
        plant(turnserverfile, "_GONE", lambda _: Echo()),
    ),
    "a pod is changed in place": (
        "manifests",
        plant(pods, "open_object", lambda real: lambda value: (value, real(value)[1])),
    ),
    "YAML's numbers are not checked": (
        "manifests",
        plant(yamlfiles, "_check_scalar", lambda _: lambda _: None),
    ),
    "anybody is alice": ("endpoint", plant(rest, "bearer_token", lambda _: lambda _: good_token())),
    "an answer is no JSON": (
        "endpoint",
        plant(rest._JsonRequest, "error_page", lambda _: {"default": lambda **_: "<p>"}),
    ),
    "a secret is logged": (
        "endpoint",
        plant(rest, "bearer_token", lambda real: lambda value: log_and(real(value))),
    ),
}


def keep_each(problems: Any, problem: Any) -> None:
    problems._more[len(problems._kept)] = 0
    problems._kept.append(problem)


def look_at_all(real: Callable[..., None]) -> Callable[..., None]:
    def add_line(reader: Any, number: int, text: str) -> None:
        real(reader, number, text)
        for other in reader._texts:
            other.isspace()

    return add_line


def keep_much(real: Callable[..., None]) -> Callable[..., None]:
    def add_line(reader: Any, number: int, text: str) -> None:
        real(reader, number, text)
        reader.__dict__.setdefault("kept", []).append(bytearray(1 << 20))

    return add_line


class Echo(dict):
    """Has a hint for everything, and the hint shows it."""

    def get(self, key: Any, _: Any = None) -> Any:
        return key


def good_token() -> str:
    return module("endpoint")._named_token("good")


def log_and(value: str) -> str:
    rest._log.warning("token %s", value)
    return value


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, put = PLANTED[fault]
    put(monkeypatch)
    with pytest.raises(AssertionError, match="breaks a promise"):
        check_all(name)


def test_no_input_has_the_secret_that_no_input_has() -> None:
    for name in ("manifests", "endpoint"):
        assert not [path for path in inputs(name) if STATIC.encode() in path.read_bytes()]
    assert [path for path in inputs("loader") if MARK.encode() in path.read_bytes()]
