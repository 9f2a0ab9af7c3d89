"""The functions and the base class of `abcwebrtc.pyos`, without a server."""

from __future__ import annotations

import base64
import json
import logging
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List

import cherrypy
import prometheus_client
import pytest

import abcwebrtc.pyos
from abcwebrtc import ConfigError, PreparedPod
from abcwebrtc.pyos import (
    WebRTCEndpoint,
    configure,
    create_desktop,
    current_config,
    desktop_environment,
    inject_webrtc,
    prepare_desktop,
)
from pyos_host.apiserver import ApiServer
from support import ENTRIES, SECRET, post, spoil
from support.pyos_entries import (
    BAD_USER,
    DESKTOP,
    STATIC_TURN,
    STUN,
    WRONG_ENTRIES,
    coturn,
    password_in,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # google-auth warns of Python 3.9
    from kubernetes import client


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without a configuration, and remove the test's afterwards."""
    monkeypatch.setattr(abcwebrtc.pyos, "_config", None)


def gconfig(**changes: Any) -> Dict[str, Any]:
    entries = {**ENTRIES, **{name.replace("__", "."): changes[name] for name in changes}}
    return {"server.socket_port": 8000, **entries}


@pytest.mark.usefixtures("fresh")
class TestConfigure:
    def test_it_returns_what_anybody_may_read(self) -> None:
        rtc_configuration = {"iceServers": [STUN, STATIC_TURN]}
        given = gconfig(webrtc__rtc_configuration=rtc_configuration)
        kept = json.loads(json.dumps(given))
        returned = configure(given)
        assert returned == {
            "enable": True,
            "rtc_configuration": {"iceServers": [STUN]},
            "rtc_constraints": {"video": False, "audio": False},
        }
        assert given == kept

    def test_what_it_returns_is_the_callers_own(self) -> None:
        spoil(configure(gconfig()))
        assert current_config().rtc_configuration["iceServers"] == (STUN,)
        assert configure(gconfig())["rtc_configuration"] == {"iceServers": [STUN]}

    def test_an_od_config_without_webrtc_is_one_without_sound(self) -> None:
        assert configure({})["enable"] is False
        assert current_config().coturn == ()

    @pytest.mark.parametrize(("changes", "message"), WRONG_ENTRIES, ids=str)
    def test_a_wrong_entry_is_named_and_what_was_held_stays(
        self, changes: Dict[str, Any], message: str
    ) -> None:
        configure(gconfig())
        held = current_config()
        with pytest.raises(ConfigError) as caught:
            configure(gconfig(**changes), "od.config")
        assert [str(p).startswith("od.config: ") for p in caught.value.problems] == [True]
        assert message in str(caught.value)
        assert SECRET not in str(caught.value)
        assert caught.value.__context__ is None
        assert current_config() is held

    def test_every_wrong_entry_is_named(self) -> None:
        with pytest.raises(ConfigError) as caught:
            configure(gconfig(webrtc__enable=1, **coturn(ttl=0, protocol="http")))
        paths = [problem.path for problem in caught.value.problems]
        assert paths == ["webrtc.enable", "webrtc.coturn.protocol", "webrtc.coturn.ttl"]
        assert {problem.file for problem in caught.value.problems} == {None}

    @pytest.mark.parametrize("file", [b"od.config", Path("od.config")], ids=repr)
    def test_a_file_may_have_a_name_of_any_kind(self, file: Any) -> None:
        with pytest.raises(ConfigError, match=r"^od\.config: webrtc\.enable: must be True"):
            configure(gconfig(webrtc__enable=None), file)

    def test_a_second_call_replaces_the_first(self) -> None:
        configure(gconfig())
        assert configure(gconfig(webrtc__enable=False))["enable"] is False
        assert current_config().enable is False

    def test_without_a_file_relative_names_start_in_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "secret").write_text(SECRET)
        monkeypatch.chdir(tmp_path)
        server = {"coturn_static_auth_secret_file": "secret", "url": "turn.example.org"}
        configure(gconfig(webrtc__coturn=server))
        with pytest.raises(ConfigError, match="can't be read"):
            configure(gconfig(webrtc__coturn=server), tmp_path / "elsewhere" / "od.config")

    def test_warnings_are_logged_and_quote_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        configure(gconfig(**coturn(coturn_static_auth_secret="a-short-one")), "od.config")
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "od.config: webrtc.coturn.coturn_static_auth_secret: is shorter" in caplog.text
        assert "a-short-one" not in caplog.text

    def test_before_it_there_is_no_configuration(self) -> None:
        with pytest.raises(ConfigError, match=r"call abcwebrtc\.pyos\.configure"):
            current_config()


