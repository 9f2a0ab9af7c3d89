"""The adapter between abcwebrtc and pyos: pyos needs only a few more lines, and no logic.

docs/how-to/pyos.md shows those lines. A pyos process reads one od.config, once, at start. So
this module holds one configuration. `configure` sets it by assigning one name,
so threads see either the old configuration or the new one.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Collection, Dict, Mapping, Optional, Tuple, TypeVar

import cherrypy

from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop import environment
from abcwebrtc.desktop import pod as pods
from abcwebrtc.desktop.pod import PreparedPod
from abcwebrtc.desktop.pod_data import Data
from abcwebrtc.errors import ConfigError, CredentialError, Problem, TokenError
from abcwebrtc.odconfig.source import PathLike
from abcwebrtc.texts import harmless_logger
from abcwebrtc.turn.rtc_configuration import build_rtc_configuration
from abcwebrtc.turn.selection import choose
from abcwebrtc.web.rest import answer, post_json, public_entries
from abcwebrtc.web.tokens import User, label_names

if TYPE_CHECKING:
    from abcwebrtc.probe.watch import Watcher
    from abcwebrtc.web.metrics import Metrics

_T = TypeVar("_T")
_ROUTE = "/api/webrtc/coturn_rtcconfiguration"
"""The endpoint in metrics, as `serve` names it."""

_log = harmless_logger(__name__)
_config: Optional[WebRTCConfig] = None
_watcher: Optional[Watcher] = None
_metrics: Optional[Metrics] = None


def configure(gconfig: Mapping[str, Any], file: Optional[PathLike] = None) -> Dict[str, Any]:
    """Check the ``webrtc.*`` entries and keep them for this process; call it at start.

    `gconfig` is pyos's ``settings.gconfig``, which is not changed. `file` is the od.config
    that it comes from: messages name it, and relative file names in it are relative to its
    folder, or to the current one without a `file`. A second call replaces the configuration.

    If prometheus_client is installed, its default registry gets the metrics of this process.

    Return the content of ``settings.webrtc``: ``enable``, ``rtc_configuration`` and
    ``rtc_constraints``. pyos's ``getkeyinfo`` gives them to anybody, so they hold no password.

    Raises `ConfigError` with every wrong entry; the earlier configuration is then kept.
    """
    global _config
    folder = os.path.dirname(os.path.abspath(os.fsdecode(file))) if file else ""
    problems: Tuple[Problem, ...] = ()
    try:
        config = WebRTCConfig.from_mapping(gconfig, folder=folder)
    except ConfigError as error:
        problems = error.problems
    if problems:
        raise ConfigError(*(_in_file(problem, file) for problem in problems))
    for warning in config.warnings:
        _log.warning("%s", _in_file(warning, file))
    _config = config
    _register_metrics()
    if _watcher is not None:
        watch_servers(_watcher.seconds)
    return public_entries(config)


def _register_metrics() -> None:
    """Export metrics by prometheus_client's default registry, if that library is installed."""
    global _metrics
    if _metrics is not None:
        return
    try:
        from prometheus_client import REGISTRY

        from abcwebrtc.web.metrics import Metrics
    except ImportError as error:  # an old prometheus_client must not keep pyos from starting
        if not isinstance(error, ModuleNotFoundError) or error.name != "prometheus_client":
            _log.warning("no metrics, since prometheus_client can't be used: %s", error)
        return
    _metrics = Metrics(REGISTRY, current_config, left_out, _answers)


def _count_request() -> None:
    """Count a request at its end, even if CherryPy or pyos refused it before the handler."""
    if _metrics is not None:
        request, response = cherrypy.serving.request, cherrypy.serving.response
        status = (response.output_status or b"500")[:3].decode("ascii")
        _metrics.answered(_ROUTE, request.method, status, time.time() - response.time)


def current_config() -> WebRTCConfig:
    """Return the configuration that `configure` has set; raise `ConfigError` if there is none."""
    if _config is None:
        message = (
            "there is no WebRTC configuration yet; "
            "call abcwebrtc.pyos.configure(gconfig) in pyos's settings.init_coturn_webrtc()"
        )
        raise ConfigError(Problem(message))
    return _config


