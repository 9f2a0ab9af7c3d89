"""Writes docs/reference/abcwebrtc.1, the man page, from the parser: python tests/man_page.py."""

from __future__ import annotations

from pathlib import Path

from argparse_manpage.manpage import Manpage

from abcwebrtc.cli.main import make_parser

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "abcwebrtc.1"


def page() -> str:
    """Return the page; it has no date, so that it changes with the parser alone."""
    parser = make_parser()
    parser._manpage = []
    return str(Manpage(parser, {"date": "", "format": "single-commands-section"}))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
