"""Where to fetch the source of Kubernetes; `tests/run.py --apt --all` builds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_kubernetes import of_source

DEB822 = "Types: deb\nURIs: http://deb.example.org/debian\nSuites: bookworm\nComponents: main\n"
LINES = "# deb of old\ndeb [signed-by=/k.gpg] http://deb.example.org/debian bookworm main\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEB822, DEB822.replace("Types: deb", "Types: deb-src")),
        (DEB822.replace("deb\n", "deb deb-src\n", 1), DEB822.replace("deb\n", "deb-src\n", 1)),
        (LINES, LINES.replace("\ndeb [", "\ndeb-src [")),
        (LINES.replace("deb [", "deb-src ["), LINES.replace("deb [", "deb-src [")),
    ],
    ids=["deb822", "deb822-with-both", "lines", "lines-of-source"],
)
def test_an_entry_of_apt_becomes_one_for_source(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "sources").write_text(text)
    assert of_source(tmp_path / "sources") == expected
