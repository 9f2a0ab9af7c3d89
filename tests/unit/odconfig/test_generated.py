"""Generated od.config files have the values that CherryPy gives them, or are refused."""

from __future__ import annotations

import contextlib
import re
import warnings
from typing import Any

import pytest
from cherrypy.lib.reprconf import unrepr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.reader import load_od_config, parse_od_config
from support.od_config_values import read_with_cherrypy, texts_with_cherrypy, used

# A gap stands inside of brackets, where a value may go on in the next line.
GAPS = st.sampled_from(
    [
        *("", " ", "\n     ", "\n\n\t\t ", " # 100%% of 'it' }\n      ", " #\n     "),
        *("\n# dropped: = % [\n      ", "\n  ; dropped\n     ", " \t\n \n   "),
    ]
)
WORDS = st.text(st.sampled_from("aZ0 :=#;%[]{}()'\"\\,.\t/é€\u2028\x85\n")).map(
    lambda word: repr(word).replace("%", "%%")
)
SCALARS = (
    st.sampled_from(
        [
            *("True", "False", "None", "0", "-1", "- 3", "4_000", "0x1F", "1.5", "-2e3", "3j"),
            *("24 * 60 * 60", "'a' + 'b'", "2 * 'ab'", "'a' 'b'", 'u\'c\' r\'d\' """e"""', "b'f'"),
            *("'''g\n     h'''", "'''i\n# dropped\n\n    j'''", "'a\\\n     b'", "''", "(1)"),
            *("[1] * 2 + [3]", "(4,) * 2", "-(1 + 2) * 3", "'%%(port)s'"),
            *("%(port)s", "'turn:%(port)s'", "%(host)s", "%(both)s", "%(several)s + [5]"),
        ]
    )
    | WORDS
)
KEYS = st.sampled_from(["'urls'", "'ttl'", '"x y"', "1", "-2", "(3, 'c')", "'k' 'l'", "%(port)s"])


def bracketed(opening: str, items: Any, closing: str) -> Any:
    """Return a strategy for the items between brackets, with gaps wherever they may be."""
    item = st.builds("{}{}{},".format, GAPS, items, GAPS)
    return st.builds(
        lambda several, gap: opening + "".join(several) + gap + closing,
        st.lists(item, max_size=3),
        GAPS,
    )


LITERALS = st.recursive(
    SCALARS,
    lambda inner: (
        bracketed("[", inner, "]")
        | bracketed("(", inner, ")")
        | bracketed("{", st.builds("{}{}:{}{}".format, KEYS, GAPS, GAPS, inner), "}")
        | st.builds("({} {}{})".format, WORDS, GAPS, WORDS)
    ),
    max_leaves=8,
)
VALUES = LITERALS | st.builds("{}, {}".format, SCALARS, SCALARS)
NAMES = [
    *("webrtc.enable", "webrtc.coturn", "webrtc.rtc_configuration", "webrtc.Enable"),
    *("desktop.envlocal", "desktop.pod", "jwt_token_user", "desktop.zoom", "fail2ban", "a b"),
]
DELIMITERS = st.sampled_from([":", "=", " : ", " = ", ":\t", "\t=  "])
NOISE = st.sampled_from(["", "", "\n", "   \n", "# webrtc.enable: %\n", "  ; [global]\n", "#\n\n"])
TRAILING = st.sampled_from(["", "", "  ", " # off: 'x' 100%%", "\t#"])
DEFAULTS = (
    "[DEFAULT]\nport: 3478\nhost = 'turn.example'\nboth: %(host)s ':%(port)s'\n"
    "several: [%(port)s,\n   # and\n   443]\n"
)


@st.composite
def sections(draw: Any, name: str) -> str:
    """Return a section; its entries are not indented deeper than the one above."""
    keys = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    indents = sorted((draw(st.sampled_from(["", "", " ", "  "])) for _ in keys), reverse=True)
    lines = [
        draw(NOISE) + indent + key + draw(DELIMITERS) + draw(VALUES) + draw(TRAILING) + "\n"
        for indent, key in zip(indents, keys)
    ]
    return f"{draw(NOISE)}[{name}]\n" + "".join(lines) + draw(NOISE)


@st.composite
def files(draw: Any) -> str:
    parts = [DEFAULTS, draw(sections("global"))]
    if draw(st.booleans()):
        parts.append(draw(sections("/other")))
    return "".join(draw(st.permutations(parts)))


@settings(max_examples=200)
@given(files(), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_file_of_literals_has_the_values_that_cherrypy_gives(text, line_end):
    text = text.replace("\n", line_end)
    assert used(parse_od_config(text)) == used(read_with_cherrypy(text))


@st.composite
def damaged_files(draw: Any) -> str:
    text = draw(files())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        drop = draw(st.sampled_from([0, 0, 1, 1, 3, 20]))
        put = draw(st.sampled_from(["", "", *"[]{}()'\":=%#,;\n -*\\x1", "\n]", "\n ", "%(port)s"]))
        text = text[:at] + put + text[at + drop :]
    return text


@settings(max_examples=200)
@given(damaged_files())
def test_a_damaged_file_is_refused_or_has_the_values_that_cherrypy_gives(text):
    # Python 3.11 reads a header up to its last bracket, the 3.8 of pyos up to its first.
    assume(not re.search(r"(?m)^\s*\[[^\n]*\][^\n]*\]", text))
    expected = texts_with_cherrypy(text)
    try:
        config = parse_od_config(text)
    except ConfigError:
        return
    if expected is None:
        assert config.warnings
        return
    # A value that was read has no names in it, so CherryPy has nothing to execute.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a backslash that escapes nothing
        assert used(config) == used({key: unrepr(expected[key]) for key in config})
    assert set(used(config)) == set(used(expected))


@settings(max_examples=200)
@given(st.text())
def test_any_text_raises_nothing_but_config_errors(text):
    for prefix in ("", "[global]\n", "[global]\nwebrtc.a: ", "[global]\na: %(b)s\nb:"):
        with contextlib.suppress(ConfigError):
            parse_od_config(prefix + text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("od")


@settings(max_examples=200)
@given(data=st.binary())
def test_any_bytes_raise_nothing_but_config_errors(folder, data):
    for prefix in (b"", b"[global]\nwebrtc.a: "):
        path = folder / "od.config"
        path.write_bytes(prefix + data)
        with contextlib.suppress(ConfigError):
            load_od_config(path)
