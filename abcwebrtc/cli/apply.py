"""``abcwebrtc apply``: puts od.config into the cluster, and restarts pyos."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import contextmanager, suppress
from typing import Iterator, NoReturn

from abcwebrtc.abcdesktop import NAMESPACE, PYOS_DEPLOYMENT, PYOS_SELECTOR
from abcwebrtc.cli.configmap import add_name_arguments, print_checked
from abcwebrtc.cli.options import kube_namespace, seconds
from abcwebrtc.cli.output import print_difference, say, show, show_in_place, warn
from abcwebrtc.cli.parser import FAILED, OK, given
from abcwebrtc.cli.way_back import WayBack, kubectl_options, say_error
from abcwebrtc.cluster.api import Cluster, connect
from abcwebrtc.cluster.change import Change
from abcwebrtc.cluster.configmap import LAST_APPLIED, read_od_config, read_unchecked
from abcwebrtc.cluster.ownership import ownership
from abcwebrtc.cluster.restart import DELETE, MODES, NONE, ROLLOUT, NotReadyError, last_log_line
from abcwebrtc.errors import KubeError
from abcwebrtc.odconfig.difference import differences
from abcwebrtc.texts import shell_line

NAME, SUMMARY = "apply", "put od.config into the cluster, and restart pyos"
DESCRIPTION = """\
Checks an od.config, shows what changes in the ConfigMap of the cluster, but no
value that could be a secret, saves the old od.config, prints the command that
goes back, replaces the ConfigMap, restarts pyos and waits until it is ready.
Without a change nothing is restarted, unless --restart is given.

Nothing is written when there is an error in the od.config, when the cluster
would not allow the restart, or when the old od.config can't be saved. When it
fails later on, it says what was done, and once more how to go back.

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
        "--backup",
        metavar="FOLDER",
        type=given,
        help="folder in which the old od.config is saved, and kept (that of OD_CONFIG, or else "
        "TMPDIR, until pyos is ready)",
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="write OD_CONFIG as it is, also with errors: to go back to one that was saved",
    )
    parser.add_argument(
        "--pod-log",
        action="store_true",
        help="show the last line that pyos has logged when it does not get ready; it can hold a "
        "secret",
    )


def run(options: argparse.Namespace) -> int:
    """Apply."""
    text = _text(options)
    progress = _Progress()
    with _ended_as_by_ctrl_c():  # at the end the client removes its files with keys
        cluster = connect(options.kubeconfig, options.context, options.namespace)
        options.context = cluster.context  # for the commands that are printed
        name, key = options.name, options.key
        change = Change(cluster, name, key, text, options.restart, progress)
        _show_difference(change, options)
        if not change.writes and change.mode == NONE:
            return OK
        change.prepare()
        if options.dry_run:
            return _dry_run(change)
        way_back = WayBack(change, options)
        try:
            if change.writes:
                way_back.prepare()
            _do(change, cluster, options, progress)
            way_back.end()
            return OK
        except KubeError as error:
            failure = error
        except KeyboardInterrupt:
            say_error(f"interrupted; until then: {change.done}")
            way_back.fail()
            raise
        _say_failure(failure, options)
        say_error(f"failed; until then: {change.done}")
        if options.rollback_on_failure and change.after:
            _roll_back(change, options, progress, way_back)
        way_back.fail()
    return FAILED


def _text(options: argparse.Namespace) -> str:
    """Return the od.config, checked, but for one that was in a cluster and is to be there again."""
    if options.unchecked:
        return read_unchecked(options.od_config)
    checked = read_od_config(options.od_config, forgiving=False)
    print_checked(checked)
    return checked.text


