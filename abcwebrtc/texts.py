"""Texts for people: in lines that fit, and safe for a terminal and a log.

Any text may contain what somebody else wrote: a file name, a key of od.config, the subject of a
certificate, a server's answer. So texts are made safe where they leave, not where they come from:
in the ``str()`` of exceptions and problems, `harmless_logger`, and `abcwebrtc.cli.output`.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import textwrap
import unicodedata
from typing import Iterable, List

WIDTH = 100
"""Columns of a line, if nothing says how many there are."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible characters that Unicode counts as letters, marks or symbols."""

_RUN = re.compile("[A-Za-z0-9]{16,}")
_TURNS = re.compile("(?<=[A-Za-z])[0-9]|(?<=[0-9])[A-Za-z]")
_MANY_TURNS = 5
_UUID = re.compile("(?:[0-9A-Fa-f]{4,12}-){4}[0-9A-Fa-f]{12}")
_MOST_LOOKED_AT = 1000


def escaped(text: str) -> str:
    r"""Return a text as one line, with escapes such as ``\x1b`` for characters that do not show.

    These are characters that move a cursor, end a line, change the direction of writing, or are
    invisible: control and format characters, separators other than the blank, surrogates, and
    unassigned ones. Escaping twice changes nothing more; nothing is left out, and a ``\`` stays.
    """
    if text.isprintable() and not _INVISIBLE.search(text):
        return text
    return "".join(
        char
        if char.isprintable() and not _INVISIBLE.match(char)
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def shell_word(text: str) -> str:
    """Return a text as a word of a shell command that can be pasted, although it is `escaped`.

    A file name may have bytes that do not show; printf makes them from octal numbers.
    """
    if escaped(text) == text:
        return shlex.quote(text)
    data = os.fsencode(text).decode("latin-1")
    octal = re.sub(r"[^A-Za-z0-9_./ ]", lambda match: f"\\{ord(match.group()):03o}", data)
    return f"\"$(printf '{octal}')\""


def shell_file(name: str) -> str:
    """Return a file name as `shell_word` does, but never like an option."""
    return shell_word(f"./{name}" if name.startswith("-") else name)


def shell_line(words: Iterable[str]) -> str:
    """Return the words of a command, each as `shell_word` does."""
    return " ".join(map(shell_word, words))


def is_obeyed(text: str) -> bool:
    """Return whether a text of several lines has a character that a terminal or an editor obeys.

    Use it for text that other programs read with their own escapes. Blanks of all kinds don't
    count, and neither do surrogates, which `abcwebrtc.cli.output` writes as JSON escapes.
    """
    if text.isascii() and text.isprintable():
        return False
    kinds = {unicodedata.category(char) for char in set(text) - {"\t", "\n"}}
    return bool(kinds & {"Cc", "Cf", "Cn", "Co", "Zl", "Zp"})


def harmless(text: str, length: int = 80) -> str:
    """Return what somebody else wrote, `escaped` and cut to a length."""
    kept = escaped(text[: length + 1])
    return kept if len(kept) <= length else kept[: length - 3] + "..."


def wrapped(text: str, first: str, others: str, width: int = WIDTH) -> List[str]:
    """Return the lines of a text, `escaped`, with indents for the first line and the others.

    No word is broken, so that commands, urls and paths can be copied.
    """
    return textwrap.wrap(
        escaped(text),
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def is_like_secret(text: str) -> bool:
    """Return whether a text looks more like a secret than like a name.

    It has at least 16 letters and digits in a row that alternate at least five times, as the output
    of ``openssl rand`` does and names don't; or it is a UUID, or ends as base64 does. A secret made
    of words looks like a name, so this helps but is not a safeguard.
    """
    found = text[:_MOST_LOOKED_AT]
    is_random = any(len(_TURNS.findall(run)) >= _MANY_TURNS for run in _RUN.findall(found))
    return is_random or bool(_UUID.search(found)) or (len(found) > 20 and found.endswith("="))


class _Escaping(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = escaped(record.getMessage()), ()
        return True


_ESCAPING = _Escaping()


def harmless_logger(name: str) -> logging.Logger:
    """Return the logger of a module; each of its messages is one line, `escaped`."""
    log = logging.getLogger(name)
    log.addFilter(_ESCAPING)
    return log