RTC = "coturn_rtcconfiguration"


class BaseController:
    """Like pyos's: it reads its entry, and calls no other constructor."""

    def __init__(self, config: Any = None) -> None:
        self.config = config
        self.requestsallowed = (config or {}).get("requestsallowed")
        self.userid: Any = "alice"
        self.auth: Any = SimpleNamespace(get_labels=lambda: {"paris": "true"})

    def is_permit_request(self) -> None:
        """Permit everything."""

    def validate_env(self) -> Any:
        return self.auth, SimpleNamespace(userid=self.userid)


class Controller(WebRTCEndpoint, BaseController):
    pass


@pytest.fixture
def auth_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyos's tool, which lets everybody in here."""
    tool = cherrypy.Tool("before_handler", lambda: None)
    monkeypatch.setattr(cherrypy.tools, "auth", tool, raising=False)


@pytest.mark.usefixtures("fresh")
def test_the_base_can_stand_before_or_after_pyos_base_controller() -> None:
    class Before(WebRTCEndpoint, BaseController):
        pass

    class After(BaseController, WebRTCEndpoint):
        pass

    configure(gconfig())
    for controller in (Before({"enable": True}), After({"enable": True})):
        assert controller.config == {"enable": True}
        assert controller._cp_config["tools.auth.on"] is True


@pytest.mark.usefixtures("fresh", "auth_tool")
@pytest.mark.parametrize(
    ("allowed", "userid", "status"),
    [
        ({RTC: True}, "alice", 200),
        ({RTC: False}, "alice", 403),
        ({RTC: False, "another": True}, "alice", 403),
        # as in pyos, only False refuses, not a missing or empty value
        ({"another": False}, "alice", 200),
        ({}, "alice", 200),
        ({RTC: None}, "alice", 200),
        ({RTC: 0}, "alice", 200),
        (None, "alice", 200),
        ([RTC], "alice", 200),
        ({RTC: True}, None, 401),
        ({RTC: True}, BAD_USER, 500),
    ],
)
def test_the_base_by_itself(allowed: Any, userid: Any, status: int) -> None:
    configure(gconfig())
    controller = Controller({"requestsallowed": allowed})
    controller.userid = userid
    answer = post(cherrypy.Application(controller, ""), "/coturn_rtcconfiguration")
    assert answer.status == status
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("fresh", "auth_tool")
def test_browser_and_desktop_get_the_server_of_the_users_labels() -> None:
    server = gconfig()["webrtc.coturn"]
    servers = [
        {**server, "name": name, "url": f"{name}.example.org", "acl": {"permit": [name]}}
        for name in ("lyon", "paris")
    ]
    configure({**gconfig(**DESKTOP), "webrtc.coturn": servers})
    answer = post(cherrypy.Application(Controller(), ""), "/coturn_rtcconfiguration").json()
    assert [one["urls"] for one in answer["result"]["iceServers"][1:]] == ["turn:paris.example.org"]
    assert "@paris.example.org" in desktop_environment("alice", {"paris": "true"})["TURN_SERVER"]
    assert "TURN_SERVER" not in desktop_environment("alice")
    pod = inject_webrtc(manifest(), "alice", {"lyon": "true", "loud": "true"})
    assert "@lyon.example.org" in str(pod)


@pytest.mark.usefixtures("fresh", "auth_tool")
@pytest.mark.parametrize(
    ("auth", "status", "number"),
    [
        (SimpleNamespace(get_labels=lambda: {"paris": "true"}), 200, 2),
        (SimpleNamespace(get_labels=lambda: {}), 200, 1),
        (SimpleNamespace(get_labels=lambda: None), 200, 1),
        (SimpleNamespace(), 200, 1),
        (None, 200, 1),
        (SimpleNamespace(get_labels=lambda: "paris"), 401, 0),
        (SimpleNamespace(get_labels=lambda: {7: "true"}), 401, 0),
    ],
)
def test_a_login_without_labels_is_one_of_a_user_without_labels(
    auth: Any, status: int, number: int
) -> None:
    configure(gconfig(**coturn(acl={"permit": ["paris"]})))
    controller = Controller()
    controller.auth = auth
    answer = post(cherrypy.Application(controller, ""), "/coturn_rtcconfiguration")
    assert answer.status == status
    if status == 200:
        assert len(answer.json()["result"]["iceServers"]) == number


