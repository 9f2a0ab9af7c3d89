"""What it means where a server redirects, and how its STUN and relays reach others.

Nothing is contacted.
"""

from __future__ import annotations

from typing import Dict, Iterator, List

from abcwebrtc.probe.model import NOTE, Diagnosis, Failure, Observation
from abcwebrtc.probe.refusals import one_error

_SILENCE: Dict[str, str] = {
    "timeout": "which gives no answer",
    "refused": "where nothing listens",
    "unreachable": "to which there is no way from here",
    "closed": "which closes the connection without an answer",
}


def silent_to_libnice(failure: Failure) -> List[Diagnosis]:
    """Return what it means that a Binding without the magic cookie has no answer."""
    return one_error(
        "no-rfc3489",
        "the server answers a Binding, but not one as libnice up to 0.1.22 sends it (RFC 3489, "
        "without the magic cookie): desktops learn no public address from this STUN_SERVER",
        "take no-stun-backward-compatibility out of turnserver.conf, and from coturn 4.7 on write "
        "rfc3489-compatibility; if it is not your server, give desktops another STUN_SERVER",
    )


def after_redirect(failure: Failure, own: List[Diagnosis]) -> List[Diagnosis]:
    """Return what a failure at the server means that a 300 led to.

    `own` is what the same failure means at the url's own server.
    """
    what = f"300: the server redirects to {failure.at} (alternate-server)"
    if failure.error == 300:
        return one_error(
            "redirect",
            f"{what}, which redirects on, in a circle",
            "take alternate-server out of turnserver.conf of the last one",
        )
    silence = _SILENCE.get(failure.kind)
    if failure.kind == "timeout" and failure.step not in ("allocate", "connect", "tls"):
        silence = None
    if failure.kind == "certificate":
        silence = f"whose certificate is not trusted ({failure.detail})"
    if silence:
        return one_error(
            "redirect",
            f"{what}, {silence}",
            "start that server and open its port, or correct alternate-server in turnserver.conf, "
            "or take it out",
        )
    return [Diagnosis(one.level, one.word, f"{what}; {one.message}", one.advice) for one in own]


def path_diagnoses(seen: Observation) -> Iterator[Diagnosis]:
    """Yield what is to be known of the ways to a server and its relays."""
    if seen.redirects and not any(one.at for one in seen.failures):
        yield Diagnosis(
            NOTE,
            "redirect",
            f"300: the server redirects to {seen.redirects[-1]} (alternate-server), which works",
            "firewalls and a NetworkPolicy have to let that address through too",
        )
