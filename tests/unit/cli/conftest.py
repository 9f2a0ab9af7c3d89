"""Each test begins with the output of a command line without options."""

from __future__ import annotations

import pytest

from abcwebrtc.cli import output


@pytest.fixture(autouse=True)
def _usual_output() -> None:
    output.begin([])  # a test before may have asked for JSON
