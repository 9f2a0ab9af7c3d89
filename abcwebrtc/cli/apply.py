"""``abcwebrtc apply``: puts od.config into the cluster, and restarts pyos."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from contextlib import contextmanager, suppress
from typing import Any, Iterator, List, Mapping, NoReturn, Optional, Union

from abcwebrtc.abcdesktop import CONFIG_KEY, CONFIG_MAP, NAMESPACE, PYOS_DEPLOYMENT, PYOS_SELECTOR
from abcwebrtc.cli.backup import back_up
from abcwebrtc.cli.configmap import add_name_arguments, print_checked
from abcwebrtc.cli.options import FAILED, OK, given, kube_namespace, seconds
from abcwebrtc.cli.output import coloured, discard_output, print_error, printable, warn
from abcwebrtc.cluster.api import Cluster, connect
from abcwebrtc.cluster.configmap import CheckedFile, read_od_config
from abcwebrtc.cluster.ownership import ownership
from abcwebrtc.cluster.replace import (
    CONFIG_MAPS,
    LAST_APPLIED,
    Change,
    keeps_another,
    put_back,
    replace_text,
    text_of,
)
from abcwebrtc.cluster.restart import (
    DELETE,
    MODES,
    NONE,
    ROLLOUT,
    NotReadyError,
    Restart,
    last_log_line,
)
from abcwebrtc.errors import KubeError
from abcwebrtc.odconfig.difference import differences

NAME, SUMMARY = "apply", "put od.config into the cluster, and restart pyos"
DESCRIPTION = """\
Checks an od.config, shows what changes in the ConfigMap of the cluster, but no
value that could be a secret, replaces it, restarts pyos and waits until it is
ready. Without a change nothing is restarted, unless --restart is given.

Nothing is written when there is an error in the od.config, or when the cluster
would not allow the restart. When it fails later on, it says what was done and
how to go back.

example: abcwebrtc apply od.config --dry-run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=given,
        help="kubeconfig (KUBECONFIG, or ~/.kube/config)",
    )
    parser.add_argument(
        "--context", metavar="NAME", type=given, help="context in the kubeconfig (its current one)"
    )
    parser.add_argument(
        "-n",
        "--namespace",
        type=kube_namespace,
        default=NAMESPACE,
        help="namespace of pyos (%(default)s)",
    )
    add_name_arguments(parser)
    parser.add_argument(
        "--restart",
        choices=MODES,
        help="how pyos is restarted: by a rollout, under which it goes on answering, by deleting "
        f"its pods, or not at all ({ROLLOUT})",
    )
    parser.add_argument(
        "--timeout",
        type=seconds(0, 999999),
        default=300.0,
        metavar="SECONDS",
        help="time for pyos to get ready (300)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="have the cluster try it, and write nothing"
    )
    parser.add_argument(
        "--rollback-on-failure",
        action="store_true",
        help="put the old ConfigMap back when pyos does not get ready",
    )
    parser.add_argument(
        "--pod-log",
        action="store_true",
        help="show the last line that pyos has logged when it does not get ready; it can hold a "
        "secret",
    )


def run(options: argparse.Namespace) -> int:
    """Apply."""
    checked = read_od_config(options.od_config, forgiving=False)
    print_checked(checked)
    with _ended_as_by_ctrl_c():  # at the end the client removes its files with keys
        cluster = connect(options.kubeconfig, options.context, options.namespace)
        return _Application(cluster, options, checked).run()


