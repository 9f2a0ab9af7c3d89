"""The text of an od.config with its secrets masked, for differences and messages.

It is for people's eyes, and errs on the safe side. A secret is shown as
``***1``, ``***2`` and so on, one secret by one number in all texts that a
`Masker` masks, so that it can be seen where a secret changed.
"""

from __future__ import annotations

import difflib
import re
from itertools import groupby
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.reader import parse_od_config

MIN_ANYWHERE = 6
"""Characters from which a secret is masked wherever it stands, and not only in its place."""

_SECRET_NAME = re.compile(
    r"secret|pass(w|phrase|$)|pwd|credential|(?<!jwt_)token|cookie|pseudonym|private|salt"
    r"|(?<=[a-z_])key(?![a-z])",
    re.IGNORECASE,
)
_NAMES_A_PLACE = re.compile(r"(file|_env)$")
_IN_COMMENT = re.compile(r"(?<![\w.-])([\w.-]{1,80})['\"]?\s*[:=][\s\[]*['\"]?([^\s'\",\]}]+)")
_NAME = re.compile(r"[\w.-]+")
_USERINFO = re.compile(r"(?<=://)(?P<user>[^\s/@'\":]*:)(?P<password>[^\s/'\"]+)(?=@)")
_COMMENT_LINE = re.compile(r"[ \t]*[#;]")
# Every quote begins a token, closed or not: else what follows would be read again for each.
_TOKEN = re.compile(
    r"(?P<comment>\#[^\n]*)"
    r"|(?P<text>'''.*?(?:'''|\Z)|\"\"\".*?(?:\"\"\"|\Z)"
    r"|'(?:[^'\\\n]|\\.)*(?:'|\\?$)|\"(?:[^\"\\\n]|\\.)*(?:\"|\\?$))"
    r"|(?P<line>\r\n?|\n)|(?P<open>[\[({])|(?P<close>[\])}])|(?P<comma>,)|(?P<sign>[:=])"
    r"|(?P<blank>[ \t\f\v]+)|(?P<word>[^\s'\"\[\](){},:=\#]+|.)",
    re.DOTALL | re.MULTILINE,
)
_BEFORE_SIGN = re.compile(r"\s*[:=]")
_CLOSED = re.compile(r"[^'\"].*|(['\"]).*\1", re.DOTALL)
_HARMLESS = re.compile(r"None|True|False|[uUbBrR]{1,2}")


class Masker:
    """Masks secrets in texts, and knows which secret it has shown by which number."""

    def __init__(self) -> None:
        self._numbers: Dict[str, int] = {}
        self._anywhere: Dict[str, Set[str]] = {}  # by their beginnings

    def learn(self, text: str) -> None:
        """Take note of the secrets in an od.config, to mask them in other texts too."""
        self._in_place(text)
        try:
            entries: Mapping[str, Any] = parse_od_config(text)
        except ConfigError:
            return  # what is in its place is masked nevertheless
        for secret in _secret_values(entries, False):
            self._mask(secret)
            self._everywhere(secret)

    def mask(self, text: str) -> str:
        """Return a text, an od.config or another one, without its secrets."""
        return "".join(self._pieces(self._in_place(text)))

    def _pieces(self, text: str) -> Iterator[str]:
        """Yield a text in pieces, with what is a secret anywhere masked, in one go."""
        end = 0
        for start in range(len(text)) if self._anywhere else ():
            if start >= end:
                beginning = self._anywhere.get(text[start : start + MIN_ANYWHERE], ())
                found = [secret for secret in beginning if text.startswith(secret, start)]
                secret = max(found, key=len, default="")
                yield self._mask(secret) if secret else text[start]
                end = start + len(secret)
        if not self._anywhere:
            yield text

    def _mask(self, secret: str) -> str:
        return f"***{self._numbers.setdefault(secret, len(self._numbers) + 1)}"

    def _everywhere(self, secret: str) -> None:
        if len(secret) >= MIN_ANYWHERE:
            self._anywhere.setdefault(secret[:MIN_ANYWHERE], set()).add(secret)

    def _in_place(self, text: str) -> str:
        return _Scanner(self, self._without_comment_lines(text)).run()

    def _without_comment_lines(self, text: str) -> str:
        """Return a text with those blocks of comment lines masked that speak of secrets.

        A block counts the line that follows it, which is what it comments on.
        """
        lines = text.splitlines(keepends=True)
        result: List[str] = []
        for is_comment, block in groupby(lines, lambda line: bool(_COMMENT_LINE.match(line))):
            group = list(block)
            following = lines[len(result) + len(group) :][:1]
            if is_comment and any(map(_SECRET_NAME.search, [*group, *following])):
                group = [self.comment(line) for line in group]
            result += group
        return "".join(result)

    def comment(self, line: str) -> str:
        """Return a comment with its words masked, and its indentation and line break kept."""
        words = line.lstrip(" \t#;").rstrip()
        if not words:
            return line
        for name, value in _IN_COMMENT.findall(words):
            if _SECRET_NAME.search(name) and not _NAMES_A_PLACE.search(name):
                self._everywhere(value)
        start = line[: len(line) - len(line.lstrip(" \t#;"))]
        return f"{start.rstrip()} {self._mask(words)}{line[len(line.rstrip()) :]}"

    def secret(self, text: str) -> str:
        """Return what stands for a text, in the quotes that it has, if any."""
        match = re.fullmatch(r"('''|\"\"\"|'|\")(.*?)(\1?)", text, re.DOTALL)
        if not match:
            return self._mask(text)
        if not match.group(2):
            return text
        self._everywhere(match.group(2))
        return f"{match.group(1)}{self._mask(match.group(2))}{match.group(3)}"

    def password(self, text: str) -> str:
        """Return a text in which the passwords of URLs are masked."""

        def hidden(match: "re.Match[str]") -> str:
            self._everywhere(match.group("password"))
            return match.group("user") + self._mask(match.group("password"))

        return _USERINFO.sub(hidden, text)