def _show_difference(change: Change, options: argparse.Namespace) -> None:
    """Show what changes; warn of who puts another text back, and say what is not kept."""
    before = change.before
    what = f"ConfigMap {change.name} in namespace {options.namespace}"
    if not change.changes_text:
        show(f"{what}: {change.key} is the same already")
    else:
        show(f"{what}: {'a new one' if before is None else f'{change.key} changes'}")
        lines = differences(change.old_text or "", change.text)
        if lines:
            show("--- in the cluster", f"+++ {options.od_config}")
        else:
            show("no entry differs; comments, spaces, the ends of lines or the like do")
        print_difference(lines)
    if not change.writes or before is None:
        return
    owner = ownership(before, change.key)
    if owner:
        warn(owner)
    if LAST_APPLIED in (before["metadata"].get("annotations") or {}):
        say_error(
            f"note: the annotation {LAST_APPLIED} has a copy of {change.key}, with the "
            "secrets in it, and is taken away; kubectl apply makes a new one"
        )


def _dry_run(change: Change) -> int:
    if change.writes:
        change.write(dry_run=True)
        show(f"dry run: ConfigMap {change.name} would be {change.verb}")
    if change.mode != NONE:
        show(f"dry run: pyos would be restarted ({change.mode})")
    return OK


def _do(
    change: Change, cluster: Cluster, options: argparse.Namespace, progress: "_Progress"
) -> None:
    try:
        if change.writes:
            change.write()
            progress.end()
            say(change.done)
        if change.mode == NONE:
            say("pyos is not restarted; it reads od.config when it starts")
            return
        change.restart()
        progress.end()
        say(f"pyos restarted ({change.mode})")
        change.wait(options.timeout)
    except NotReadyError as error:
        if options.pod_log and error.container:
            error.log_line = last_log_line(cluster, error.pod, error.container)
        raise
    finally:
        progress.end()
    say("pyos is ready")


def _say_failure(error: KubeError, options: argparse.Namespace) -> None:
    say_error(error)
    if isinstance(error, NotReadyError) and error.log_line:
        with suppress(OSError):
            warn("what pyos logs can hold a secret of od.config")
        say_error(f"the last line that it has logged: {error.log_line}")
    elif isinstance(error, NotReadyError) and error.container:
        words = ["kubectl", "logs", error.pod, "-c", error.container, *kubectl_options(options)]
        say_error(f"its log says more, and can hold a secret: {shell_line(words)}")


def _roll_back(
    change: Change, options: argparse.Namespace, progress: "_Progress", way_back: WayBack
) -> None:
    """Put the old ConfigMap back, and restart; say what an interruption leaves to do."""
    try:
        say_error(f"rolled back: ConfigMap {change.name} {change.put_back()}")
        if change.pods_may_end:
            change.restart_again(options.timeout)
            progress.end()
            say_error("rolled back: pyos is ready, with the old od.config")
    except KubeError as error:
        progress.end()
        say_error(error)
    except KeyboardInterrupt:
        progress.end()
        if not change.is_back:
            say_error("interrupted; the ConfigMap may be the old one, or the new one")
        elif change.pods_may_end:
            say_error("interrupted; pyos may not be restarted with the old od.config")
            way = ["rollout", "restart", "deployment", PYOS_DEPLOYMENT]
            if change.mode == DELETE:
                way = ["delete", "pods", "-l", PYOS_SELECTOR]
            say_error(f"to go back: {shell_line(['kubectl', *way, *kubectl_options(options)])}")
        way_back.fail()
        raise


_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Let the ends of a CI job and of a connection do what Ctrl-C does: say where it stands.

    So does SIGQUIT, which by itself leaves a core, with secrets in it.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _ENDS}
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


class _Progress:
    """Says on stderr what is waited for; on a terminal in one line."""

    def __init__(self) -> None:
        self._in_place = sys.stderr.isatty()
        self._open = False

    def __call__(self, text: str) -> None:
        """Show a text instead of the last one."""
        self._open = self._in_place
        with suppress(OSError):
            show_in_place(text) if self._in_place else show(text, to=sys.stderr)

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            say_error("")
        self._open = False
