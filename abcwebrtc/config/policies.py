"""The ``webrtc.policies`` entry: what differs for users with certain labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Iterator, List, Mapping, Optional, Tuple

from abcwebrtc.config.acl import EVERYBODY, MEANT, Acl, parse_acl
from abcwebrtc.config.coturn import check_browser_ttl
from abcwebrtc.config.problems import Where, has_error, kind, too_many, unknown_keys
from abcwebrtc.errors import Problem

KEYS = ("acl", "iceTransportPolicy", "ttl")
MAX_POLICIES = 256
TRANSPORT_POLICIES = ("relay", "all")


@dataclass(frozen=True)
class Policy:
    """What users whom `acl` permits get instead; an `acl` of None permits everybody.

    `ice_transport_policy` replaces ``iceTransportPolicy`` of the rtc_configuration, and `ttl`, in
    seconds, that of every coturn server for browsers. None leaves it.
    """

    acl: Optional[Acl] = None
    ice_transport_policy: Optional[str] = None
    ttl: Optional[int] = None

    def permits(self, labels: Collection[str]) -> bool:
        """Return whether the policy is for a user with these labels."""
        return self.acl is None or self.acl.permits(labels)

    @property
    def is_for_everybody(self) -> bool:
        """Whether the policy is for every user, whatever the labels."""
        return self.acl is None or self.acl.permits_everybody


def parse_policies(
    value: Any, where: Where, now: float
) -> Tuple[Tuple[Policy, ...], List[Problem]]:
    """Return the policies that have no errors, in order, and what is wrong."""
    if value is None:
        return (), []
    if not isinstance(value, (list, tuple)):
        message = "must be a list such as [ { 'acl': { 'permit': [ 'guests' ] }, 'ttl': 900 } ]"
        return (), [where.error(f"{message}, not {kind(value)}")]
    problems = too_many(value, MAX_POLICIES, where, "write fewer policies")
    if problems:
        return (), problems
    found: List[Policy] = []
    is_over = False  # after a policy for everybody
    for index, entry in enumerate(value):
        policy, more = _parse_policy(entry, where[index], now)
        found += [policy] if policy else []
        problems += more
        if policy and policy.is_for_everybody and index + 1 < len(value) and not is_over:
            is_over = True
            message = "is for everybody, so the policies after it are never used; make it the last"
            problems.append(where[index].warning(message))
    if not has_error(problems):
        problems += _never_used(found, where)
    return tuple(found), problems


def _never_used(policies: List[Policy], where: Where) -> Iterator[Problem]:
    """Yield a warning for each policy without an effect: earlier ones match, or it says nothing."""
    everybody = Acl((EVERYBODY,))
    acls = [everybody if one.acl is None else one.acl for one in policies]
    for index, acl in enumerate(acls):
        if acl.permits_nobody or acl.permits_everybody:
            continue
        permit, deny = set(acl.permit), set(acl.deny)
        for first, earlier in enumerate(acls[:index]):
            wide = EVERYBODY in earlier.permit or permit.issubset(earlier.permit)
            if wide and deny.issuperset(earlier.deny) and not earlier.permits_everybody:
                message = f"is never used: policies[{first}] already applies to all of its users"
                yield where[index].warning(
                    f"{message}; write the narrower one first, or remove this one"
                )
                break
    last = policies[-1] if policies else None
    if last and last.ice_transport_policy is None and last.ttl is None:
        message = "changes nothing; write 'iceTransportPolicy', 'ttl' or both, or remove it"
        yield where[len(policies) - 1].warning(message)


def _parse_policy(entry: Any, where: Where, now: float) -> Tuple[Optional[Policy], List[Problem]]:
    if not isinstance(entry, Mapping):
        return None, [where.error(f"must be a dict, not {kind(entry)}")]
    problems = list(unknown_keys(entry, KEYS, where, MEANT))
    acl, of_acl = parse_acl(entry, where)
    transport, ttl = entry.get("iceTransportPolicy"), entry.get("ttl")
    problems += of_acl
    if "iceTransportPolicy" in entry and transport not in TRANSPORT_POLICIES:
        problems.append(where["iceTransportPolicy"].error("must be 'relay' or 'all'"))
    if "ttl" in entry:
        problems += check_browser_ttl(ttl, where["ttl"], now)
    if acl and acl.permits_nobody:
        message = "permits nobody, so the policy is never used; write label names in 'permit'"
        problems.append(where["acl"].warning(message))
    return None if has_error(problems) else Policy(acl, transport, ttl), problems