class _Scanner:
    """Goes through the tokens of a text once, and masks what a secret's name leads to."""

    def __init__(self, masker: Masker, text: str) -> None:
        self._masker = masker
        self._text = text
        self._depth = 0
        self._secret_depth: Optional[int] = None  # of the value that is masked
        self._armed = False  # the name of a secret was read, its value comes
        self._place = False  # the name of a file or variable comes, which is shown
        self._line_has_name = False
        self._rest_of_line = False
        self._broken = False  # a secret's quotes are open: nothing tells where its value ends

    def run(self) -> str:
        """Return the masked text."""
        return "".join(self._token(match) for match in _TOKEN.finditer(self._text))

    def _token(self, match: "re.Match[str]") -> str:
        kind, token = str(match.lastgroup), match.group()
        if kind == "line":
            self._end_line(self._text[match.end() : match.end() + 1])
        elif kind in ("open", "close", "comma"):
            self._structure(kind)
        elif kind == "sign" and self._armed:
            self._armed = False
            self._secret_depth = self._depth
        elif kind == "comment":
            secret = self._hiding() or self._line_has_name or _SECRET_NAME.search(token)
            return self._masker.comment(token) if secret else self._masker.password(token)
        elif kind in ("text", "word"):
            return self._value(token, match.end())
        return token

    def _hiding(self) -> bool:
        return self._secret_depth is not None or self._rest_of_line or self._broken

    def _end_line(self, following: str) -> None:
        self._line_has_name = self._rest_of_line = False
        if following not in " \t\r\n#;":  # an INI entry begins here
            self._depth, self._secret_depth = 0, None
            self._armed = self._place = self._broken = False

    def _structure(self, kind: str) -> None:
        self._depth += {"open": 1, "close": -1}.get(kind, 0)
        if kind == "open" or self._secret_depth is None:
            return
        at_comma = kind == "comma" and self._depth == self._secret_depth > 0
        if at_comma or self._depth < self._secret_depth:
            self._secret_depth = None

    def _value(self, token: str, end: int) -> str:
        name = token.strip("'\"")
        speaks = bool(_SECRET_NAME.search(name))
        self._line_has_name = self._line_has_name or speaks
        if not self._broken and _NAME.fullmatch(name) and _BEFORE_SIGN.match(self._text, end):
            self._place = bool(_NAMES_A_PLACE.search(name))
            self._armed = speaks and not self._place and self._secret_depth is None
            return token
        shown, self._place = self._place, False
        if shown or _HARMLESS.fullmatch(token):
            return token
        if self._hiding() or (speaks and not _NAME.fullmatch(name)):
            self._broken = self._broken or not _CLOSED.fullmatch(token)
            return self._masker.secret(token)
        self._rest_of_line = speaks
        return self._masker.password(token)


def masked_diff(before: str, after: str, masker: Masker, names: Tuple[str, str]) -> Iterator[str]:
    """Yield the lines of a unified diff of two od.configs, with secrets masked."""
    masker.learn(before)
    masker.learn(after)
    old, new = (masker.mask(text).splitlines() for text in (before, after))
    return difflib.unified_diff(old, new, *names, lineterm="")


def _secret_values(value: Any, secret: bool) -> Iterator[str]:
    """Yield the texts under names of secrets, wherever they are in some plain data."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            named = isinstance(key, str) and bool(_SECRET_NAME.search(key))
            place = isinstance(key, str) and bool(_NAMES_A_PLACE.search(key))
            yield from _secret_values(item, (secret or named) and not place)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _secret_values(item, secret)
    elif isinstance(value, str) and secret and value:
        yield value
