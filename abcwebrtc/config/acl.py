"""Access lists by label, in abcdesktop's own form, ``{'permit': [...], 'deny': [...]}``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, List, Mapping, Optional, Tuple

from abcwebrtc.config.problems import Where, has_error, ignored_keys, kind, misspelt_keys
from abcwebrtc.errors import Problem

EVERYBODY = "all"
PERMIT, DENY = "permit", "deny"


@dataclass(frozen=True)
class Acl:
    """Who may have something, by the names of users' labels.

    `permit` and `deny` are names of labels; ``all`` is everybody.
    """

    permit: Tuple[str, ...] = ()
    deny: Tuple[str, ...] = ()

    def permits(self, labels: Collection[str]) -> bool:
        """Return whether a user with these labels may have it, as pyos decides.

        Deny takes precedence over permit, and a user whom neither names may not.
        """
        names = {*labels, EVERYBODY}
        return names.isdisjoint(self.deny) and not names.isdisjoint(self.permit)

    @property
    def permits_nobody(self) -> bool:
        """Whether no user, whatever the labels, may have it."""
        return EVERYBODY in self.deny or set(self.permit) <= set(self.deny)

    @property
    def permits_everybody(self) -> bool:
        """Whether every user, whatever the labels, may have it."""
        return EVERYBODY in self.permit and not self.deny

    @property
    def labels(self) -> Tuple[str, ...]:
        """The labels on which it depends, each once."""
        names = dict.fromkeys((*self.permit, *self.deny))
        return tuple(name for name in names if name != EVERYBODY)


NOBODY = Acl()
MEANT = dict.fromkeys((PERMIT, DENY, "label", "labels"), "write 'acl': { 'permit': [ 'all' ] }")
"""What to write instead of a key that belongs to an acl, by its letters."""


def parse_acl(
    entry: Mapping[Any, Any], where: Where, is_of_pyos: bool = False
) -> Tuple[Optional[Acl], List[Problem]]:
    """Return the acl in an entry, None if there is none or it is wrong, and what is wrong.

    `where` is the place of the entry. Unknown keys have no effect, so they get a warning. In an acl
    that `is_of_pyos` only those get one that look misspelt, and pyos permits nobody unless both
    values are lists. An empty value of another kind, such as an empty text, gets a warning too.
    """
    if "acl" not in entry:
        return None, []
    value, where = entry["acl"], where["acl"]
    if not isinstance(value, Mapping):
        message = f"must be a dict such as {{ 'permit': [ 'all' ] }}, not {kind(value)}"
        return None, [where.error(message)]
    check_keys = misspelt_keys if is_of_pyos else ignored_keys
    problems = list(check_keys(value, (PERMIT, DENY), where))
    names = [value.get(key) or () for key in (PERMIT, DENY)]
    for key, given in zip((PERMIT, DENY), names):
        if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
            message = "must be a list of label names, such as [ 'all' ]"
            problems.append(where[key].error(message))
        elif is_of_pyos and not isinstance(value.get(key, []), list):
            message = "is not a list, so pyos gives it to nobody; write a list, or remove it"
            problems.append(where[key].warning(message))
        elif not isinstance(value.get(key, []), (list, tuple, type(None))):
            message = "is taken as an empty list; write a list of label names, or remove it"
            problems.append(where[key].warning(message))
    if has_error(problems):
        return None, problems
    return Acl(*map(tuple, names)), problems
