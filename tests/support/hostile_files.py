"""od.configs of 1 MiB, each far more expensive to read than to write."""

from __future__ import annotations

from itertools import count
from typing import Callable, Dict, Iterable

MIB = 1024 * 1024
MODULUS = 2**61 - 1
"""Python hashes an integer to its remainder by this, so multiples of it collide."""
START = "[global]\nwebrtc.enable: True\n"


class _Size:
    now = MIB


def _until_full(parts: Iterable[str], start: str, end: str, size: int) -> str:
    taken, left = [start], (size or _Size.now) - len((start + end).encode())
    for text in parts:
        left -= len(text.encode())
        if left < 0:
            break
        taken.append(text)
    return "".join((*taken, end))


def full(unit: str, start: str = "", end: str = "", size: int = 0) -> str:
    """Return `unit`, repeated as often as it fits into the size."""
    times = ((size or _Size.now) - len((start + end).encode())) // len(unit.encode())
    return start + unit * times + end


def rising(form: str, start: str = "", end: str = "", size: int = 0) -> str:
    """Return `form`, filled in with 0, 1, 2 and so on, as often as it fits into the size."""
    return _until_full(map(form.replace("{:", "{0:").format, count()), start, end, size)


def multiples(form: str, start: str, end: str) -> str:
    """Return `form`, filled in with numbers that have the same hash."""
    numbers = (MODULUS * number for number in count())
    return _until_full(map(form.format, numbers), start, end, 0)


def entries(form: str) -> str:
    """Return entries of this form, with numbers in their names, as many as fit."""
    return _until_full((form.replace("{}", str(n), 1) for n in count()), START, "", 0)


def many_acls(start: str, item: str) -> str:
    """Return a list of acls of the same labels, with as many words as are read."""
    labels = ",".join(f"'{number:x}'" for number in range(70))
    acl = f"{item}'acl': {{'permit': [{labels}], 'deny': ['x"
    return _until_full(
        (f"{acl}{number:x}']}}}},\n " for number in count()), start, "]", min(_Size.now, 45_000)
    )