def watch_servers(seconds: Optional[float]) -> None:
    """Ask each coturn server every `seconds` for an allocation; give users no dead server.

    A background thread does this, as `abcwebrtc.probe.watch.Watcher` describes, until the process
    ends or this function is called again; None ends it. A new configuration keeps what is known of
    each server whose name it also has. Call this after `configure`, in the process that answers
    requests: no thread survives a fork. Raises `ConfigError` before `configure`, and `ValueError`
    for less than a second.
    """
    global _watcher
    from abcwebrtc.probe.watch import Watcher  # and with it aioice, which others don't need

    if seconds is not None and not seconds >= 1:
        raise ValueError("seconds must be 1 or more, or None")
    before, config = _watcher, current_config()
    if before is not None:
        before.stop()
    _watcher = None if seconds is None else Watcher(config, seconds, before=before)
    if _watcher is not None:
        _watcher.start()
        cherrypy.engine.subscribe("exit", _stop_watching)  # else the process waits for the round


def _stop_watching() -> None:
    if _watcher is not None:
        _watcher.stop()


def left_out() -> Collection[str]:
    """Return the names of the coturn servers that `watch_servers` has found dead."""
    watcher = _watcher
    return () if watcher is None else watcher.left_out()


def _answers() -> Mapping[str, bool]:
    watcher = _watcher
    return {} if watcher is None else watcher.answers()


def _in_file(problem: Problem, file: Optional[PathLike]) -> Problem:
    return replace(problem, file=os.fsdecode(file)) if file else problem


