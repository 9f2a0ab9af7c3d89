"""``apply`` never shows a marked secret, wherever it is in both texts, whole or damaged."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest

from abcwebrtc.cli.main import main
from integration.apply.conftest import fail, only
from integration.apply.test_lost_answers import instead, lose
from integration.cluster import Server
from integration.kubeconfig import BROKEN, NAME, write_kubeconfig

MARKS = ["QhZjXkWv9", "JxPqVbGz7", "MkZwQyTf5", "XvBqJnHz3", "ZqRjKxLw8", "WjVzGqXk2"]
PIECES = {mark[index : index + 5] for mark in MARKS for index in range(len(mark) - 4)}
DAMAGE = "'\"#:,{}[]()\\\n\r\t %=;\u2028x"
RUNS = 40
"""For each way, with its own seed."""

LINES = [
    "# coturn_static_auth_secret was {mark}",
    "webrtc.enable: True  # {mark}",
    "webrtc.coturn: {{ 'coturn_static_auth_secret': '{mark}', 'ttl': 60, 'url': 't.example:1' }}",
    "webrtc.coturn: [ {{ 'coturn_static_auth_secret': ['{mark}', # {mark}\n  '{mark}'],\n"
    "  'url': 't.example' }} ]",
    "webrtc.coturn: {{ 'coturn_static_auth_secret': '''{mark}\n  {mark}''', 'url': '{mark}' }}",
    "webrtc.coturn: {{ '{mark}': 1, 'coturn_static_auth_secret': 'x', 'url': 'me:{mark}@t' }}",
    "webrtc.coturn: '{mark}'",
    "webrtc.rtc_configuration: {{ 'iceServers': [ {{ 'urls': 'turn:t', 'username': '{mark}',\n"
    "  'credential': '{mark}' }} ] }}",
    "webrtc.rtc_configuration: {{ 'iceServers': [ {{ 'urls': ['turn:me:{mark}@t.example'] }} ] }}",
    "webrtc.desktop: {{ 'stun_server': 'stun://{mark}@s.example', 'turn': True }}",
    "webrtc.{mark}: '{mark}'",
    "desktop.envlocal: {{ '{mark}': '{mark}', 'TURN_SERVER': 'turn://me:{mark}@t.example' }}",
    "desktop.envlocal: {{ 'url': 'http://me:{mark}@x.example', 'ttl': '{mark}' }}",
    "desktop.pod: {{ 'sound': {{ 'image': 'me:{mark}@r.example/s:1', 'enable': True,\n"
    "  'env': {{ 'PW': '{mark}' }} }} }}",
    "desktop.pod: {{ '{mark}': {{ 'image': '{mark}' }} }}",
    "mongodburl: 'mongodb://me:{mark}/x@db:27017'",
    "ldapconfig: {{ 'planet': {{ 'bind_pw': '{mark}', 'auth': ('me', '{mark}') }} }}",
    "bind_pw: '{mark}'",
    "auth: {mark}",
    "db.word = {mark}\nmongodburl: 'mongodb://me:%(db.word)s@db'",
    "x: '%({mark})s'",
    "{mark}: 1",
    "{mark}",
    "  {mark}",
    "namespace: '{mark}'",
    "jwt_token_user: {{ 'privatekeyfile': '{mark}' }}",
    "\x1b[2J{mark}: '\x1b]0;{mark}\x07'",
    "x: dict(password='{mark}', url='{mark}')",
    "[{mark}]\nttl: '{mark}'",
    "[global]\nwebrtc.coturn: {{ 'ttl': '{mark}' }}",
    "[DEFAULT]\nurl: '{mark}'",
    "{{ 'coturn_static_auth_secret': '{mark}' }}",
]


def od_config(chance: random.Random) -> str:
    """Return a text of these lines with marks in them, whole or damaged."""
    lines = chance.sample(LINES, chance.randint(1, 8))
    text = "\n".join(["[global]", *(line.format(mark=chance.choice(MARKS)) for line in lines)])
    for _ in range(chance.choice([0, 0, 1, 1, 3])):
        index = chance.randrange(len(text))
        text = text[:index] + chance.choice(["", *DAMAGE]) + text[index + chance.randrange(2) :]
    return f"{text}\n# {chance.random()}\n"


def variant(text: str, chance: random.Random) -> str:
    """Return a text that differs from another one a little, or completely."""
    if chance.random() < 0.3:
        return od_config(chance)
    old, new = chance.sample(MARKS, 2)
    return text.replace(old, new).replace("60", "61") + f"# {chance.random()}\n"


def answered_with(status: int) -> Callable[[Any], None]:
    mark = MARKS[0]
    details = {"kind": mark, "name": mark, "causes": [{"field": f"data[{mark}] {mark}"}]}
    return fail(status, f"Invalid {mark}", f"wrong: {mark}", details)


WAYS: Dict[str, Tuple[Callable[[Any], None], List[str]]] = {
    "done": (lambda cluster: None, []),
    "tried": (lambda cluster: None, ["--dry-run"]),
    "restored": (lambda cluster: None, ["--unchecked", "--restart", "none"]),
    "as data, verbosely": (lambda cluster: None, ["-o", "json", "-v"]),
    "refused": (
        lambda cluster: setattr(cluster, "before", only("PUT", "configmaps", answered_with(422))),
        ["--unchecked"],
    ),
    "failed": (
        lambda cluster: setattr(
            cluster, "before", only("PATCH", "deployments", answered_with(403))
        ),
        ["--unchecked", "--rollback-on-failure"],
    ),
    "not ready": (
        lambda cluster: None,
        ["--unchecked", "--timeout", "0.01", "--rollback-on-failure"],
    ),
    "lost": (
        lambda cluster: lose(cluster, "PUT configmaps", instead(502, MARKS[0].encode()), False),
        ["--unchecked"],
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_mark_is_in_anything_that_is_printed(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    prepare, options = WAYS[way]
    cluster, chance = server.cluster, random.Random(way)
    cluster.add_pyos()
    write_kubeconfig(tmp_path / "kubeconfig", server.url)
    file, statuses = tmp_path / "od.config", set()
    plain = cluster._handle
    for _ in range(RUNS):
        old = od_config(chance)
        new = variant(old, chance) + (f"# {BROKEN}\n" if way == "not ready" else "")
        file.write_text(new, encoding="utf-8", newline="")
        object.__setattr__(cluster, "_handle", plain)
        cluster.before = lambda request: None
        cluster.add_config_map(old)
        prepare(cluster)
        line = ["apply", str(file), "--kubeconfig", str(tmp_path / "kubeconfig"), *options]
        statuses.add(main(line))
        printed = "".join(capsys.readouterr()).replace(str(tmp_path), "")
        assert not [piece for piece in PIECES if piece in printed], (old, new, printed)
        assert "\x1b" not in printed
    fails = way in ("refused", "failed", "not ready", "lost")
    failed = {1} if way == "not ready" else {3}
    assert statuses == (failed if fails else {0} if way == "restored" else {0, 1})
    assert cluster.config_map()["metadata"]["name"] == NAME
