"""One change of od.config in a cluster: write the ConfigMap, restart pyos, or undo it all.

It can be interrupted or fail at any point. So a `Change` always knows what was done, what may have
been done, and what was there before.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

from abcwebrtc.cluster.api import Cluster
from abcwebrtc.cluster.certainty import AS_BEFORE, OTHER, UNKNOWN, LostAnswerError
from abcwebrtc.cluster.configmap import (
    CONFIG_MAPS,
    keeps_another,
    put_back,
    refuse_unwritable,
    replace_text,
    text_of,
)
from abcwebrtc.cluster.restart import NONE, ROLLOUT, Restart
from abcwebrtc.errors import KubeError

_DOUBTS = {
    UNKNOWN: "may or may not have been written",
    AS_BEFORE: "is unchanged, but the request may still arrive",
    OTHER: "was changed by somebody else",
}


class Change:
    """A change of od.config: `prepare`, then `write`, `restart` and `wait`, or `put_back`.

    `before` is the ConfigMap before the change, or None if there was none; `after` is the one that
    was written, or None until then. `changes_text` says whether od.config differs, `writes`
    whether anything needs writing. `mode` is how to restart pyos; by default it is a rollout if
    od.config differs. Every method that talks to the cluster raises `KubeError`.
    """

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        key: str,
        text: str,
        mode: Optional[str] = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._progress = progress
        self.name, self.key, self.text = name, key, text
        self.before: Optional[Mapping[str, Any]] = cluster.get(CONFIG_MAPS, name)
        self.after: Optional[Mapping[str, Any]] = None
        self.old_text: Optional[str] = text_of(self.before, key)
        """The od.config that was in the cluster before."""
        self.changes_text = self.old_text != text
        self.writes = self.changes_text or keeps_another(self.before, key)
        self.mode = mode or (ROLLOUT if self.changes_text else NONE)
        self._restart = Restart(cluster, self.mode, progress)
        self._is_restarted = False
        self._doubt = ""
        """What is known about a write without a final answer: a key of `_DOUBTS`."""
        self.is_back = False

    @property
    def may_be_written(self) -> bool:
        """Whether there may be something to undo."""
        return self._doubt in (UNKNOWN, AS_BEFORE) or self.after is not None

    @property
    def is_as_before(self) -> bool:
        """Whether this change has certainly left the ConfigMap as it was before."""
        return self.is_back or not (self._doubt or self.after)

    @property
    def pods_may_end(self) -> bool:
        """Whether this change ends, or may end, pods of pyos."""
        return self._restart.begun

    @property
    def done(self) -> str:
        """What was done so far, and what may have been done."""
        if self._doubt:
            return f"the ConfigMap {self.name} {_DOUBTS[self._doubt]}"
        done = [f"ConfigMap {self.name} {self.verb}"] if self.after else []
        if self._is_restarted:
            done.append(f"pyos restarted ({self.mode})")
        elif self.pods_may_end:
            done.append("some pods of pyos may have been restarted")
        return "; ".join(done) or "nothing was changed"

    @property
    def verb(self) -> str:
        """What happens to the ConfigMap: ``created`` or ``replaced``."""
        return "replaced" if self.before else "created"

    def written(self, dry_run: bool) -> str:
        """Return what happened, or would happen, to the ConfigMap.

        It is `verb`, ``unchanged``, or ``unknown`` if an answer was lost.
        """
        if self._doubt in (UNKNOWN, AS_BEFORE):
            return UNKNOWN
        return self.verb if self.after or (dry_run and self.writes) else "unchanged"

    def prepare(self) -> None:
        """Check that the change is possible, with a dry run of the restart in the cluster."""
        if self.writes:
            refuse_unwritable(self.before, self.name, self.key)
        self._restart.prepare()

    def write(self, dry_run: bool = False) -> None:
        """Write the text into the ConfigMap; with `dry_run` the cluster only tries it."""
        arguments = (self._cluster, self.before, self.name, self.key, self.text)
        if dry_run:
            self.before, _ = replace_text(*arguments, dry_run=True)
            return
        self._doubt = UNKNOWN
        try:
            self.before, self.after = replace_text(*arguments, say=self._progress)
            self._doubt = ""
        except LostAnswerError as error:
            self._doubt = error.found
            raise
        except KubeError:
            self._doubt = ""
            raise

    def restart(self) -> None:
        """Restart pyos."""
        self._restart.start()
        self._is_restarted = True

    def wait(self, timeout: float) -> None:
        """Wait until pyos is ready; raise `NotReadyError` after `timeout` seconds."""
        self._restart.wait(timeout)

    def put_back(self) -> str:
        """Restore the ConfigMap, and return what was done: ``deleted`` or ``restored``."""
        assert self.after is not None  # noqa: S101, for mypy: there is nothing to restore before
        arguments = (self._cluster, self.before, self.after, self.key, self.old_text)
        done = put_back(*arguments, say=self._progress)
        self.is_back = True
        return done

    def restart_again(self, timeout: float) -> None:
        """Restart pyos with the restored od.config, and wait for it."""
        restart = Restart(self._cluster, self.mode, self._progress)
        restart.start()
        restart.wait(timeout)
