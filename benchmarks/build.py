"""How long one `build_rtc_configuration` takes, against its bare HMAC.

    .venv/bin/python benchmarks/build.py

Both are measured in turn in the same run; the ratio is what counts. The bare
one is `base64.b64encode(hmac.digest(secret, username, "sha1"))`, which every
TURN credential needs.
"""

from __future__ import annotations

import base64
import hmac
import statistics
import sys
import timeit
from typing import Any, Callable, Dict

import abcwebrtc

SECRET = "a-secret-of-a-usual-length-0123456789"
ROUNDS, CALLS = 15, 10_000


def main() -> None:
    """Print a table of ratios."""
    print(f"Python {sys.version.split()[0]}, {ROUNDS} rounds of {CALLS} calls, median ratios")
    print(f"{'configuration':<34}{'bare HMACs':>11}{'ratio':>8}")
    for name, servers in (("the document's", 1), ("three coturn servers", 3), ("ten", 10)):
        config = abcwebrtc.WebRTCConfig.from_mapping(mapping(servers))
        result = ratio(lambda c=config: abcwebrtc.build_rtc_configuration(c), servers)
        print(f"{name:<34}{servers:>11}{result:>8.2f}")


def mapping(servers: int) -> Dict[str, Any]:
    """Return a configuration like the document's, with some coturn servers."""
    coturn = [
        {
            "coturn_static_auth_secret": SECRET,
            "ttl": 3600,
            "protocol": "turns",
            "url": f"turn{number}.domain.local:3478",
        }
        for number in range(servers)
    ]
    stun = {"iceServers": [{"urls": "stun:stun.domain.local:3478"}]}
    return {"webrtc.enable": True, "webrtc.rtc_configuration": stun, "webrtc.coturn": coturn}


def ratio(function: Callable[[], Any], hmacs: int) -> float:
    """Return how many times longer than its bare HMACs a function takes."""
    key, message = SECRET.encode(), b"1703086872"

    def bare() -> None:
        base64.b64encode(hmac.digest(key, message, "sha1"))

    pairs = [
        (timeit.timeit(function, number=CALLS), timeit.timeit(bare, number=CALLS))
        for _ in range(ROUNDS)
    ]
    return statistics.median(ours / (theirs * hmacs) for ours, theirs in pairs)


if __name__ == "__main__":
    main()