COTURN = START + "webrtc.coturn: "
SERVER = "{ 'coturn_static_auth_secret': 'a-secret-of-24-characters', 'url': "
RTC = START + "webrtc.rtc_configuration: "
CONSTRAINTS = START + "webrtc.rtc_constraints: "
POD = START + "desktop.pod: { 'sound': { 'enable': True, 'image': 'a/b:1', "
OTHER = START + "pyos.own: "
PLACES = {
    "coturn": COTURN,
    "rtc_configuration": RTC,
    "constraints": CONSTRAINTS,
    "envlocal": START + "desktop.envlocal: ",
    "pod": START + "desktop.pod: ",
    "pyos": OTHER,
    "desktop of pyos": START + "desktop.other: ",
    "token": START + "jwt_token_user: ",
}
"""Entries that abcwebrtc reads, and some that it ignores."""
VALUES: Dict[str, Callable[[str], str]] = {
    "product": lambda start: f"{start}['x']*1390000",
    "products": lambda start: full("['x']*9999,\n ", start + "[", "]"),
    "texts times": lambda start: f"{start}[{{'urls': 'x'*4000000}}]",
    "numbers": lambda start: full("1,", start + "[", "]"),
    "lines of numbers": lambda start: full("1,\n ", start + "[", "]"),
    "dicts": lambda start: full("{},", start + "[", "]"),
    "dicts with a wrong key": lambda start: full("{'ur1':1},", start + "[", "]"),
    "texts": lambda start: full("'',", start + "[", "]"),
    "keys": lambda start: rising("'{:x}':1,", start + "{", "}"),
    "equal keys": lambda start: full("'a':1,\n ", start + "{", "}"),
    "misspelt keys": lambda start: rising("'iceServer{:x}':1,", start + "{", "}"),
    "colliding keys": lambda start: multiples("{:#x}:1,", start + "{", "}"),
    "colliding floats": lambda start: rising("{:d}e99:1,", start + "{", "}"),
    "tuples as keys": lambda start: rising("({:d},):1,", start + "{", "}"),
    "one tuple as a key": lambda start: full("0,", start + "{(", "):1}"),
    "nested": lambda start: f"{start}{'[' * 500000}{']' * 500000}",
    "nested 40 deep": lambda start: full("[" * 40 + "]" * 40 + ",", start + "[", "]"),
    "giant number": lambda start: full("9", start),
    "giant hexadecimal": lambda start: full("f", start + "0x"),
    "numbers of 100 digits": lambda start: full("9" * 100 + ",", start + "[", "]"),
    "powers": lambda start: f"{start}9**9**9",
    "shifts": lambda start: f"{start}1<<999999999",
    "products of numbers": lambda start: full("9" * 99 + "*" + "9" * 99 + ",", start + "[", "]"),
    "infinity": lambda start: full("1e999,", start + "[", "]"),
    "complex": lambda start: full("1j,", start + "[", "]"),
    "bytes": lambda start: full("b'',", start + "[", "]"),
    "stars": lambda start: full("*[],", start + "[", "]"),
    "double stars": lambda start: full("**{},", start + "{", "}"),
    "f-strings": lambda start: full("f'{1}',", start + "[", "]"),
    "adjacent texts": lambda start: full("'a' ", start),
    "adjacent texts in lines": lambda start: full("'a'\n ", start + "(", ")"),
    "adjacent pairs": lambda start: full("'a' 'b',", start + "[", "]"),
    "escapes": lambda start: full("\\x41", start + "'", "'"),
    "unicode escapes": lambda start: full("\\U0001F600", start + "'", "'"),
    "names of characters": lambda start: full("\\N{DIGIT ONE}", start + "'", "'"),
    "bad escapes": lambda start: full("\\d", start + "'", "'"),
    "surrogates": lambda start: full("\\ud800", start + "'", "'"),
    "one text": lambda start: full("a", start + "'", "'"),
    "one wide text": lambda start: full("\U0001f600", start + "'", "'"),
    "text in lines": lambda start: full("a\n ", start + "'''", "'''"),
    "sums": lambda start: full("1+1,", start + "[", "]"),
    "minus": lambda start: full("-1,", start + "[", "]"),
    "brackets that are open": lambda start: full("[", start),
    "quotes that are open": lambda start: full("'\\'", start),
    "dollars": lambda start: full("'${A',", start + "[", "]"),
    "comments": lambda start: full("# '\n ", start + "[\n ", "]"),
    "blanks": lambda start: full(" ", start + "[", "]"),
    "blank lines": lambda start: full("\n", start + "[", " ]"),
    "names": lambda start: full("a,", start + "[", "]"),
    "doubts": lambda start: full("a.b,\n ", start + "[", "]"),
    "calls": lambda start: full("str(),", start + "[", "]"),
    "semicolons": lambda start: full(";", start + "1"),
    "identifiers": lambda start: full("\u00b2", start + "a"),
    "backslashes": lambda start: full("\\\n ", start + "[", "]"),
    "percent signs": lambda start: full("%%", start + "'", "'"),
    "references": lambda start: full("%(webrtc.enable)s,", start + "[", "]"),
    "carriage returns": lambda start: full("1,\r ", start + "[", "]"),
    "line separators": lambda start: full("\u2028", start + "'", "'"),
    "separators between": lambda start: full("1,\x0b", start + "[", "]"),
}
"""Functions from the start of an entry to the file, by what its value is full of."""
FILES: Dict[str, Callable[[], str]] = {
    "servers with a wrong key": lambda: full("{'a':1},", COTURN + "[", "]"),
    "servers with wrong values": lambda: full(
        "{'coturn_static_auth_secret':1,'url':1,'ttl':'a'},\n ", COTURN + "[", "]"
    ),
    "good servers": lambda: full(SERVER + "'a' },\n ", COTURN + "[", "]"),
    "good servers of rtc_configuration": lambda: full(
        "{'urls':'stun:a'},", RTC + "{'iceServers':[", "]}"
    ),
    "turn servers with a password": lambda: full(
        "{'urls':'turn:a','username':'a','credential':'a'},", RTC + "{'iceServers':[", "]}"
    ),
    "wrong servers of rtc_configuration": lambda: full("1,", RTC + "{'iceServers':[", "]}"),
    "wrong urls": lambda: full("'',", RTC + "{'iceServers':[{'urls':[", "]}]}"),
    "urls": lambda: rising("'stun:{:x}',", RTC + "{'iceServers':[{'urls':[", "]}]}"),
    "urls of coturn": lambda: rising("'a{:x}',", COTURN + SERVER + "[", "]}"),
    "urls of coturn in lines": lambda: rising("'a{:x}:53',\n ", COTURN + SERVER + "[", "]}"),
    "wrong urls of coturn": lambda: full("1,", COTURN + SERVER + "[", "]}"),
    "long url": lambda: full("a", COTURN + SERVER + "'", "'}"),
    "servers with labels": lambda: rising(
        "{" + SERVER + "'a', 'acl': {{'permit':['{:x}','all']}}}},\n ",
        START + "webrtc.coturn_servers: 2\nwebrtc.coturn: [",
        "]",
        min(_Size.now, 60_000),
    ),
    "labels of one server": lambda: rising(
        "'{:x}',", COTURN + SERVER + "'a', 'acl': {'permit': [", "]}}", min(_Size.now, 65_000)
    ),
    "labels of many servers": lambda: many_acls(
        START + "webrtc.coturn_servers: 2\nwebrtc.coturn: [", SERVER + "'a', "
    ),
    "labels of many policies": lambda: many_acls(START + "webrtc.policies: [", "{"),
    "labels of the desktop": lambda: rising(
        "'{:x}',",
        COTURN + SERVER + "'a'}\nwebrtc.desktop: {'turn': True, 'acl': {'permit': [",
        "]}}",
        min(_Size.now, 65_000),
    ),
    "policies": lambda: full(
        "{'ttl':1},", START + "webrtc.policies: [", "]", min(_Size.now, 2_500)
    ),
    "many policies": lambda: full("{'ttl':1},", START + "webrtc.policies: [", "]"),
    "wrong policies": lambda: full(
        "{'ttl':0,'a':1},", START + "webrtc.policies: [", "]", min(_Size.now, 3_900)
    ),
    "numbers of servers": lambda: full(
        "1,", START + "webrtc.coturn_servers: [", "]", min(_Size.now, 19_000)
    ),
    "long url of points": lambda: full("a.", COTURN + SERVER + "'", "a'}"),
    "long url with ports": lambda: full(":1", COTURN + SERVER + "'a", "'}"),
    "long url with questions": lambda: full("?transport=udp", COTURN + SERVER + "'a", "'}"),
    "long url with commas": lambda: full(" ", COTURN + SERVER + "'a", "'}"),
    "transports": lambda: full("'udp',", COTURN + SERVER + "'a', 'transport': [", "]}"),
    "wrong transports": lambda: full("0,", COTURN + SERVER + "'a', 'transport': [", "]}"),
    "secrets": lambda: rising(
        "'{:024x}',", COTURN + "{'url': 'a', 'coturn_static_auth_secret': [", "]}"
    ),
    "weak secrets": lambda: rising(
        "'{:x}',", COTURN + "{'url': 'a', 'coturn_static_auth_secret': [", "]}"
    ),
    "equal secrets": lambda: full(
        "'a',", COTURN + "{'url': 'a', 'coturn_static_auth_secret': [", "]}"
    ),
    "long secret": lambda: full("a", COTURN + "{'url': 'a', 'coturn_static_auth_secret': '", "'}"),
    "long secret of your": lambda: full(
        "your", COTURN + "{'url': 'a', 'coturn_static_auth_secret': '", "'}"
    ),
    "long secret of blanks": lambda: full(
        " ", COTURN + "{'url': 'a', 'coturn_static_auth_secret': 'a", "b'}"
    ),
    "long name of a file": lambda: full(
        "a/", COTURN + "{'url': 'a', 'coturn_static_auth_secret_file': '", "'}"
    ),
    "huge ttl": lambda: full(SERVER + "'a', 'ttl': " + "9" * 100 + "},", COTURN + "[", "]"),
    "ttl as a long text": lambda: full("9", COTURN + SERVER + "'a', 'ttl': '", "'}"),
    "wrong keys": lambda: rising("'k{:x}':1,", COTURN + SERVER + "'a',", "}"),
    "wrong keys in lines": lambda: rising("'ttl{:x}':1,\n ", COTURN + SERVER + "'a',", "}"),
    "long wrong key": lambda: full("ttl", COTURN + SERVER + "'a','", "':1}"),
    "long wrong keys": lambda: rising("'{:01000x}':1,", COTURN + SERVER + "'a',", "}"),
    "wrong keys that are tuples": lambda: rising("(1,{:d}):1,", COTURN + SERVER + "'a',", "}"),
    "wrong keys of the desktop": lambda: rising("'{:x}':1,", START + "webrtc.desktop: {", "}"),
    "wrong keys of sound": lambda: rising("'image{:x}':1,", POD, "}}"),
    "images": lambda: rising(
        "'{:x}':1,", START + "desktop.pod: {'sound': {'enable': True, 'image': {", "}}}"
    ),
    "long image": lambda: full(
        "a/", START + "desktop.pod: {'sound': {'enable': True, 'image': '", "'}}"
    ),
    "long image of dashes": lambda: full(
        "-", START + "desktop.pod: {'sound': {'enable': True, 'image': 'a", "'}}"
    ),
    "requests": lambda: rising("'c{:x}':1,", POD + "'resources': {'requests': {", "}}}}"),
    "long request": lambda: full("9", POD + "'resources': {'requests': {'cpu': '", "'}}}}"),
    "long name of a request": lambda: full("a.", POD + "'resources': {'requests': {'", "':1}}}}"),
    "capabilities": lambda: full(
        "'a',", POD + "'securityContext': {'capabilities': {'add': [", "]}}}}"
    ),
    "names of pull secrets": lambda: full("1,", POD + "'imagePullSecrets': [", "]}}"),
    "long name of a pull secret": lambda: full(
        "a-", POD + "'imagePullSecrets': [{'name':'", "'}]}}"
    ),
    "labels": lambda: full("'a',", POD + "'acl': {'permit': [", "]}}}"),
    "volumes": lambda: full("'a',", POD + "'volumes': [", "]}}"),
    "templates": lambda: full("{{", START + "desktop.envlocal: {'STUN_SERVER': '", "'}"),
    "turn server of desktops": lambda: full(
        ":@", START + "desktop.envlocal: {'TURN_SERVER': 'turn://", "'}"
    ),
    "key files": lambda: full("'a',", START + "jwt_token_user: {'jwtuserpublickeyfile': [", "]}"),
    "containers": lambda: rising(
        "'{:x}':{{'image':'oc.a:3.{0:d}'}},", START + "desktop.pod: {", "}"
    ),
    "keys of frozen data": lambda: full("{1:1},", CONSTRAINTS + "{'audio': {'a': [", "]}}"),
    "dicts in dicts": lambda: full(
        "{'audio':" * 40 + "{}" + "}" * 40 + ",", CONSTRAINTS + "{'a': [", "]}"
    ),
    "unknown entries": lambda: rising("webrtc.a{:x}: 1\n", START),
    "unknown entries with long names": lambda: rising("webrtc.{:0500x}: 1\n", START),
    "unknown entry with a long name": lambda: full("a", START + "webrtc.", ": 1"),
    "entries misspelt": lambda: rising("webrtc_enable{:x}: 1\n", START),
    "wrong unknown entries": lambda: rising("webrtc.a{:x}: a\n", START),
    "entries with a wrong dict": lambda: rising("webrtc.a{:x}: {{'a':1,'a':1}}\n", START),
    "unread letters": lambda: "".join(
        [START, *(f"w{'.' * n}ebrtc.coturn: 1\n" for n in range(1, 1400))]
    ),
    "entries": lambda: rising("{:x}:1\n", START),
    "entries without a value": lambda: rising("{:x}:\n", START),
    "entries of pyos that are wrong": lambda: rising("{:x}:a\n", START),
    "entries of pyos with doubts": lambda: rising("{:x}:a.b\n", START),
    "texts of pyos": lambda: rising("{:x}:'{0:x}'\n", START),
    "lists of pyos": lambda: rising("{:x}:[1]\n", START),
    "products of pyos": lambda: rising("{:x}:[0]*9999\n", START),
    "colliding sections": lambda: rising("[{:x}]\n", START),
    "sections with an entry": lambda: rising("[{:x}]\na:1\n", START),
    "sections with an entry that counts": lambda: rising("[{:x}]\nwebrtc.enable:1\n", START),
    "sections with a second bracket": lambda: rising("[{:x}]]\n", START),
    "sections and defaults": lambda: rising(
        "[{:x}]\n", rising("{:x}:'%%'\n", "[DEFAULT]\n", size=_Size.now // 2) + START
    ),
    "sections and wrong defaults": lambda: rising(
        "[{:x}]\n", rising("{:x}:a\n", "[DEFAULT]\n", size=_Size.now // 2) + START
    ),
    "sections and defaults that refer": lambda: rising(
        "[{:x}]\na:1\n", rising("{:x}:%(a)s\n", "[DEFAULT]\na: 1\n", size=_Size.now // 2) + START
    ),
    "references to a large entry": lambda: full(
        "%(a)s", full("a", START + "a: '", "'\nb: ", _Size.now // 2)
    ),
    "references in a used entry": lambda: full(
        "%(a)s,", full("1,", START + "a: ", "\nwebrtc.b: [", 600), "]"
    ),
    "entries at the limit": lambda: entries(full("1,", "desktop.a{}: [", "]\n", 19_900)),
    "pyos entries at the limit": lambda: entries(full("1,", "a{}: [", "]\n", 38_000)),
    "used entries at the limit": lambda: entries(full("1,", "webrtc.a{}: [", "]\n", 38_000)),
    "dicts at the limit": lambda: entries(full("{1:1},", "desktop.a{}: [", "]\n", 23_900)),
    "nested dicts at the limit": lambda: entries(
        "desktop.a{}: [" + ("{'a':" * 49 + "1" + "}" * 49 + ",") * 70 + "]\n"
    ),
    "colliding tuples": lambda: full(
        "".join(
            "(" + "".join(f"-{1 + (n >> bit & 1)}," for bit in range(12)) + "):1,"
            for n in range(999)
        ),
        OTHER + "{",
        "}",
    ),
    "dicts of colliding keys": lambda: full(
        "{" + "".join(f"{MODULUS * n}:1," for n in range(64)) + "},", OTHER + "[", "]"
    ),
    "entries of colliding keys": lambda: entries(
        "desktop.a{}: ["
        + ("{" + "".join(f"{MODULUS * n}:1," for n in range(64)) + "},") * 20
        + "]\n"
    ),
    "sums of lists": lambda: entries("a{}: [[0]*1000]*1000" + "+[]" * 90 + "\n"),
    "sums of long texts": lambda: entries("webrtc.a{}: 'a'*65000" + "+'a'" * 90 + "\n"),
    "products of long texts": lambda: full("'a'*4000,", OTHER + "[", "]"),
    "products of wide texts": lambda: full("'\U0001f600'*60000,", OTHER + "[", "]"),
    "sums of dicts": lambda: full("{1:1}+{},", OTHER + "[", "]"),
    "subscripts": lambda: full("[0]", OTHER + "a.b"),
    "attributes": lambda: full(".a", OTHER + "a.b"),
    "lines that refer to lines": lambda: full(
        "%(a)s", full("\n 1", START + "a: 1", "\nb: ", _Size.now // 2)
    ),
    "entries that refer to lines": lambda: (
        full("desktop.c: [%(a)s]\n", full("1,\n ", START + "a: ", "1\n", 30_000), size=31_000)
        + rising("desktop.b{:x}: [%(a)s]\n", size=MIB - 31_000)
    ),
    "entries that refer in a row": lambda: (
        START + "a0: 1\n" + "".join(f"a{n}: %(a{n - 1})s\n" for n in range(1, 50_000))
    ),
    "sections of large entries that refer": lambda: rising(
        "[{:x}]\nk:%(b)s\n", "[DEFAULT]\na: 1\nb:" + "%(a)s" * 80_000 + "\n" + START
    ),
    "defaults that refer": lambda: rising(
        "[s{:x}]\nd:1\n",
        rising("{:x}:%(d)s\n", "[DEFAULT]\nd: 1\n", size=_Size.now // 2).replace("\nd:%(d)s", "")
        + START,
    ),
    "comments between lines": lambda: full("\n#\n 1", OTHER + "1"),
    "long names of entries": lambda: entries("a" * 500 + "{}: 1\n"),
    "entries in capitals": lambda: rising("WEBRTC.{:x}: 1\n", START),
    "misspelt keys of resources": lambda: rising("'limit{:x}':1,", POD + "'resources': {", "}}}"),
    "quotes in a message": lambda: rising("'ttl{:x}\\'':1,", COTURN + SERVER + "'a',", "}"),
    "comments": lambda: full("#\n", START),
    "long comment": lambda: full("#", START),
    "blank lines": lambda: full("\n", START),
    "carriage returns": lambda: full("\r", START),
    "both": lambda: full("\r\n", START),
    "continuation lines": lambda: full("\n 1", OTHER + "1"),
    "continuation lines of a used entry": lambda: full("\n 1", COTURN + "1"),
    "closers": lambda: full("\n]", OTHER + "["),
    "closers of many entries": lambda: rising("{:x}:[\n]\n", START),
    "NULs": lambda: full("\0", OTHER + "'", "'"),
    "NULs in a used entry": lambda: full("\0", COTURN + "'", "'"),
    "line separators": lambda: full("\u2028\n", START + "webrtc.a: 1\n"),
    "one line": lambda: full("a", START),
    "one key": lambda: full("a", START, ": 1"),
    "blanks": lambda: full(" ", START + "a", "b"),
    "indented entries": lambda: full("\n webrtc.enable: True", OTHER + "1"),
    "swallowed entries": lambda: rising("{:x}:1\n webrtc.enable: True\n", START),
    "JSON": lambda: full("//\n", "", "{}"),
    "JSON comments": lambda: full("/**/", "", "{}"),
    "open JSON comments": lambda: full("/*", "{"),
    "YAML": lambda: full("apiVersion:", ""),
    "kinds": lambda: full("kind: \n", "a: 1\n"),
    "blanks alone": lambda: full(" \n", "") + "x",
    "spaces before nothing": lambda: full(" ", "") + "x",
    "nothing but brackets": lambda: full("[", ""),
}
"""Functions that return a file, by what it is full of."""


NAMES = (*FILES, *(f"{value} in {place}" for place in PLACES for value in VALUES))


def hostile_file(name: str, size: int = MIB) -> str:
    """Return the file of this name, of about this size but no more."""
    _Size.now = size
    value, _, place = name.rpartition(" in ")
    text = VALUES[value](PLACES[place]) if place in PLACES else FILES[name]()
    _Size.now = MIB
    return text.encode()[:size].decode("utf-8", "ignore")
