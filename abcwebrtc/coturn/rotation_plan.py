"""The steps of a rotation, for the configuration at hand. No secret is in them."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from abcwebrtc.abcdesktop import NAMESPACE, PYOS_DEPLOYMENT
from abcwebrtc.config.coturn import SECRET_KEY
from abcwebrtc.coturn.rotation import DEFAULT_MARGIN, ENVIRONMENT, FILE, INLINE, Group, Place
from abcwebrtc.times import duration_text, iso_text, utc_text

DATABASE, CONF = "database", "conf"
DEFAULT_DATABASE = "/var/lib/turn/turndb"
NEW_FILE = "new-secret"
_NEW_SECRET = "abcwebrtc rotate new-secret"  # noqa: S105, a command
_RESTART_ENDS_CALLS = "A restart of coturn ends every running call that goes through it"


@dataclass(frozen=True)
class PlanOptions:
    """What a plan needs beside the configuration.

    `coturn` says where coturn has its secrets, in its `DATABASE` or in its
    `CONF`; `switch_at` is in unix seconds, `margin` in seconds. `is_prepared`
    says that coturn can read its database while turnadmin writes. `entry` is the
    index of the entry to change, None where all entries share a secret.
    """

    od_config: str
    switch_at: float
    margin: int = DEFAULT_MARGIN
    coturn: str = DATABASE
    realm: str = "REALM"
    database: str = DEFAULT_DATABASE
    is_prepared: bool = False
    entry: Optional[int] = None

    @property
    def new_file(self) -> str:
        """The file of the new secret; each group has its own."""
        return NEW_FILE if self.entry is None else f"{NEW_FILE}-{self.entry}"

    def check(self, *more: str) -> str:
        """Return the command that asks coturn."""
        entry = () if self.entry is None else ("--entry", str(self.entry))
        command = ("abcwebrtc", "rotate", "check", self.od_config, *entry, *more)
        return " ".join(map(shlex.quote, command))


@dataclass(frozen=True)
class PlanStep:
    """One step: what to do, and the shell commands that do it.

    `instead` are commands for another case, which `otherwise` says. `not_before`
    is in unix seconds.
    """

    name: str
    text: str
    commands: Tuple[str, ...] = ()
    otherwise: str = ""
    instead: Tuple[str, ...] = ()
    not_before: Optional[float] = None

    def as_dict(self) -> Dict[str, Any]:
        """Return it as plain JSON data."""
        moment = None if self.not_before is None else iso_text(self.not_before)
        return {
            "name": self.name,
            "text": self.text,
            "commands": list(self.commands),
            "otherwise": self.otherwise,
            "instead": list(self.instead),
            "not_before": moment,
        }


def state(group: Group) -> str:
    """Return which state the configuration itself is in, in a sentence."""
    if not group.is_here:
        return "the secrets are not on this machine; this is the plan where there is one of them"
    number = len(group.secrets)
    if group.is_mixed:
        return "the entries mint with different secrets: put the same one first in each"
    if number == 1:
        return "one secret, no rotation is under way"
    return f"{number} secrets, a rotation is under way: the first one mints"


def plan(group: Group, options: PlanOptions) -> List[PlanStep]:
    """Return the steps from where the configuration is to the end of the rotation."""
    first = [] if options.is_prepared or options.coturn == CONF else [_prepare(options)]
    later = [_wait(group, options), _retire(group, options), *_clean(group, options)]
    if group.is_mixed:
        return [*first, _ask(options), _align(group), *later]
    if len(group.secrets) > 1:
        return [*first, _ask(options), *later]
    return [
        *first,
        _make(options),
        _announce(options),
        _verify(options),
        *_switch(group, options),
        *later,
    ]


def notes(group: Group, options: PlanOptions) -> List[str]:
    """Return what the operator should know before the first step."""
    found = []
    if group.desktop_ttl is not None:
        found.append(
            "Desktops hold a TURN credential in their environment, for "
            f"{duration_text(group.desktop_ttl)} (the ttl of webrtc.desktop), and no restart of "
            "pyos changes it, so the old secret has to outlive it"
        )
    if group.loses_pseudonyms and len(group.secrets) <= 1:
        found.append(
            "There is no pseudonym_key, so pseudonyms come from the secret: with the switch every "
            "user gets another one, and quotas start anew. To keep them, write the current secret "
            "as pseudonym_key before"
        )
    if options.coturn == CONF:
        found.append(
            f"{_RESTART_ENDS_CALLS}; turnadmin adds and removes secrets without one, "
            "also beside those in turnserver.conf"
        )
    return found


def overlap(group: Group, options: PlanOptions) -> Dict[str, Any]:
    """Return how the overlap is computed, as plain JSON data; durations in seconds."""
    return {
        "browser_ttl": group.browser_ttl,
        "desktop_ttl": group.desktop_ttl,
        "margin": options.margin,
        "switch_at": iso_text(options.switch_at),
        "remove_at": iso_text(group.removal(options.switch_at, options.margin)),
    }


def is_wal(header: bytes) -> bool:
    """Say whether a SQLite file with this beginning is in WAL mode.

    Bytes 18 and 19 are the format's write and read version, 2 for WAL (SQLite's
    "Database File Format", section 1.3).
    """
    return header.startswith(b"SQLite format 3\0") and header[18:20] == b"\2\2"


def _prepare(options: PlanOptions) -> PlanStep:
    """Return the step that keeps turnadmin from locking coturn out.

    In SQLite's default mode a writer locks readers out, coturn 4.6 does not try
    again, and answers 401.
    """
    text = (
        "Once, before coturn starts or in a quiet minute: let coturn read its SQLite database "
        "while turnadmin writes. Without this, and while this runs, coturn refuses the logins of "
        "some milliseconds. PostgreSQL, MySQL and Redis do not need it."
    )
    database = shlex.quote(options.database)
    command = f"sqlite3 {database} 'pragma busy_timeout=5000; pragma journal_mode=wal;'"
    return PlanStep("prepare", text, (command,))


def _make(options: PlanOptions) -> PlanStep:
    text = "Make a new secret, in a file that only you can read."
    return PlanStep("make", text, (f"{_NEW_SECRET} --output {options.new_file}",))


def _announce(options: PlanOptions) -> PlanStep:
    if options.coturn == CONF:
        text = (
            "Give it to coturn beside the old one: add the line that this prints to "
            f"turnserver.conf, and restart coturn. {_RESTART_ENDS_CALLS}."
        )
        command = f"{_NEW_SECRET} --from {options.new_file} --format turnserver"
        return PlanStep("give", text, (command,))
    text = (
        "Give it to coturn beside the old one. It counts at once, without a restart. "
        "While turnadmin runs, other users of that machine can see the secret among its arguments."
    )
    command = turnadmin("-s", options.new_file, options.realm, options.database)
    return PlanStep("give", text, (command,))


def turnadmin(option: str, file: str, realm: str, database: str, line: int = 1) -> str:
    """Return a turnadmin command that takes the secret from a line of a file.

    turnadmin takes secrets as arguments only (coturn 4.6).
    """
    secret = f'"$(grep . {shlex.quote(file)} | sed -n {line}p)"'
    return f"turnadmin {option} {secret} -r {shlex.quote(realm)} -b {shlex.quote(database)}"


def _verify(options: PlanOptions) -> PlanStep:
    text = "See that every coturn accepts both: exit status 0. Do not go on before."
    return PlanStep("verify", text, (options.check("--new", options.new_file),))


def _ask(options: PlanOptions) -> PlanStep:
    text = "See which of the secrets coturn accepts: it has to be the first one at least."
    return PlanStep("verify", text, (options.check(),))


def _align(group: Group) -> PlanStep:
    text = (
        f"Put the same secret first in {' and '.join(group.paths)}, the new one, if coturn accepts "
        "it there. Restart pyos where it stands in od.config or in the environment."
    )
    return PlanStep("switch", text)


def _switch(group: Group, options: PlanOptions) -> List[PlanStep]:
    return [_switch_place(place, options) for place in dict.fromkeys(group.places)]


def _switch_place(place: Place, options: PlanOptions) -> PlanStep:
    if place.kind == FILE:
        text = (
            f"Switch: put it first in {place.name}. pyos sees it within a second, without a "
            "restart; where a Kubernetes Secret is mounted, the kubelet takes up to two minutes."
        )
        command = f"{_NEW_SECRET} --from {options.new_file} --output {shlex.quote(place.name)}"
        patch = _patch(os.path.basename(place.name), options)
        return PlanStep("switch", text, (command,), "With a Kubernetes Secret NAME:", patch)
    if place.kind == ENVIRONMENT:
        text = (
            f"Switch: put it first in the variable {place.name}, the old one in a line below it, "
            "and restart pyos, which reads it at start only. With a Kubernetes Secret NAME:"
        )
        return PlanStep("switch", text, (*_patch(place.name, options), *_restart()))
    text = (
        f"Switch: write both into od.config, the new one first, as '{SECRET_KEY}': "
        "[ 'NEW', 'OLD' ], replace the ConfigMap, and restart pyos, which reads it at start only."
    )
    return PlanStep("switch", text, _replace_configmap(options))


def _patch(key: str, options: PlanOptions) -> Tuple[str, ...]:
    """Return the commands that put the new secret first in a Kubernetes Secret NAME."""
    kubectl = f"kubectl -n {NAMESPACE}"
    name = f"--name NAME --namespace {NAMESPACE} --key {shlex.quote(key)}"
    path = "{.data." + key.replace(".", r"\.") + "}"
    return (
        f"{kubectl} get secret NAME -o jsonpath={shlex.quote(path)} | base64 -d"
        f" | {_NEW_SECRET} --from {options.new_file} --keep - --format kubernetes {name}"
        f" | {kubectl} patch secret NAME --patch-file /dev/stdin",
    )


def _replace_configmap(options: PlanOptions) -> Tuple[str, ...]:
    kubectl = f"kubectl -n {NAMESPACE}"
    file = shlex.quote(f"od.config={options.od_config}")
    return (
        f"{kubectl} create configmap abcdesktop-config --from-file={file} -o yaml"
        f" --dry-run=client | {kubectl} replace -f -",
        *_restart(),
    )


def _restart() -> Tuple[str, ...]:
    kubectl = f"kubectl -n {NAMESPACE}"
    deployment = f"deployment/{PYOS_DEPLOYMENT}"
    return (
        f"{kubectl} rollout restart {deployment}",
        f"{kubectl} rollout status {deployment}",
    )


def _wait(group: Group, options: PlanOptions) -> PlanStep:
    remove_at = group.removal(options.switch_at, options.margin)
    whose = "browsers'"
    if group.desktop_ttl is not None and group.desktop_ttl >= group.browser_ttl:
        whose = "desktops'"
    text = (
        f"Wait until the last credential of the old secret has expired: {whose} ttl of "
        f"{duration_text(group.longest_ttl)}, and {duration_text(options.margin)} for clocks and "
        f"the kubelet. After a switch at {utc_text(options.switch_at)}, that is "
        f"{utc_text(remove_at)}. With the time of the real switch:"
    )
    since = iso_text(options.switch_at)
    margin = ("--margin", str(options.margin)) if options.margin != DEFAULT_MARGIN else ()
    command = options.check("--since", since, *margin)
    return PlanStep("wait", text, (command,), not_before=remove_at)


def _retire(group: Group, options: PlanOptions) -> PlanStep:
    moment = group.removal(options.switch_at, options.margin)
    if options.coturn == CONF:
        text = (
            "Delete the old secret's line from turnserver.conf. It counts from coturn's next "
            f"restart on, which can wait for a quiet hour. {_RESTART_ENDS_CALLS}."
        )
        return PlanStep("take", text, (), not_before=moment)
    text = (
        "Take the old one from coturn. It counts at once, and running calls go on. If it is a line "
        "of turnserver.conf, delete that as well; this counts from coturn's next restart on."
    )
    end = f"-r {shlex.quote(options.realm)} -b {shlex.quote(options.database)}"
    place = group.places[0]
    if place.kind == FILE:
        lines = range(2, max(2, len(group.secrets)) + 1)
        commands = tuple(
            turnadmin("-X", place.name, options.realm, options.database, line) for line in lines
        )
        by_hand = (f"turnadmin -X OLD {end}",)
        return PlanStep("take", text, commands, "Where that file is not:", by_hand, moment)
    return PlanStep("take", text, (f"turnadmin -X OLD {end}",), not_before=moment)


def _clean(group: Group, options: PlanOptions) -> List[PlanStep]:
    """Return the steps that take the old secret from od.config, and the new one's file away."""
    steps = []
    for place in dict.fromkeys(group.places):
        where = {INLINE: "od.config", ENVIRONMENT: f"the variable {place.name}"}
        text = f"Take the old one from {where.get(place.kind, place.name)} too, at leisure."
        commands: Tuple[str, ...] = ()
        if place.kind == FILE:
            name = shlex.quote(place.name)
            commands = (f"{_NEW_SECRET} --from {name} --output {name} --replace",)
        steps.append(PlanStep("clean", text, commands))
    text = "Look once more, and delete the file of the new secret."
    end = PlanStep("end", text, (options.check(), f"rm -f {options.new_file}"))
    return [*steps, end]