class _Application:
    """One run of the command. What was done so far is kept, to say it on a failure."""

    def __init__(self, cluster: Cluster, options: argparse.Namespace, checked: CheckedFile) -> None:
        self._cluster = cluster
        self._options = options
        self._text = checked.text
        self._progress = _Progress()
        self._mode = options.restart or ROLLOUT
        self._restart = Restart(cluster, self._mode, self._progress)
        self._before: Optional[Mapping[str, Any]] = None
        self._writing = False  # begun, and not known how it ended
        self._change: Optional[Change] = None
        self._is_back = False
        self._done: List[str] = []

    def run(self) -> int:
        """Do everything, and return the exit status."""
        before = self._cluster.get(CONFIG_MAPS, self._options.name)
        writes = self._plan(before)
        if not writes and self._mode == NONE:
            return OK
        self._restart.prepare()
        if self._options.dry_run:
            return self._dry_run(before, writes)
        try:
            if writes:
                self._replace(before)
            self._restart_pyos()
        except KubeError as error:
            failure = error
        except KeyboardInterrupt:
            self._progress.end()
            self._say_what_was_done("interrupted")
            self._say_how_to_go_back()
            raise
        else:
            return OK
        self._fail(failure)
        return FAILED

    def _plan(self, before: Optional[Mapping[str, Any]]) -> bool:
        """Show what changes, and what else is to be known; return whether anything is written."""
        key = self._options.key
        changes = text_of(before, key) != self._text
        self._show_difference(before)
        if not changes and self._options.restart is None:
            self._mode = NONE
            self._restart = Restart(self._cluster, NONE, self._progress)
        writes = changes or keeps_another(before, key)
        if writes and before is not None:
            self._say_what_is_lost(before)
        return writes

    def _show_difference(self, before: Optional[Mapping[str, Any]]) -> None:
        options = self._options
        old = text_of(before, options.key)
        what = f"ConfigMap {options.name} in namespace {options.namespace}"
        if old == self._text:
            print(f"{what}: {options.key} is the same already")
            return
        print(f"{what}: {'a new one' if before is None else f'{options.key} changes'}")
        lines = differences(old or "", self._text)
        if not lines:
            print("no entry differs; comments, spaces, the ends of lines or the like do")
            return
        print("--- in the cluster", f"+++ {printable(options.od_config)}", sep="\n")
        for line in lines:
            colour = {"+": "32", "-": "31"}.get(line[:1], "0")
            print(coloured(line, colour, sys.stdout))

    def _say_what_is_lost(self, before: Mapping[str, Any]) -> None:
        """Warn of who puts another text back, and say what is not kept."""
        owner = ownership(before, self._options.key)
        if owner:
            warn(printable(owner))
        if LAST_APPLIED in (before["metadata"].get("annotations") or {}):
            _say_error(
                f"note: the annotation {LAST_APPLIED} has a copy of {self._options.key}, with the "
                "secrets in it, and is taken away; kubectl apply makes a new one"
            )

    def _dry_run(self, before: Optional[Mapping[str, Any]], writes: bool) -> int:
        if writes:
            options = self._options
            key, name = options.key, options.name
            change = replace_text(self._cluster, before, name, key, self._text, dry_run=True)
            print(f"dry run: ConfigMap {options.name} would be {change.verb}")
        if self._mode != NONE:
            print(f"dry run: pyos would be restarted ({self._mode})")
        return OK

    def _replace(self, before: Optional[Mapping[str, Any]]) -> None:
        name, key = self._options.name, self._options.key
        self._before = before
        self._writing = True
        try:
            self._change = replace_text(self._cluster, before, name, key, self._text)
        except KubeError as error:
            self._writing = error.is_transient
            raise
        self._before = self._change.before
        self._writing = False
        self._did(f"ConfigMap {name} {self._change.verb}")

    def _restart_pyos(self) -> None:
        if self._mode == NONE:
            _say("pyos is not restarted; it reads od.config when it starts")
            return
        self._restart.start()
        self._did(f"pyos restarted ({self._mode})")
        try:
            self._restart.wait(self._options.timeout)
        finally:
            self._progress.end()
        _say("pyos is ready")

    def _did(self, what: str) -> None:
        self._done.append(what)
        _say(what)

    def _fail(self, error: KubeError) -> None:
        _say_error(error)
        if isinstance(error, NotReadyError) and error.container:
            self._say_log(error)
        self._say_what_was_done("failed")
        try:
            if self._options.rollback_on_failure and self._change:
                self._roll_back(self._change)
        except KeyboardInterrupt:
            self._progress.end()
            self._say_how_far_back()
            raise
        if not self._is_back:
            self._say_how_to_go_back()

    def _say_log(self, error: NotReadyError) -> None:
        if self._options.pod_log:
            warn("what pyos logs can hold a secret of od.config")
            line = printable(last_log_line(self._cluster, error.pod, error.container))
            _say_error(f"the last line that it has logged: {line}")
        else:
            words = ["kubectl", "logs", error.pod, "-c", error.container, *self._kubectl_options()]
            _say_error(f"its log says more, and can hold a secret: {shlex.join(words)}")

    def _roll_back(self, change: Change) -> None:
        """Put the old ConfigMap back, and restart."""
        try:
            done = put_back(self._cluster, change)
        except KubeError as error:
            _say_error(error)
            return
        self._is_back = True
        _say_error(f"rolled back: ConfigMap {self._options.name} {done}")
        if not self._restart.begun:
            return
        try:
            restart = Restart(self._cluster, self._mode, self._progress)
            restart.start()
            restart.wait(self._options.timeout)
        except KubeError as error:
            self._progress.end()
            _say_error(error)
        else:
            self._progress.end()
            _say_error("rolled back: pyos is ready, with the old od.config")

    def _say_how_far_back(self) -> None:
        """Say what a rollback that is interrupted leaves to do."""
        if not self._is_back:
            _say_error("interrupted; the ConfigMap may be the old one, or the new one")
            self._say_how_to_go_back()
        elif self._restart.begun:
            _say_error("interrupted; pyos may not be restarted with the old od.config")
            way = ["rollout", "restart", "deployment", PYOS_DEPLOYMENT]
            if self._mode == DELETE:
                way = ["delete", "pods", "-l", PYOS_SELECTOR]
            _say_error(f"to go back: {shlex.join(['kubectl', *way, *self._kubectl_options()])}")

    def _kubectl_options(self) -> List[str]:
        options = self._options
        return ["-n", options.namespace, *_given(options, ("kubeconfig", "context"))]

    def _say_what_was_done(self, event: str) -> None:
        done = "; ".join(self._done) or "nothing was changed"
        if self._writing:
            done = f"the ConfigMap {self._options.name} may have been written, or may not"
        elif self._restart.begun and len(self._done) < 1 + bool(self._change):
            done += "; some pods of pyos may have been restarted"
        _say_error(f"{event}; until then: {done}")

    def _say_how_to_go_back(self) -> None:
        if self._change is None and not self._writing:
            return
        options = self._options
        kubectl = self._kubectl_options()
        old = text_of(self._before, options.key)
        if self._before is None:
            line = ["kubectl", "delete", "configmap", options.name, *kubectl]
        elif old is None:
            change = json.dumps([{"op": "remove", "path": f"/data/{options.key}"}])
            line = ["kubectl", "patch", "configmap", options.name, "--type=json", "-p", change]
            line += kubectl
        else:
            version = self._before["metadata"].get("resourceVersion", "")
            file, message = back_up(options.od_config, options.key, old, version)
            if not file:
                _say_error(message)
                return
            line = ["abcwebrtc", "apply", file, "--restart", self._mode]
            line += _given(options, ("kubeconfig", "context", "namespace", "name", "key"))
        _say_error(f"to go back: {shlex.join(line)}")


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Let the ends of a CI job and of a connection do what Ctrl-C does: say where it stands."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    default = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    try:
        for number in default:  # nohup ignores one
            with suppress(ValueError):  # not the main thread
                signal.signal(number, interrupt)
        yield
    finally:
        for number in default:
            with suppress(ValueError):
                signal.signal(number, signal.SIG_DFL)


def _say(text: str) -> None:
    """Print on stdout. Where nobody reads it any more, go on with what was begun."""
    try:
        print(text, flush=True)
    except OSError:
        discard_output()


def _say_error(text: Union[str, KubeError]) -> None:
    """Print on stderr; nothing else can be done where that fails."""
    with suppress(OSError):
        if isinstance(text, KubeError):
            print_error(text)
        else:
            print(text, file=sys.stderr)


class _Progress:
    """Says on stderr what is waited for; on a terminal in one line."""

    def __init__(self) -> None:
        self._in_place = sys.stderr.isatty()
        self._open = False

    def __call__(self, text: str) -> None:
        """Show a text instead of the last one."""
        self._open = self._in_place
        with suppress(OSError):
            start, end = ("\r\033[K", "") if self._in_place else ("", "\n")
            print(f"{start}{text}", end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            _say_error("")
        self._open = False


def _given(options: argparse.Namespace, names: Any) -> List[str]:
    defaults = {"namespace": NAMESPACE, "name": CONFIG_MAP, "key": CONFIG_KEY}
    pairs = [(name, getattr(options, name)) for name in names]
    return [
        word
        for name, value in pairs
        if value and value != defaults.get(name)
        for word in (f"--{name}", value)
    ]