@pytest.mark.usefixtures("fresh", "auth_tool")
def test_the_default_registry_of_prometheus_has_the_metrics_of_pyos() -> None:
    configure(gconfig())
    configure(gconfig())  # registers nothing twice
    name = "abcwebrtc_http_requests_total"
    labels = {"route": "/api/webrtc/coturn_rtcconfiguration", "method": "POST"}

    def counted(status: str) -> float:
        found = prometheus_client.REGISTRY.get_sample_value(name, {**labels, "status": status})
        return float(found or 0)

    before = counted("200"), counted("403")
    app = cherrypy.Application(Controller({"requestsallowed": {}}), "")
    assert post(app, "/coturn_rtcconfiguration").status == 200
    assert (counted("200"), counted("403")) == (before[0] + 1, before[1])
    app = cherrypy.Application(Controller({"requestsallowed": {RTC: False}}), "")
    assert post(app, "/coturn_rtcconfiguration").status == 403
    configure(gconfig(webrtc__enable=False))
    app = cherrypy.Application(Controller({"requestsallowed": {}}), "")
    assert post(app, "/coturn_rtcconfiguration").status == 403
    assert (counted("200"), counted("403")) == (before[0] + 1, before[1] + 2)
    refused = counted("400")
    assert post(app, "/coturn_rtcconfiguration", "[]").status == 400
    assert counted("400") == refused + 1
    text = prometheus_client.generate_latest().decode()
    assert (
        'abcwebrtc_turn_server_state{server="turn:turn.example.org:3478",state="in_use"} 1' in text
    )
    assert "alice" not in text


def test_the_base_alone_is_no_controller() -> None:
    with pytest.raises(TypeError, match="Alone needs pyos's BaseController as a second base"):
        type("Alone", (WebRTCEndpoint,), {})


@pytest.fixture
def kubeapi(api: ApiServer) -> Any:
    configuration = client.Configuration()
    configuration.host = api.url
    return client.CoreV1Api(client.ApiClient(configuration))


def manifest() -> Dict[str, Any]:
    containers = [{"name": name, "image": "i", "env": []} for name in ("x-1", "s-1")]
    metadata = {"name": "alice-1", "namespace": "abcdesktop"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers},
    }


def containers_of(pod: Any) -> List[Any]:
    return list(pod["spec"]["containers"])


def configured_desktop(**changes: Any) -> "PreparedPod[Dict[str, Any]]":
    configure(gconfig(**{**DESKTOP, **changes}))
    return prepare_desktop(manifest(), "alice", {"loud": "true"})


