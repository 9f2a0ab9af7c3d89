"""``abcwebrtc apply``: put od.config into the cluster, and restart pyos."""

from __future__ import annotations

import argparse
from contextlib import suppress

from abcwebrtc.abcdesktop import NAMESPACE, PYOS_DEPLOYMENT, PYOS_SELECTOR
from abcwebrtc.cli.apply_outcome import Outcome, Progress
from abcwebrtc.cli.configmap import NOTE, add_name_arguments
from abcwebrtc.cli.options import kube_namespace, seconds
from abcwebrtc.cli.parser import OK, STDIN_FILE, add_form, given, status_of
from abcwebrtc.cli.signals import ended_as_by_ctrl_c
from abcwebrtc.cli.way_back import WayBack, kubectl_options, say_error
from abcwebrtc.cluster.api import Cluster, connect
from abcwebrtc.cluster.change import Change
from abcwebrtc.cluster.configmap import LAST_APPLIED, read_od_config, read_unchecked
from abcwebrtc.cluster.ownership import ownership
from abcwebrtc.cluster.restart import DELETE, MODES, NONE, ROLLOUT, NotReadyError, last_log_line
from abcwebrtc.errors import AbcWebRTCError, KubeError, Problem
from abcwebrtc.odconfig.difference import differences
from abcwebrtc.texts import shell_line

