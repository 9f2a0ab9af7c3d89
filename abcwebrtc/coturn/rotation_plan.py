"""The steps of a rotation for a given configuration. They contain no secret.

Nor do their commands pass one as an argument: secrets go from command to command through pipes.

The steps say what to run, how long to wait and until when; docs/how-to/rotation.md says why.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

from abcwebrtc.abcdesktop import NAMESPACE
from abcwebrtc.config.coturn_secrets import SECRET_KEY
from abcwebrtc.coturn.new_secret import DEFAULT_DATABASE
from abcwebrtc.coturn.rotation import DEFAULT_MARGIN, ENVIRONMENT, FILE, INLINE, Group, Place
from abcwebrtc.texts import WIDTH, escaped, shell_file, shell_line, shell_word, wrapped
from abcwebrtc.times import duration_text, iso_text, moment_json

DATABASE, CONF = "database", "conf"
_NEW_SECRET = "abcwebrtc rotate new-secret"  # noqa: S105, a command
_OLD_SECRET = "abcwebrtc rotate old-secret"  # noqa: S105, a command
_CONF_FILE = "/etc/turnserver.conf"
_NO_FILE = "OD_CONFIG"
_KUBECTL = f"kubectl -n {NAMESPACE}"


@dataclass(frozen=True)
class PlanOptions:
    """What a plan needs besides the configuration.

    `od_config` is its name in the commands, or None if it was read from a stream.
    `coturn` says where coturn has its secrets: in its `DATABASE` or in its `CONF`.
    `switch_at` is in unix seconds, `margin` in seconds. `entry` is the index of the
    entry to change, or None if all entries share a secret.
    """

    od_config: Optional[str]
    switch_at: float
    margin: int = DEFAULT_MARGIN
    coturn: str = DATABASE
    realm: str = "REALM"
    database: str = DEFAULT_DATABASE
    entry: Optional[int] = None

    @property
    def new_file(self) -> str:
        """The name of the file for the new secret; each group has a different one."""
        return "new-secret" if self.entry is None else f"new-secret-{self.entry}"

    @property
    def file(self) -> str:
        """The name of the od.config in the commands."""
        return _NO_FILE if self.od_config is None else self.od_config


@dataclass(frozen=True)
class PlanStep:
    """One step: what to do, and the shell commands that do it.

    `instead` has the commands for another case, which `otherwise` describes.
    `not_before` is in unix seconds.
    """

    name: str
    text: str
    commands: Tuple[str, ...] = ()
    otherwise: str = ""
    instead: Tuple[str, ...] = ()
    not_before: Optional[float] = None

    def as_dict(self) -> Dict[str, Any]:
        """Return the step as plain JSON data."""
        return {
            "name": self.name,
            "text": self.text,
            "commands": list(self.commands),
            "otherwise": self.otherwise,
            "instead": list(self.instead),
            **moment_json("not_before", self.not_before),
        }


@dataclass(frozen=True)
class Plan:
    """The plan for one group of entries."""

    group: Group
    options: PlanOptions

    @property
    def state(self) -> str:
        """The state of the configuration, in a sentence."""
        number = len(self.group.secrets)
        if not self.group.is_here:
            return "the secrets are not on this machine; the plan assumes that there is only one"
        if self.group.is_mixed:
            return "the entries mint with different secrets; put the same one first in each"
        if number == 1:
            return "one secret; no rotation is under way"
        return f"{number} secrets; a rotation is under way, and the first one mints"

    @property
    def notes(self) -> List[str]:
        """What the operator should know before the first step."""
        found = []
        if self.options.od_config is None:
            found.append(
                f"od.config was read from stdin; in the commands, replace {_NO_FILE} with the name "
                "of its file"
            )
        if self.group.desktop_ttl is not None:
            length = duration_text(self.group.desktop_ttl)
            found.append(
                f"Desktops keep a TURN credential for {length}, and no restart shortens that"
            )
        if self.group.loses_pseudonyms and len(self.group.secrets) <= 1:
            found.append(
                "With the switch, every user gets a new pseudonym, and quotas start again; to keep "
                "them, set pseudonym_key to the current secret first"
            )
        if self.options.coturn == CONF:
            found.append(
                "A restart of coturn ends every running call; with a database, you need none"
            )
        return found

    @property
    def steps(self) -> List[PlanStep]:
        """The steps from the present state of the configuration to the end of the rotation."""
        group, options = self.group, self.options
        found = []
        if options.coturn == DATABASE:
            text = (
                "Once, at a quiet time: let coturn read its SQLite database while a secret is "
                "being written. Other databases do not need this."
            )
            pragmas = "'pragma busy_timeout=5000; pragma journal_mode=wal;'"
            command = f"sqlite3 {shell_file(options.database)} {pragmas}"
            found.append(PlanStep("prepare", text, (command,)))
        if len(group.secrets) <= 1:
            found += self._new_secret()
            found += [self._switch(place) for place in dict.fromkeys(group.places)]
        else:
            text = "Check which secrets coturn accepts. It must accept at least the first one."
            found.append(PlanStep("verify", text, (self._check(),)))
            if group.is_mixed:
                text = (
                    f"Put the same secret first in {' and '.join(group.paths)}: the new one, if "
                    "coturn accepts it there. Restart pyos unless the secret is in a file."
                )
                found.append(PlanStep("switch", text))
        found += [self._wait(), self._take()]
        found += [self._clean(place) for place in dict.fromkeys(group.places)]
        text = "Check once more, and delete the file with the new secret."
        found.append(PlanStep("end", text, (self._check(), f"rm -f {options.new_file}")))
        return found

    def as_dict(self) -> Dict[str, Any]:
        """Return the plan as plain JSON data; durations are in seconds."""
        group, options = self.group, self.options
        return {
            "paths": list(group.paths),
            "urls": list(group.urls),
            "places": [asdict(place) for place in group.places],
            "secrets": len(group.secrets) if group.is_here else None,
            "state": self.state,
            "overlap": {
                "browser_ttl": group.browser_ttl,
                "desktop_ttl": group.desktop_ttl,
                "margin": options.margin,
                **moment_json("switch_at", options.switch_at),
                **moment_json("remove_at", self._removal),
            },
            "notes": self.notes,
            "steps": [step.as_dict() for step in self.steps],
        }

    def lines(self, width: int = WIDTH) -> Iterator[Tuple[str, bool]]:
        """Yield the lines of the plan, each `escaped`, and whether it is a command.

        No line is longer than `width`, except for a command: it is never wrapped, so that it can
        be copied.
        """

        def text(text: str, first: str, others: str = "") -> Iterator[Tuple[str, bool]]:
            for line in wrapped(text, first, others or " " * len(first), width):
                yield line, False

        def commands(found: Tuple[str, ...]) -> Iterator[Tuple[str, bool]]:
            for command in found:
                yield escaped(f"       {command}"), True

        yield from text(f"{', '.join(self.group.paths)}: {', '.join(self.group.urls)}", "", "    ")
        yield from text(self.state, "  ")
        for note in self.notes:
            yield from text(f"{note}.", "  - ")
        for number, step in enumerate(self.steps, 1):
            yield "", False
            yield from text(step.text, f"{number:>3}. ")
            yield from commands(step.commands)
            if step.otherwise:
                yield from text(step.otherwise, "     ")
                yield from commands(step.instead)

    @property
    def _removal(self) -> float:
        return self.group.removal(self.options.switch_at, self.options.margin)

    def _check(self, *more: str) -> str:
        """Return the command that asks coturn."""
        entry = () if self.options.entry is None else ("--entry", str(self.options.entry))
        command = ("abcwebrtc", "rotate", "check", self.options.file, *entry, *more)
        return shell_line(command)

    @property
    def _realm(self) -> str:
        """The option, as one word if its value looks like an option."""
        option = "--realm=" if self.options.realm.startswith("-") else "--realm "
        return option + shell_word(self.options.realm)

    @property
    def _sqlite(self) -> str:
        """The command that reads SQL; it waits while coturn is writing."""
        return f"sqlite3 -cmd '.timeout 5000' {shell_file(self.options.database)}"

    def _apply(self) -> str:
        return f"abcwebrtc apply {shell_word(self.options.file)}"

    def _new_secret(self) -> Iterator[PlanStep]:
        file = self.options.new_file
        text = "Create a new secret, in a file that only you can read."
        yield PlanStep("make", text, (f"{_NEW_SECRET} --output {file}",))
        if self.options.coturn == CONF:
            text = (
                "Give it to coturn in addition to the old one: add a line to turnserver.conf and "
                "restart coturn, which ends every running call."
            )
            line = f"{_NEW_SECRET} --from {file} --format turnserver"
            # The last line of that file may not be terminated.
            yield PlanStep("give", text, (f"{{ echo; {line}; }} >> {_CONF_FILE}",))
        else:
            text = "Give it to coturn in addition to the old one. It takes effect at once."
            made = f"{_NEW_SECRET} --from {file} --format sql {self._realm}"
            yield PlanStep("give", text, (f"{made} | {self._sqlite}",))
        text = "Check that every coturn accepts both. Go on only if the exit status is 0."
        yield PlanStep("verify", text, (self._check("--new", file),))

    def _switch(self, place: Place) -> PlanStep:
        """Return the step that puts the new secret first, so that it mints."""
        if place.kind == INLINE:
            text = (
                "Switch: in an editor, put both into od.config, the new one first: "
                f"'{SECRET_KEY}':['NEW','OLD']. Then apply it, which restarts pyos."
            )
            return PlanStep("switch", text, (self._apply(),))
        manifest = f"--format kubernetes --name NAME --namespace {NAMESPACE}"
        key = shell_word(os.path.basename(place.name))
        patch = (
            f"{_in_kubernetes(place)} | {_NEW_SECRET} --from {self.options.new_file} --keep - "
            f"{manifest} --key {key} | {_KUBECTL} patch secret NAME --patch-file /dev/stdin"
        )
        if place.kind == ENVIRONMENT:
            text = (
                f"Switch: put it first in the variable {place.name}, with the old one on the line "
                "below, and restart pyos. With a Kubernetes Secret NAME:"
            )
            return PlanStep("switch", text, (patch, f"{self._apply()} --restart rollout"))
        text = f"Switch: put it first in {place.name}. pyos does not need a restart."
        command = f"{_NEW_SECRET} --from {self.options.new_file} --output {shell_word(place.name)}"
        return PlanStep("switch", text, (command,), "With a Kubernetes Secret NAME:", (patch,))

    def _wait(self) -> PlanStep:
        group, options = self.group, self.options
        whose = "browsers'"
        if group.desktop_ttl is not None and group.desktop_ttl >= group.browser_ttl:
            whose = "desktops'"
        text = (
            f"Wait for the {whose} ttl of {duration_text(group.longest_ttl)}, plus "
            f"{duration_text(options.margin)}: if you switch at {iso_text(options.switch_at)}, "
            f"until {iso_text(self._removal)}. Replace the time with that of your switch:"
        )
        margin = ("--margin", str(options.margin)) if options.margin != DEFAULT_MARGIN else ()
        command = self._check("--since", iso_text(options.switch_at), *margin)
        return PlanStep("wait", text, (command,), not_before=self._removal)

    def _take(self) -> PlanStep:
        """Return the step that removes the old secret from coturn."""
        group, options = self.group, self.options
        if options.coturn == CONF:
            text = (
                "Delete the old secret's line from turnserver.conf. This takes effect when coturn "
                "restarts, which ends every running call and can wait for a quiet hour."
            )
            return PlanStep("take", text, not_before=self._removal)
        text = (
            "Remove the old one from coturn. This takes effect at once. If it is also a line of "
            "turnserver.conf, delete that line."
        )
        sql = f"{self._realm} | {self._sqlite}"
        entry = "" if options.entry is None else f" --entry {options.entry}"
        command = f"{_OLD_SECRET} {shell_word(options.file)}{entry} {sql}"
        place = group.places[0]
        if place.kind == INLINE:
            return PlanStep("take", text, (command,), not_before=self._removal)
        what = "file" if place.kind == FILE else "variable"
        otherwise = f"If that {what} is not on this machine, but in a Kubernetes Secret NAME:"
        instead = f"{_in_kubernetes(place)} | {_OLD_SECRET} --from - {sql}"
        return PlanStep("take", text, (command,), otherwise, (instead,), self._removal)

    def _clean(self, place: Place) -> PlanStep:
        """Return the step that removes the old secret from where od.config has it."""
        if place.kind == FILE:
            name = shell_word(place.name)
            command = f"{_NEW_SECRET} --from {name} --output {name} --force"
            return PlanStep("clean", f"Remove the old one from {place.name} too.", (command,))
        if place.kind == ENVIRONMENT:
            return PlanStep("clean", f"Remove the old one from the variable {place.name} too.")
        text = "Remove the old one from od.config too. There is no hurry."
        return PlanStep("clean", text, (self._apply(),))


def _in_kubernetes(place: Place) -> str:
    """Return the command that prints the secrets of a place that is in a Secret NAME."""
    key = os.path.basename(place.name).replace(".", r"\.")
    path = shell_word("{.data." + key + "}")
    return f"{_KUBECTL} get secret NAME -o jsonpath={path} | base64 -d"
