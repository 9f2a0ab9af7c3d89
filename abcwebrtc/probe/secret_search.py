"""After a 401: which secret the server knows, and what its clock shows."""

from __future__ import annotations

from typing import Callable

from abcwebrtc.probe.model import Account, Login, Mint, SecretSearch
from abcwebrtc.times import MAX_EXPIRY

Accepts = Callable[[Login], bool]
"""Asks the server, on a connection of its own, whether it takes a login."""


def investigate(account: Account, accepts: Accepts, now: float) -> SecretSearch:
    """Try every secret with the configured ttl, then with the latest expiry of all.

    A secret that is only accepted with a late expiry tells that the server's
    clock is ahead; its clock is then measured. `now` is in unix seconds.
    """
    mint = account.mint
    if mint is None:
        return SecretSearch()
    positions = range(account.secrets)
    expiry = int(now) + account.ttl
    for position in positions:
        if accepts(mint(position, expiry)):
            return SecretSearch(account.secrets, position)
    for position in positions:
        if accepts(mint(position, MAX_EXPIRY)):
            clock = measure_clock(_by_expiry(mint, position, accepts), expiry)
            return SecretSearch(account.secrets, position, round(clock - now))
    return SecretSearch(account.secrets)


def _by_expiry(mint: Mint, position: int, accepts: Accepts) -> Callable[[int], bool]:
    return lambda expiry: accepts(mint(position, expiry))


def measure_clock(accepts_expiry: Callable[[int], bool], refused: int) -> int:
    """Return the server's clock in unix seconds, to the second.

    A login is accepted as long as its expiry has not passed, so the earliest
    expiry that is accepted is the server's present. `refused` is one that was
    refused; `MAX_EXPIRY` is accepted.
    """
    accepted = MAX_EXPIRY
    while accepted - refused > 1:
        middle = (accepted + refused) // 2
        if accepts_expiry(middle):
            accepted = middle
        else:
            refused = middle
    return accepted