class WebRTCEndpoint:
    """``/API/webrtc``: a base class that turns pyos's BaseController into the WebRTCController.

    pyos mounts only what a ``class`` statement in ``controllers`` defines::

        class WebRTCController(abcwebrtc.pyos.WebRTCEndpoint, BaseController):

    ``validate_env()`` identifies the user. Its errors, and those of ``is_permit_request()``,
    reach the client as they do from pyos's other controllers.
    """

    _cp_config: Dict[str, Any] = {  # noqa: RUF012, CherryPy's way
        "tools.auth.on": True,
        "tools.response_headers.on": True,
        "tools.response_headers.headers": [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ],
    }

    # Provided by BaseController.
    requestsallowed: Any
    is_permit_request: Callable[[], None]
    validate_env: Callable[[], Tuple[Any, Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not hasattr(cls, "validate_env"):
            raise TypeError(f"{cls.__name__} needs pyos's BaseController as a second base")

    def __init__(self, config_controller: Any = None) -> None:
        current_config()  # fail now, and not at the first request
        super().__init__(config_controller)  # type: ignore[call-arg]

    @cherrypy.config(**{"hooks.on_end_request": _count_request})
    @post_json
    def coturn_rtcconfiguration(self) -> Dict[str, Any]:
        """Answer with the rtc_configuration for one RTCPeerConnection, as pyos does."""
        identify = self._identify if _metrics is None else _metrics.counting(self._identify)
        return answer(identify, _success)

    def _identify(self) -> User:
        """Return the user of a request that od.config's ``controllers`` permits."""
        self.is_permit_request()
        allowed = self.requestsallowed
        # pyos looks up the path as it was typed, but also serves it with '-' for '_'.
        if isinstance(allowed, dict) and allowed.get("coturn_rtcconfiguration") is False:
            raise cherrypy.HTTPError(403, "od.config does not allow this request")
        auth, user = self.validate_env()
        if not isinstance(user.userid, str) or not user.userid:
            raise TokenError("the token names no user")
        return User(user.userid, label_names(getattr(auth, "get_labels", dict)()))


def _success(user: User) -> Dict[str, Any]:
    config, given = current_config(), {"labels": user.labels, "left_out": left_out()}
    result = build_rtc_configuration(config, user.userid, None, **given)
    if _metrics is not None:
        _metrics.given(choose(config, user.userid, **given))
    return {"status": 200, "result": result, "message": "ok"}


def desktop_environment(userid: str, labels: Collection[str] = ()) -> Dict[str, str]:
    """Return STUN_SERVER and TURN_SERVER for ``composer.createExecuteEnvironment``.

    They are the variables of `abcwebrtc.desktop_environment`. pyos gives them to every
    container of a desktop and logs them, so use this only if `webrtc.desktop` asks for no
    TURN server. `labels` are the result of pyos's ``authinfo.get_labels()``.
    """
    return _even_without_turn(
        lambda config: environment.desktop_environment(
            config, userid, labels=labels, left_out=left_out()
        )
    )


def inject_webrtc(manifest: Data, userid: str, labels: Collection[str]) -> Data:
    """Return a new manifest of a desktop's pod, as `abcwebrtc.inject_webrtc` makes it.

    `labels` are the result of pyos's ``authinfo.get_labels()``. TURN_SERVER is in the
    manifest, which pyos logs.
    """
    return _even_without_turn(
        lambda config: pods.inject_webrtc(
            manifest, config, userid, labels=labels, left_out=left_out()
        )
    )


def prepare_desktop(manifest: Data, userid: str, labels: Collection[str]) -> PreparedPod[Data]:
    """Return a new manifest of a desktop's pod, and the Secret with its TURN_SERVER.

    Like `inject_webrtc`, but the manifest holds nothing secret. Pass the result to
    `create_desktop`.
    """
    prepared = _even_without_turn(
        lambda config: pods.prepare_pod(
            manifest, config, userid, labels=labels, left_out=left_out()
        )
    )
    pods.log_notes(_log, prepared.notes)
    return prepared


def create_desktop(
    kubeapi: Any, desktop: PreparedPod[Data], namespace: str, dry_run: Optional[str] = None
) -> Any:
    """Create a desktop's Secret, then its pod, and return the ``V1Pod``.

    `kubeapi` is pyos's ``CoreV1Api``. The Secret comes first, since pyos treats the warning
    event of a pod whose Secret is missing as a failure. Then the pod becomes its owner, so
    that Kubernetes deletes the two together. If the Secret can't be created, the desktop has
    no TURN server, and a line in the log says why. If the pod can't be created, the Secret
    is deleted. With `dry_run` no Secret is created.

    Raises what `kubeapi` raises when it creates the pod.
    """
    options = {} if dry_run is None else {"dry_run": dry_run}
    where = {"namespace": namespace}
    if dry_run is None and desktop.secret is not None:
        desktop = _with_its_secret(kubeapi, desktop, namespace)
    if desktop.secret is None or dry_run is not None:
        return kubeapi.create_namespaced_pod(body=desktop.pod, **where, **options)
    where_secret = {"name": desktop.secret["metadata"]["name"], **where}
    try:
        pod = kubeapi.create_namespaced_pod(body=desktop.pod, **where)
    except BaseException:
        _attempt("deleted", kubeapi.delete_namespaced_secret, **where_secret)
        raise
    owners = pods.owned_secret(desktop.secret, pod)["metadata"]["ownerReferences"]
    change = {"metadata": {"ownerReferences": owners}}
    _attempt("tied to its pod", kubeapi.patch_namespaced_secret, body=change, **where_secret)
    return pod


def _with_its_secret(kubeapi: Any, desktop: PreparedPod[Data], namespace: str) -> PreparedPod[Data]:
    """Create a desktop's Secret, and return the desktop, or one without TURN if that fails."""
    assert desktop.secret is not None  # noqa: S101, for the type checker
    name = desktop.secret["metadata"]["name"]
    try:
        _quietly(kubeapi.create_namespaced_secret, body=desktop.secret, namespace=namespace)
        return desktop
    except Exception as error:  # from kubernetes, or from the network
        reason, status = _reason(error), getattr(error, "status", None)
    _log.error("no TURN server for this desktop: the Secret %s can't be created: %s", name, reason)
    if not isinstance(status, int) or status >= 500:  # it may exist nevertheless
        with suppress(Exception):
            _quietly(kubeapi.delete_namespaced_secret, name=name, namespace=namespace)
    return pods.without_secret(desktop)


def _quietly(call: Callable[..., Any], **arguments: Any) -> None:
    """Call the API server, and skip the answer: kubernetes logs it, with the Secret's data."""
    call(**arguments, _preload_content=False).read()


def _attempt(what: str, call: Callable[..., Any], **arguments: Any) -> None:
    """Make a call that the desktop does not depend on; log a failure in one line."""
    try:
        _quietly(call, **arguments)
    except Exception as error:  # from kubernetes, or from the network
        _log.error("the Secret %s can't be %s: %s", arguments["name"], what, _reason(error))


def _reason(error: Exception) -> str:
    """Return what went wrong, without the API server's text, which may quote the Secret."""
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, str) and reason else type(error).__name__


def _even_without_turn(build: Callable[[WebRTCConfig], _T]) -> _T:
    """Return what `build` makes of the configuration.

    A user for whom no credential can be minted gets a desktop without a TURN server instead
    of no desktop; the log says why.
    """
    config = current_config()
    try:
        return build(config)
    except CredentialError as error:
        _log.error("no TURN server for this desktop: %s", error)
    return build(replace(config, desktop=replace(config.desktop, turn=False)))
