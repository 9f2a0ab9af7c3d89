"""No message about an od.config quotes its content."""

from __future__ import annotations

import traceback
from typing import List, Optional

import pytest

from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig import reader as odconfig
from abcwebrtc.odconfig.reader import load_od_config, parse_od_config
from abcwebrtc.odconfig.source import MAX_BYTES
from support.od_config_values import SECRET, refusal_of


def everything_about(error: Optional[BaseException]) -> str:
    """Return all texts of an exception, and of those behind it, suppressed or not."""
    if error is None:
        return ""
    shown = traceback.format_exception(type(error), error, error.__traceback__)
    own = [str(error), repr(error), repr(error.args), repr(vars(error)), *shown]
    behind = everything_about(error.__context__) + everything_about(error.__cause__)
    return "\n".join(own) + behind


COTURN = f"""\
[global]
webrtc.enable: True
webrtc.coturn: [ {{
  'coturn_static_auth_secret': '{SECRET}==',
  'url': 'turn.example.org' }},
  {{ 'coturn_static_auth_secret': [
    '{SECRET}==',
    "{SECRET}=="
    ] }} ]
desktop.envlocal: {{ 'A': '100%%', 'KEY': '{SECRET}==' }}
"""
LEAKS = {
    "no quotes": f"webrtc.a: {SECRET}",
    "quotes of two kinds": f"webrtc.a: '{SECRET}\"",
    "unclosed quote": f"webrtc.a: '{SECRET}",
    "unclosed bracket": f"webrtc.a: {{ 'a': '{SECRET}'",
    "unclosed triple quote": f"webrtc.a: '''{SECRET}",
    "typographic quotes": f"webrtc.a: \u201c{SECRET}\u201d",
    "missing comma": f"webrtc.a: ['{SECRET}' 1]",
    "operator": f"webrtc.a: '{SECRET}' ** 2",
    "sum": f"webrtc.a: '{SECRET}' + 1",
    "minus": f"webrtc.a: -'{SECRET}'",
    "product": f"webrtc.a: '{SECRET}' * 99999999",
    "unhashable": f"webrtc.a: {{['{SECRET}']: 1}}",
    "set": f"webrtc.a: {{'{SECRET}'}}",
    "splat": f"webrtc.a: {{'a': 1, **'{SECRET}'}}",
    "call": f"webrtc.a: f('{SECRET}')",
    "call of a text": f"webrtc.a: '{SECRET}'()",
    "method": f"webrtc.a: '{SECRET}'.upper()",
    "no token": f"webrtc.a: ${SECRET}",
    "too deep": "webrtc.a: " + "[" * 99 + f"'{SECRET}'",
    "too many digits": f"webrtc.a: -{'1' * 200}, '{SECRET}'",
    "f-string": f"webrtc.a: f'{SECRET}'",
    "f-string of a name": f"webrtc.a: f'{{{SECRET}}}'",
    "number": f"webrtc.a: 1{SECRET}",
    "nul": f"webrtc.a: '{SECRET}\x00'",
    "escape": f"webrtc.a: '\\x{SECRET}'",
    "surrogate": f"webrtc.a: '{SECRET}\ud800'",
    "second statement": f"webrtc.a: 1\n  '{SECRET}'",
    "first line": f"webrtc.a:\n  '{SECRET}'",
    "uneven blanks": f"e:\nwebrtc.a: %(e)s  '{SECRET}'\n  %(e)s '{SECRET}'",
    "bare percent": f"webrtc.a: '{SECRET}%'",
    "bad reference": f"webrtc.a: '%({SECRET})d'",
    "unknown reference": f"webrtc.a: '%({SECRET})s'",
    "ring": f"webrtc.a: '{SECRET}%(webrtc.a)s'",
    "too much": "\n".join(f"l{n}: " + (f"%(l{n - 1})s" * 30 if n else SECRET) for n in range(9))
    + "\nwebrtc.a: %(l8)s",
    "duplicate": f"webrtc.a: '{SECRET}'\nwebrtc.a: '{SECRET}'",
    "duplicate of a lost line": f"webrtc.a: [\n'{SECRET}=',\n'{SECRET}=' ]",
    "duplicate of a lost bare line": f"webrtc.a: '''\n{SECRET}==\n{SECRET}==\n  '''",
    "bare percent in a lost line": f"webrtc.a: [\n'{SECRET}=%' ]",
    "bare percent in a lost bare line": f"webrtc.a: '''\n{SECRET}=%'''",
    "duplicate section of a lost line": f"webrtc.a: [\n['{SECRET}'],\n['{SECRET}'] ]",
    "no delimiter": f"webrtc.a: 1\n'{SECRET}'",
    "no delimiter after the key": f"webrtc.a '{SECRET}='",
    "no delimiter before a dict": f"webrtc.a {{ 'secret' '{SECRET}=', 'ttl': 3600 }}",
    "the delimiter in the value": f"webrtc.a {SECRET}: os",
    "first column": f"webrtc.a: [ '{SECRET}', os\n]",
}


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_neither_message_nor_frame_of_a_traceback_holds_a_value(text, tmp_path):
    path = tmp_path / "od.config"
    path.write_text("[global]\n" + text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ConfigError) as caught:
        load_od_config(path)
    collected = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in collected.stack if frame.filename == odconfig.__file__]
    assert frames
    assert caught.value.__context__ is None
    assert SECRET not in str([frame.locals for frame in frames])
    assert SECRET not in everything_about(refusal_of("[global]\n" + text))


@pytest.mark.parametrize("text", [f"{SECRET}: 1", f"[{SECRET}]\na: '{SECRET}'", f"# {SECRET}"])
def test_no_message_quotes_a_text_without_global(text):
    assert SECRET not in everything_about(refusal_of(text))


@pytest.mark.parametrize(
    "data",
    [
        f"[global]\nwebrtc.a: '{SECRET}\xe9{SECRET}'".encode("latin-1"),
        f"[global]\nwebrtc.a: '{SECRET}'".encode("utf-16"),
        f"\ufeff[global]\nwebrtc.a: '{SECRET}'".encode(),
        f"[global]\nwebrtc.a: '{SECRET}'\n#".encode("ascii") + b"x" * MAX_BYTES,
    ],
    ids=["latin-1", "utf-16", "byte order mark", "too large"],
)
def test_no_message_quotes_a_file_that_cannot_be_read(data, tmp_path):
    path = tmp_path / "od.config"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_od_config(path)
    assert SECRET not in everything_about(caught.value)


def leaks(texts: List[str]) -> List[str]:
    """Return those of the texts whose refusal quotes the secret."""
    found = []
    for text in texts:
        try:
            parse_od_config(text)
        except ConfigError as error:
            if SECRET in str(error) + repr(error) + repr(error.__context__):
                found.append(text)
    return found


@pytest.mark.parametrize("put", ["", *"'\":=[]{}(),%#x1\n\\ -"])
def test_no_message_quotes_a_value_whichever_character_is_wrong(put):
    places = range(len("[global]\n"), len(COTURN))
    assert leaks([COTURN[:at] + put + COTURN[at + 1 :] for at in places]) == []


def test_no_message_quotes_a_value_whichever_lines_lost_their_indent():
    lines = COTURN.split("\n")
    texts = [
        "\n".join([*lines[:start], *map(str.lstrip, lines[start:end]), *lines[end:]])
        for start in range(len(lines))
        for end in range(start + 1, len(lines))
    ]
    assert leaks(texts) == []