@pytest.mark.usefixtures("fresh")
@pytest.mark.filterwarnings("ignore:HTTPResponse.getheaders")  # older kubernetes clients call it
class TestDesktops:
    def test_the_manifest_given_stays_as_it_is(self) -> None:
        configure(gconfig(**DESKTOP))
        given = manifest()
        spoil(inject_webrtc(given, "alice", {"loud": "true"}))
        spoil(prepare_desktop(given, "alice", {"loud": "true"}).pod)
        assert given == manifest()

    @pytest.mark.parametrize(("labels", "there"), [({"loud": "true"}, True), ({}, False)])
    def test_the_sound_container_is_for_the_labels_of_its_acl(
        self, labels: Dict[str, str], there: bool
    ) -> None:
        configure(gconfig(**DESKTOP))
        given = manifest()
        del given["spec"]["containers"][1]
        for pod in (inject_webrtc(given, "alice", labels), prepare_desktop(given, "a", labels).pod):
            names = [container["name"] for container in pod["spec"]["containers"]]
            assert names == ["x-1", "s-1"][: 1 + there]

    def test_what_is_left_as_it_was_is_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        configure(gconfig(**DESKTOP))
        prepare_desktop(manifest(), "alice", {})
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "spec.containers[1]: is left unchanged" in caplog.text

    def test_the_environment_is_that_of_the_configuration(self) -> None:
        configure(gconfig())
        assert desktop_environment("alice") == {"STUN_SERVER": "stun://stun.example.org:3478"}

    def test_without_a_credential_there_is_stun_and_a_line_in_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure(gconfig(**DESKTOP))
        assert desktop_environment(BAD_USER) == {"STUN_SERVER": "stun://stun.example.org:3478"}
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "no TURN server for this desktop: " in caplog.text
        assert "brien" not in caplog.text

    def test_a_desktop_is_created_with_its_secret(self, api: ApiServer, kubeapi: Any) -> None:
        pod = create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        assert pod.metadata.name == "alice-1"
        (stored,) = [value for path, value in api.objects.items() if "/secrets/" in path]
        assert stored["metadata"]["ownerReferences"][0]["uid"] == pod.metadata.uid
        assert password_in(base64.b64decode(stored["data"]["TURN_SERVER"]).decode())

    def test_without_turn_there_is_only_the_pod(self, api: ApiServer, kubeapi: Any) -> None:
        desktop = configured_desktop(webrtc__desktop=None)
        assert create_desktop(kubeapi, desktop, "abcdesktop").metadata.name == "alice-1"
        assert [call.what for call in api.calls] == [("POST", "pods")]

    def test_a_dry_run_creates_nothing(self, api: ApiServer, kubeapi: Any) -> None:
        create_desktop(kubeapi, configured_desktop(), "abcdesktop", dry_run="All")
        assert api.objects == {}

    def test_a_secret_that_is_refused_costs_the_user_turn_and_not_the_desktop(
        self, api: ApiServer, kubeapi: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        api.refused.add(("POST", "secrets"))
        desktop = configured_desktop()
        assert create_desktop(kubeapi, desktop, "abcdesktop").metadata.name == "alice-1"
        assert [call.what for call in api.calls] == [("POST", "secrets"), ("POST", "pods")]
        names = {c["name"]: [e["name"] for e in c["env"]] for c in containers_of(api.calls[1].body)}
        assert "STUN_SERVER" in names["s-1"]
        assert "TURN_SERVER" not in names["s-1"]
        assert [record.getMessage() for record in caplog.records] == [
            "no TURN server for this desktop: the Secret webrtc-alice-1 can't be created: Forbidden"
        ]
        assert "TURN_SERVER" in str(desktop.pod)  # the argument is unchanged

    def test_a_secret_that_may_be_there_nevertheless_is_deleted(
        self, api: ApiServer, kubeapi: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The answer was lost, so no pod would ever own the Secret."""
        create = kubeapi.create_namespaced_secret

        def lose(**arguments: Any) -> None:
            create(**arguments)
            raise TimeoutError

        kubeapi.create_namespaced_secret = lose
        assert create_desktop(kubeapi, configured_desktop(), "abcdesktop").metadata.uid
        assert [path for path in api.objects if "/secrets/" in path] == []
        assert "TURN_SERVER" not in str(api.calls[-1].body)
        (record,) = caplog.records
        assert record.getMessage().endswith("can't be created: TimeoutError")

    def test_a_secret_of_another_stays(self, api: ApiServer, kubeapi: Any) -> None:
        create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        before = dict(api.objects)
        del api.objects["/api/v1/namespaces/abcdesktop/pods/alice-1"]
        pod = create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        assert "TURN_SERVER" not in str(api.calls[-1].body)
        secret = "/api/v1/namespaces/abcdesktop/secrets/webrtc-alice-1"
        assert api.objects[secret] == before[secret]
        assert before[secret]["metadata"]["ownerReferences"][0]["uid"] != pod.metadata.uid

    @pytest.mark.parametrize("deletable", [True, False])
    def test_a_pod_that_is_refused_takes_its_secret_along(
        self, api: ApiServer, kubeapi: Any, caplog: pytest.LogCaptureFixture, deletable: bool
    ) -> None:
        api.refused.add(("POST", "pods"))
        if not deletable:
            api.refused.add(("DELETE", "secrets"))
        with pytest.raises(Exception, match="403") as caught:
            create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        assert caught.value.status == 403
        assert len(api.objects) == (0 if deletable else 1)
        message = "the Secret webrtc-alice-1 can't be deleted: Forbidden"
        assert (message in caplog.text) != deletable

    def test_a_secret_that_can_not_be_given_away_is_a_line_in_the_log(
        self, api: ApiServer, kubeapi: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        api.refused.add(("PATCH", "secrets"))
        assert create_desktop(kubeapi, configured_desktop(), "abcdesktop").metadata.uid
        assert "the Secret webrtc-alice-1 can't be tied to its pod: Forbidden" in caplog.text

    def test_no_credential_is_logged_at_debug(
        self, api: ApiServer, kubeapi: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        api.refused.add(("PATCH", "secrets"))
        with caplog.at_level(logging.DEBUG):
            create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        turn_server = api.calls[0].body["stringData"]["TURN_SERVER"]
        hidden = [password_in(turn_server), base64.b64encode(turn_server.encode()).decode(), SECRET]
        assert [word for word in hidden if word in caplog.text] == []
        assert "DEBUG" in caplog.text
