"""A generated turnserver.conf gives STUN to a desktop: webrtcbin's libnice gets an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest

from integration import netns
from integration.generated import Coturn, generate
from integration.netns import PUBLIC, SERVER
from integration.test_webrtcbin import (
    PORT,
    SECRET,
    Gather,
    environment_for,
    gather,  # noqa: F401, a fixture
)
from support import wait_for
from support.programs import running_program

STUN = {"iceServers": [{"urls": f"stun:{SERVER}:{PORT}"}]}
CLASSIC = {"rfc3489-compatibility", "stun-backward-compatibility"}


@pytest.mark.parametrize("taken", [False, True], ids=["as generated", "STUN taken away"])
def test_a_desktop_gets_its_address_from_it(
    each_coturn: Coturn,
    gather: Gather,  # noqa: F811
    network: netns.Network,
    tmp_path: Path,
    taken: bool,
) -> None:
    entry: Dict[str, Any] = {"coturn_static_auth_secret": SECRET, "url": f"{SERVER}:{PORT}"}
    arguments = [*each_coturn.options, "--listening-ip", SERVER]
    conf = generate(tmp_path, entry, *arguments, webrtc__rtc_configuration=STUN)
    if taken:
        lines = [line for line in conf.read_text().splitlines() if line not in CLASSIC]
        lines += ["no-stun-backward-compatibility"] if each_coturn.version < (4, 7) else []
        conf.write_text("\n".join(lines) + "\n")
    files = (f"--{name}={tmp_path / name}" for name in ("pidfile", "userdb"))
    command = network.outside.command(each_coturn.program, "-c", conf, "--log-file=stdout", *files)
    with running_program(command, tmp_path / "log"):
        wait_for(lambda: network.outside.listens_at("udp", SERVER, PORT))
        environment = environment_for({"webrtc.enable": True, "webrtc.rtc_configuration": STUN})
        found = gather(environment)
    found.check_it_gathered()
    assert found.addresses("srflx") == ([] if taken else [PUBLIC])
