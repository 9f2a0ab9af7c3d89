"""The questions of ``abcwebrtc rotate check``, and what the answers mean. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.rotation import (
    MIXED,
    OVERLAP,
    READY,
    RETIRED,
    SETTLED,
    Answer,
    Group,
    Step,
    find_step,
    least_advanced,
)
from abcwebrtc.texts import WIDTH, wrapped
from abcwebrtc.times import duration_text, iso_text, moment_json, relative_text

MINTING, OLDER, NEW = "minting", "older", "new"
UNRESOLVED = Answer(None, "the name does not resolve")


class Candidate(NamedTuple):
    """A secret that coturn is asked about.

    `role` is `MINTING`, `OLDER` or `NEW`. `position` is its place in od.config, from
    1, or None if it is not there.
    """

    role: str
    position: Optional[int]
    secret: Secret

    @property
    def label(self) -> str:
        """What messages call it."""
        if self.role == NEW:
            return "new secret"
        return "1st secret, which mints" if self.position == 1 else f"secret {self.position}"


class Switch(NamedTuple):
    """When the last process began to mint with the new secret, and how that is known."""

    moment: float
    known_by: str


@dataclass(frozen=True)
class Row:
    """The answers of one server at one address."""

    path: str
    url: str
    address: str
    answers: Tuple[Tuple[Candidate, Answer], ...]

    @property
    def step(self) -> Step:
        """The step that this server is at."""
        minting, older, new = (
            [answer.accepted for candidate, answer in self.answers if candidate.role == role]
            for role in (MINTING, OLDER, NEW)
        )
        return find_step(minting[0], older, new)

    def as_dict(self) -> Dict[str, Any]:
        """Return the row as plain JSON data."""
        answers = [
            {
                "role": candidate.role,
                "position": candidate.position,
                "accepted": answer.accepted,
                "reason": answer.reason,
            }
            for candidate, answer in self.answers
        ]
        return {
            "path": self.path,
            "url": self.url,
            "address": self.address,
            "step": self.step.name,
            "answers": answers,
        }


@dataclass(frozen=True)
class Report:
    """What is known about one group, and whether the next step can be done.

    `now` and `margin` are in seconds. `switch` is None if its time is not known.
    """

    group: Group
    rows: Tuple[Row, ...]
    switch: Optional[Switch]
    margin: int
    now: float

    @property
    def step(self) -> Step:
        """The step of the server that is furthest behind."""
        step = least_advanced([row.step for row in self.rows])
        mixed = self.group.is_mixed and step in (OVERLAP, RETIRED, SETTLED)
        return MIXED if mixed else step

    @property
    def removal(self) -> Optional[float]:
        """When the old secret can be removed from coturn, or None if that is not known."""
        return self.group.removal(self.switch.moment, self.margin) if self.switch else None

    @property
    def goes_on(self) -> bool:
        """Whether the next step can be done now, or nothing is left to do."""
        if self.step is OVERLAP:
            return self.removal is not None and self.now >= self.removal
        return self.step in (READY, RETIRED, SETTLED)

    def as_dict(self) -> Dict[str, Any]:
        """Return the report as plain JSON data."""
        switch, removal = (self.switch, self.removal) if self.step is OVERLAP else (None, None)
        return {
            "paths": list(self.group.paths),
            "step": self.step.name,
            "works": self.step.works,
            "go_on": self.goes_on,
            "meaning": self.step.meaning,
            "advice": self.step.advice,
            "longest_ttl": self.group.longest_ttl,
            "margin": self.margin,
            **moment_json("switched_at", switch.moment if switch else None),
            "switched_by": switch.known_by if switch else None,
            **moment_json("remove_at", removal),
            "servers": [row.as_dict() for row in self.rows],
        }

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """Yield the lines of the report, none longer than `width`, except for a long URL."""
        yield from wrapped(", ".join(self.group.paths), "", "  ", width)
        for row in self.rows:
            yield f"  {row.url} at {row.address}" if row.address else f"  {row.url}"
            for asked, answer in row.answers:
                yield from wrapped(f"{asked.label}: {answer}", "    ", "      ", width)
        advice = self._overlap_texts() if self.step is OVERLAP else [f"next: {self.step.advice}"]
        for text in (f"step: {self.step.name}: {self.step.meaning}", *advice):
            yield from wrapped(text, "  ", "    ", width)

    def _overlap_texts(self) -> Iterator[str]:
        length = (
            f"{duration_text(self.group.longest_ttl)} (the longest ttl) plus "
            f"{duration_text(self.margin)} of margin"
        )
        if self.switch is None or self.removal is None:
            earliest = iso_text(self.group.removal(self.now, self.margin))
            yield f"next: remove the older secret from coturn {length} after the switch"
            yield (
                "The time of the switch is not known here; give it with --since TIME. If you "
                f"switched just now: {earliest}"
            )
            return
        moment = f"{iso_text(self.removal)}, {relative_text(self.removal, self.now)}"
        switched = f"{iso_text(self.switch.moment)} ({self.switch.known_by})"
        if self.goes_on:
            yield f"next: remove the older secret from coturn; this has been safe since {moment}"
        else:
            yield f"next: wait, then remove the older secret from coturn at {moment}"
        yield f"That is {length} after the switch at {switched}"


def candidates(server: CoturnServer, new: Optional[Secret]) -> List[Candidate]:
    """Return the secrets to ask one server about."""
    secrets = server.secrets.current()
    found = [
        Candidate(MINTING if position == 1 else OLDER, position, secret)
        for position, secret in enumerate(secrets, 1)
        if position == 1 or secret != new
    ]
    if new is not None and new != secrets[0]:
        found.append(Candidate(NEW, None, new))
    return found


class Asked(NamedTuple):
    """The question whether the server at `address` accepts the candidate.

    `group` is the index of its group. `address` is None for a name that does not
    resolve. `shown` is the address if the name has several.
    """

    group: int
    path: str
    uri: IceURI
    address: Optional[str]
    shown: str
    candidate: Candidate
    with_user: bool


def what_to_ask(
    groups: Sequence[Group],
    addresses: Mapping[IceURI, Sequence[str]],
    new: Optional[Secret],
) -> List[Asked]:
    """Return the questions for every server, at each of its addresses."""
    found = []
    for index, group in enumerate(groups):
        for path, server in zip(group.paths, group.servers):
            with_user = server.username != "timestamp"
            for uri in server.uris:
                for address in addresses[uri] or (None,):
                    shown = address if address and len(addresses[uri]) > 1 else ""
                    found += [
                        Asked(index, path, uri, address, shown, candidate, with_user)
                        for candidate in candidates(server, new)
                    ]
    return found


def rows_of(number: int, answered: Iterable[Tuple[Asked, Answer]]) -> List[Tuple[Row, ...]]:
    """Return the rows of each group; `number` is how many groups there are."""
    found: List[Dict[Tuple[str, str, str], List[Tuple[Candidate, Answer]]]]
    found = [{} for _ in range(number)]
    for asked, answer in answered:
        key = (asked.path, str(asked.uri), asked.shown)
        found[asked.group].setdefault(key, []).append((asked.candidate, answer))
    return [
        tuple(Row(*key, answers=tuple(pairs)) for key, pairs in by_server.items())
        for by_server in found
    ]


def all_work(reports: Sequence[Report]) -> Optional[bool]:
    """Return whether every coturn accepts calls; None if that is not known."""
    found = [report.step.works for report in reports]
    return False if False in found else None if None in found else True
