"""Rotating the static auth secret, with a real coturn in each state in between."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, List, Optional

import pytest

from abcwebrtc import WebRTCConfig, build_rtc_configuration, verify_turn_credentials
from integration.endpoint import Endpoint
from integration.turn import LOOPBACK, Turnserver, TurnUrl, refusal, turn_urls
from support import wait_for

Start = Callable[..., Turnserver]
Serve = Callable[..., Endpoint]

OLD, NEW = "the-secret-until-yesterday", "the-secret-from-today-on"


def coturn_entry(port: int, *secrets: str, **changes: Any) -> Any:
    return {
        "coturn_static_auth_secret": list(secrets),
        "url": f"{LOOPBACK}:{port}",
        "transport": "tcp",
        **changes,
    }


STATES = {
    "both know both": ([NEW, OLD], [NEW, OLD], None),
    "coturn has them in the other order": ([NEW, OLD], [OLD, NEW], None),
    "nothing is rotated yet": ([OLD], [OLD], None),
    "coturn goes first": ([OLD], [NEW, OLD], None),
    "all is rotated": ([NEW], [NEW], None),
    "abcwebrtc goes first": ([NEW], [OLD], 401),
    "abcwebrtc goes first and keeps the old one": ([NEW, OLD], [OLD], 401),
    "coturn forgets too early": ([OLD], [NEW], 401),
}


@pytest.mark.parametrize(("configured", "known", "code"), STATES.values(), ids=STATES)
def test_a_fresh_credential_in_the_state_where(
    configured: List[str],
    known: List[str],
    code: Optional[int],
    start_turnserver: Start,
    serve: Serve,
) -> None:
    server = start_turnserver(*known)
    (url,) = turn_urls(serve(coturn_entry(server.port, *configured)).rtc_configuration())
    assert refusal(url) == code


def mint(port: int, *secrets: str) -> TurnUrl:
    entry = coturn_entry(port, *secrets)
    config = WebRTCConfig.from_mapping({"webrtc.enable": True, "webrtc.coturn": entry})
    return turn_urls(build_rtc_configuration(config, "alice"))[0]


def test_a_credential_of_the_old_secret_holds_while_coturn_knows_both(
    start_turnserver: Start,
) -> None:
    server = start_turnserver(NEW, OLD)
    assert refusal(mint(server.port, OLD)) is None
    assert refusal(mint(server.port, NEW)) is None


def test_a_credential_of_the_old_secret_ends_when_coturn_forgets_it(
    start_turnserver: Start,
) -> None:
    server = start_turnserver(NEW)
    assert refusal(mint(server.port, OLD)) == 401


def write_secret(volume: Path, revision: str, *secrets: str) -> None:
    """Swap the symlink ..data, as the kubelet does in a mounted Secret."""
    folder = volume / f"..{revision}"
    folder.mkdir(parents=True)
    (folder / "secret").write_text("\n".join(secrets) + "\n", encoding="utf-8")
    swap = volume / "..data_tmp"
    swap.symlink_to(folder.name)
    os.replace(swap, volume / "..data")
    if not (volume / "secret").is_symlink():
        (volume / "secret").symlink_to("..data/secret")


def serve_from_file(serve: Serve, server: Turnserver, file: Path, **changes: Any) -> Endpoint:
    entry = coturn_entry(server.port, coturn_static_auth_secret_file=str(file), **changes)
    del entry["coturn_static_auth_secret"]
    return serve(entry)


def signed_with(url: TurnUrl, secret: str) -> bool:
    return verify_turn_credentials(secret, url.username, url.credential)


def test_a_secret_swapped_under_a_running_server_is_used_from_then_on(
    tmp_path: Path, start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(NEW, OLD)
    volume = tmp_path / "volume"
    write_secret(volume, "2026_01_01", OLD)
    endpoint = serve_from_file(serve, server, volume / "secret")

    def ask() -> TurnUrl:
        return turn_urls(endpoint.rtc_configuration())[0]

    before = ask()
    assert signed_with(before, OLD)
    write_secret(volume, "2026_01_02", NEW, OLD)
    after = wait_for(lambda: next((url for url in [ask()] if signed_with(url, NEW)), None))
    assert refusal(before) is None
    assert refusal(after) is None


def test_a_swap_to_an_empty_secret_leaves_the_last_good_one_in_use(
    tmp_path: Path, start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(OLD)
    volume = tmp_path / "volume"
    write_secret(volume, "2026_01_01", OLD)
    endpoint = serve_from_file(serve, server, volume / "secret")
    write_secret(volume, "2026_01_02", "")

    def noticed() -> bool:
        assert refusal(turn_urls(endpoint.rtc_configuration())[0]) is None
        return "the last good secret stays in use" in endpoint.server.output

    wait_for(noticed)
    assert refusal(turn_urls(endpoint.rtc_configuration())[0]) is None
    assert OLD not in endpoint.server.output


def test_a_pseudonym_with_a_key_of_its_own_outlives_a_swap(
    tmp_path: Path, start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(NEW, OLD)
    volume = tmp_path / "volume"
    write_secret(volume, "2026_01_01", OLD)
    style = {"username": "pseudonym", "pseudonym_key": "the-key-of-the-pseudonyms"}
    endpoint = serve_from_file(serve, server, volume / "secret", **style)

    def ask() -> TurnUrl:
        return turn_urls(endpoint.rtc_configuration())[0]

    before = ask()
    write_secret(volume, "2026_01_02", NEW)
    after = wait_for(lambda: next((url for url in [ask()] if signed_with(url, NEW)), None))
    assert after.username.split(":")[1] == before.username.split(":")[1]
    assert refusal(after) is None
