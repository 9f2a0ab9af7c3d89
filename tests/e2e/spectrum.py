"""Analyse recorded sound."""

from __future__ import annotations

import cmath
import math
from typing import Sequence

Samples = Sequence[int]


def loudness(samples: Samples) -> float:
    """Return the root mean square."""
    return math.sqrt(sum(value * value for value in samples) / len(samples))


def loudest_part(samples: Samples, length: int) -> Samples:
    """Return the loudest part of this many samples."""
    parts = [samples[start : start + length] for start in range(0, len(samples), length)]
    return max(parts, key=loudness)


def amplitude(samples: Samples, hertz: float, rate: int) -> float:
    """Return how much of a tone is in the samples (one term of a Fourier transform)."""
    turn = -2j * math.pi * hertz / rate
    total = sum(value * cmath.exp(turn * i) for i, value in enumerate(samples))
    return 2 * abs(total) / len(samples)
