"""Time `load_od_config` against CherryPy's own parser on the same file.

    .venv/bin/python benchmarks/odconfig.py [FILE ...]

Without FILE, it reads files of the tests. CherryPy evaluates every entry; `load_od_config` checks
every line, but evaluates only the entries that it keeps.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Iterator, List

import measure

from abcwebrtc import WebRTCConfig, load_od_config

COLUMNS = ("file", "load_od_config", "WebRTCConfig.from_file")


def tables(quick: bool) -> Iterator[measure.Table]:
    """Measure files of the tests."""
    with tempfile.TemporaryDirectory() as folder:
        ten = Path(folder) / "ten-servers.config"
        entries = measure.coturn_mapping(10).items()
        ten.write_text("[global]\n" + "".join(f"{name}: {value!r}\n" for name, value in entries))
        yield table([measure.TESTS / "data" / "od.config", ten], quick)


def table(files: List[Path], quick: bool) -> measure.Table:
    """Measure some files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CherryPy warns about old names
        rows = [_row(file, quick) for file in files]
    return measure.Table("Against cherrypy.lib.reprconf.Config on the same file", COLUMNS, rows)


def _row(file: Path, quick: bool) -> tuple:
    from cherrypy.lib import reprconf

    def theirs() -> None:
        reprconf.Config(str(file))

    return (
        file.name,
        measure.ratio(lambda: load_od_config(file), theirs, quick),
        measure.ratio(lambda: WebRTCConfig.from_file(file), theirs, quick),
    )


if __name__ == "__main__":
    own = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    subject = (lambda quick: [table(own, quick)]) if own else tables
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    sys.exit(measure.main(__doc__, {"odconfig": subject}, options))