NAME, SUMMARY = "apply", "put od.config into the cluster, and restart pyos"
DESCRIPTION = """\
Check an od.config, put it into the ConfigMap in the cluster, restart pyos, and
wait until pyos is ready. First, this shows what changes in od.config, without
any value that could be a secret, saves the old od.config in a file, and prints
the command that goes back to it. If od.config has not changed, pyos is only
restarted if you give --restart.

Nothing is written if od.config has an error, if the cluster would not allow the
restart, or if the old od.config can't be saved. If anything fails later, this
says what was done, and prints once more how to go back.

example: abcwebrtc apply od.config --dry-run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=given,
        help="kubeconfig to use ($KUBECONFIG, or ~/.kube/config)",
    )
    parser.add_argument(
        "--context", metavar="NAME", type=given, help="context to use (the current one)"
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
        help="how to restart pyos: by a rollout, during which it keeps answering, by deleting its "
        f"pods, or not at all ({ROLLOUT})",
    )
    parser.add_argument(
        "--timeout",
        type=seconds(0, 999999),
        default=300.0,
        metavar="SECONDS",
        help="how long to wait for pyos to become ready (300)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="let the cluster check the change, and write nothing"
    )
    parser.add_argument(
        "--rollback-on-failure",
        action="store_true",
        help="restore the old od.config if pyos does not become ready",
    )
    parser.add_argument(
        "--backup",
        metavar="FOLDER",
        type=given,
        help="save the old od.config in this folder, and keep it (the folder of OD_CONFIG, or "
        "else TMPDIR, until pyos is ready)",
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="write OD_CONFIG even if it has errors: to go back to one that was saved",
    )
    parser.add_argument(
        "--pod-log",
        action="store_true",
        help="if pyos does not become ready, show the last line of its log, which may hold a "
        "secret",
    )
    add_form(parser)


def run(options: argparse.Namespace) -> int:
    """Apply, and print the data, if the result is data, whatever happens."""
    outcome = Outcome(options)
    with ended_as_by_ctrl_c():  # at the end the client removes its files with keys
        try:
            status = _apply(options, outcome)
        except AbcWebRTCError as error:
            outcome.fail(error)
            status = status_of(error)
        except KeyboardInterrupt:
            done = outcome.change.done if outcome.change else "nothing was changed"
            with suppress(OSError):
                if not outcome.is_text:
                    outcome.add(Problem(f"interrupted; so far: {done}"))
                outcome.show_data(is_ok=False)
            raise
        outcome.show_data(status == OK)
    return status


def _apply(options: argparse.Namespace, outcome: Outcome) -> int:
    text = _text(options, outcome)
    progress = Progress(options.verbose)
    cluster = connect(options.kubeconfig, options.context, options.namespace)
    options.context = cluster.context  # for the commands that are printed
    change = Change(cluster, options.name, options.key, text, options.restart, progress)
    outcome.change = change
    _show_difference(change, options, outcome)
    if not change.writes and change.mode == NONE:
        return OK
    change.prepare()
    if options.dry_run:
        _dry_run(change, outcome)
        return OK
    way_back = outcome.way_back = WayBack(change, options)
    try:
        if change.writes:
            way_back.prepare()
        _do(change, cluster, options, outcome, progress)
        way_back.end()
        return OK
    except KubeError as error:
        failure = error
    except KeyboardInterrupt:
        progress.end()
        say_error(f"interrupted; so far: {change.done}")
        way_back.fail()
        raise
    outcome.ready = False if isinstance(failure, NotReadyError) else None
    _say_failure(failure, options, outcome)
    say_error(f"failed; so far: {change.done}")
    if options.rollback_on_failure and change.after:
        _roll_back(change, options, outcome, progress)
    way_back.fail()
    return status_of(failure)


def _text(options: argparse.Namespace, outcome: Outcome) -> str:
    """Return the od.config, checked, unless it was in a cluster and goes back there."""
    if options.unchecked:
        return read_unchecked(options.od_config)
    checked = read_od_config(options.od_config, forgiving=False)
    outcome.add(*checked.problems)
    if checked.has_inline_secret:
        outcome.add(Problem(NOTE, level="note"))
    return checked.text


def _show_difference(change: Change, options: argparse.Namespace, outcome: Outcome) -> None:
    """Show what changes; warn about who overwrites it, and say what is not kept."""
    before = change.before
    what = f"ConfigMap {change.name} in namespace {options.namespace}"
    if not change.changes_text:
        outcome.show(f"{what}: {change.key} has not changed")
    else:
        outcome.show(f"{what}: {'a new one' if before is None else f'{change.key} changes'}")
        lines = list(differences(change.old_text or "", change.text))
        if lines:
            file = "stdin" if options.od_config == STDIN_FILE else options.od_config
            outcome.show("--- in the cluster", f"+++ {file}")
        else:
            outcome.show("only comments or whitespace differ, no entry does")
        outcome.show_difference(lines)
    if not change.writes or before is None:
        return
    owner = ownership(before, change.key)
    if owner:
        outcome.add(Problem(owner, level="warning"))
    if LAST_APPLIED in (before["metadata"].get("annotations") or {}):
        message = (
            f"the annotation {LAST_APPLIED} has a copy of {change.key}, including its secrets, and "
            "is removed; kubectl apply adds it again"
        )
        outcome.add(Problem(message, level="note"))


def _dry_run(change: Change, outcome: Outcome) -> None:
    if change.writes:
        change.write(dry_run=True)
        outcome.show(f"dry run: ConfigMap {change.name} would be {change.verb}")
    if change.mode != NONE:
        outcome.show(f"dry run: pyos would be restarted ({change.mode})")


def _do(
    change: Change,
    cluster: Cluster,
    options: argparse.Namespace,
    outcome: Outcome,
    progress: Progress,
) -> None:
    try:
        if change.writes:
            change.write()
            progress.end()
            outcome.say(change.done)
        if change.mode == NONE:
            outcome.say("pyos is not restarted; it reads od.config when it starts")
            return
        change.restart()
        progress.end()
        outcome.say(f"pyos restarted ({change.mode})")
        change.wait(options.timeout)
    except NotReadyError as error:
        if options.pod_log and error.container:
            error.log_line = last_log_line(cluster, error.pod, error.container)
        raise
    finally:
        progress.end()
    outcome.ready = True
    outcome.say("pyos is ready")


def _say_failure(error: KubeError, options: argparse.Namespace, outcome: Outcome) -> None:
    outcome.fail(error)
    if not isinstance(error, NotReadyError) or not error.container:
        return
    if error.log_line:
        outcome.add(Problem("pyos's log may hold a secret from od.config", level="warning"))
        text = f"the last line of its log: {error.log_line}"
    else:
        words = ["kubectl", "logs", error.pod, "-c", error.container, *kubectl_options(options)]
        text = f"for details, see its log, which may hold a secret: {shell_line(words)}"
    if outcome.is_text:
        say_error(text)
    else:
        outcome.add(Problem(text, level="note"))


def _roll_back(
    change: Change, options: argparse.Namespace, outcome: Outcome, progress: Progress
) -> None:
    """Restore the old ConfigMap, and restart pyos; say what an interruption leaves to do."""
    try:
        outcome.undone = change.put_back()
        progress.end()
        say_error(f"rolled back: ConfigMap {change.name} {outcome.undone}")
        if change.pods_may_end:
            change.restart_again(options.timeout)
            progress.end()
            say_error("rolled back: pyos is ready, with the old od.config")
            outcome.ready = True
    except KubeError as error:
        progress.end()
        outcome.fail(error)
    except KeyboardInterrupt:
        progress.end()
        if not change.is_back:
            say_error("interrupted; the ConfigMap may be the old one or the new one")
        elif change.pods_may_end:
            say_error("interrupted; pyos may not be restarted with the old od.config")
            way = ["rollout", "restart", "deployment", PYOS_DEPLOYMENT]
            if change.mode == DELETE:
                way = ["delete", "pods", "-l", PYOS_SELECTOR]
            say_error(f"to go back: {shell_line(['kubectl', *way, *kubectl_options(options)])}")
        if outcome.way_back:
            outcome.way_back.fail()
        raise
