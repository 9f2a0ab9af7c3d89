"""Generates sounds to play in a desktop."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path
from typing import Sequence

RATE = 48000
LOUDNESS = 0.3
FADE = RATE // 50  # samples; without it, a tone would begin with a click


def write_wav(path: Path, hertz: Sequence[int], seconds: float) -> Path:
    """Write a wav file with one tone after the other, each of so many seconds; return its path."""
    samples = array("h")
    for tone in hertz:
        samples.extend(tone_samples(tone, seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(samples.itemsize)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


def tone_samples(hertz: int, seconds: float) -> "array[int]":
    """Return 16 bit samples of a sine that fades in and out."""
    count = int(seconds * RATE)
    step, peak = 2 * math.pi * hertz / RATE, LOUDNESS * 32767
    second = array("h", (int(peak * math.sin(step * i)) for i in range(RATE)))
    samples = (second * (count // RATE + 1))[:count]  # whole periods, so it can be repeated
    for i in range(FADE):
        samples[i] = samples[i] * i // FADE
        samples[-1 - i] = samples[-1 - i] * i // FADE
    return samples
