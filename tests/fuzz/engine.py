"""Run atheris on one target, with libFuzzer's arguments; ``run.py`` starts this script."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import atheris

sys.path[0] = str(Path(__file__).resolve().parent.parent)


def main(name: str) -> None:
    """Fuzz the target of this name."""
    with atheris.instrument_imports(include=["abcwebrtc"]):
        target = importlib.import_module(f"fuzz.{name}")
    atheris.Setup([name, *sys.argv[2:]], target.check, custom_mutator=_mutator(target))
    atheris.Fuzz()


def _mutator(target: ModuleType):
    """Return a mutator that knows the format of inputs, and also uses libFuzzer's blind one."""

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        random = Random(seed)
        choice = random.random()
        if choice < 0.4:
            return atheris.Mutate(data, size)
        if choice < 0.45:
            return target.generate(random)[:size]
        for _ in range(random.choice((1, 1, 2, 4))):
            data = target.mutate(data, random)
        return data[:size]

    return mutate


if __name__ == "__main__":
    main(sys.argv[1])
