"""The ConfigMap that pyos's od.config is in: checked, as plain data, replaced and put back."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from abcwebrtc.abcdesktop import CONFIG_KEY, CONFIG_MAP
from abcwebrtc.cluster.api import Cluster
from abcwebrtc.cluster.certainty import OTHER, LostAnswerError, written
from abcwebrtc.config.checked_file import CheckedFile, check_file
from abcwebrtc.errors import ConfigError, KubeError, Problem, UnreadableError
from abcwebrtc.odconfig.source import Source, read_source, source_name

CONFIG_MAPS = "configmaps"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which ``kubectl apply`` keeps a copy of all that it was given.

It would go on keeping the od.config that is replaced, with its secret, so it is
never written. kubectl makes a new one, and says so; until then it does not know
which keys it had made, and so takes none away.
"""
ATTEMPTS = 5
"""Times that a ConfigMap is written which somebody else keeps changing."""


def read_od_config(path: Source, forgiving: bool = True) -> CheckedFile:
    """Read an od.config that is to be put into a ConfigMap; see `check_file`.

    A closing bracket in the first column is a warning where `forgiving`; else it
    is an error, as everything is that keeps pyos from starting. Raises
    `ConfigError` with every error.
    """
    checked = check_file(path)
    if not forgiving:
        closers = checked.mapping.closers
        hardened = (
            replace(problem, level="error") if problem in closers else problem
            for problem in checked.problems
        )
        checked = replace(checked, problems=tuple(hardened))
    errors, warnings, notes = map(checked.of_level, ("error", "warning", "note"))
    if errors:
        raise ConfigError(*errors, warnings=warnings, notes=notes)
    return checked


def read_unchecked(path: Source) -> str:
    """Return the text of a file as it is, whatever is wrong in it.

    Raises `UnreadableError`, also for what is not UTF-8.
    """
    data = read_source(path)
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8", "surrogatepass")
    raise UnreadableError(Problem("can't be read: it is not UTF-8 text", "", source_name(path)))


def config_map(
    text: str, name: str = CONFIG_MAP, key: str = CONFIG_KEY, namespace: Optional[str] = None
) -> Dict[str, Any]:
    """Return a new ConfigMap with the text of an od.config."""
    metadata: Dict[str, Any] = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}}


def text_of(manifest: Optional[Mapping[str, Any]], key: str) -> Optional[str]:
    """Return the text under a key of a ConfigMap, None where there is none."""
    text = ((manifest or {}).get("data") or {}).get(key)
    return text if isinstance(text, str) else None


def keeps_another(manifest: Optional[Mapping[str, Any]], key: str) -> bool:
    """Say whether `LAST_APPLIED` of a ConfigMap has another text under a key than the ConfigMap."""
    annotations = ((manifest or {}).get("metadata") or {}).get("annotations") or {}
    if LAST_APPLIED not in annotations:
        return False
    copy: Any = None
    with suppress(TypeError, ValueError, RecursionError):
        copy = json.loads(annotations[LAST_APPLIED])
    data = copy.get("data", {}) if isinstance(copy, dict) else None
    if not isinstance(data, dict):
        return True  # nobody knows what is in it
    return key in data and data[key] != text_of(manifest, key)


def refuse_unwritable(before: Optional[Mapping[str, Any]], name: str, key: str) -> None:
    """Raise `KubeError` where a ConfigMap can't have a text under a key."""
    if (before or {}).get("immutable"):
        raise KubeError(
            f"the ConfigMap {name} is immutable; save it, delete it, and apply again",
            status=422,  # what the API server would answer
        )
    if key in ((before or {}).get("binaryData") or {}):  # it may not be in both, and would be lost
        raise KubeError(
            f"the ConfigMap {name} has {key} in its binaryData, where pyos finds no text; "
            "save it, remove it there, and apply again",
            status=422,
        )


def replace_text(
    cluster: Cluster,
    before: Optional[Mapping[str, Any]],
    name: str,
    key: str,
    text: str,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Tuple[Optional[Mapping[str, Any]], Mapping[str, Any]]:
    """Write a text under a key of a ConfigMap, and keep all else in it but for `LAST_APPLIED`.

    `before` is the ConfigMap as it was read, None to create it. When somebody
    else has changed it since, it is read and written again, unless they have changed this
    very text. Where an answer is lost, `say` is told, and the ConfigMap is looked at. Returns the
    ConfigMap before and after. Raises `KubeError`, and `LostAnswerError` where it may be written.
    """
    seen = text_of(before, key)

    def look() -> Optional[Mapping[str, Any]]:
        found = cluster.get(CONFIG_MAPS, name)
        present = text_of(found, key)
        if found is not None and present == text and not keeps_another(found, key):
            return found
        if present != seen:
            raise _lost_to_another(name, key)
        return None

    def write(before: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
        made = _write(cluster, before, name, key, text, dry_run)
        if (
            text_of(made, key) != text and not dry_run
        ):  # a webhook has changed it, or a cache answers
            raise KubeError(f"the answer has another {key} than was sent", is_unclear=True)
        return made

    for attempt in range(1, ATTEMPTS + 1):
        try:
            if dry_run:
                return before, write(before)
            return before, written(partial(write, before), look, say)
        except KubeError as error:
            if error.status != 409 or attempt == ATTEMPTS:
                raise
        before = cluster.get(CONFIG_MAPS, name)
        if text_of(before, key) not in (seen, text):
            raise _changed_by_another(name, key)
    raise AssertionError("the last attempt returns or raises")


def _changed_by_another(name: str, key: str) -> KubeError:
    return KubeError(
        f"somebody else has changed {key} in the ConfigMap {name} just now; "
        "look at what it is, and apply again",
        status=409,
    )


def _lost_to_another(name: str, key: str) -> LostAnswerError:
    return LostAnswerError(
        f"the ConfigMap {name} has a {key} that is neither the one of before nor the new one; "
        "somebody else has changed it",
        found=OTHER,
    )


def put_back(
    cluster: Cluster,
    before: Optional[Mapping[str, Any]],
    after: Mapping[str, Any],
    key: str,
    old: Optional[str],
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Undo what `replace_text` did, and return what was done: ``deleted`` or ``put back``.

    `old` is the text that was under the key, None where there was none. All else stays as it is.
    `LAST_APPLIED` does not come back: it may keep a still older secret.

    Raises `KubeError`, with the status 409 when somebody else has changed the
    ConfigMap since, and `LostAnswerError` where it may be undone.
    """
    metadata = after["metadata"]
    name = metadata["name"]

    def look() -> Optional[str]:
        found = cluster.get(CONFIG_MAPS, name)
        present = text_of(found, key)
        if present == old and (found is None) == (before is None):
            return done
        if present != text_of(after, key):
            raise _lost_to_another(name, key)
        return None

    def write() -> str:
        if before is None:
            cluster.delete(CONFIG_MAPS, name, metadata)
        else:
            data = {**(after.get("data") or {}), key: old}
            kept = {name: text for name, text in data.items() if text is not None}
            cluster.replace(CONFIG_MAPS, {**after, "data": kept}, dry_run=False)
        return done

    done = "deleted" if before is None else "put back"
    return written(write, look, say)


def _without_copy(manifest: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a ConfigMap without `LAST_APPLIED`."""
    metadata = dict(manifest["metadata"])
    annotations = dict(metadata.pop("annotations", None) or {})
    annotations.pop(LAST_APPLIED, None)
    kept = {"annotations": annotations} if annotations else {}
    return {**manifest, "metadata": {**metadata, **kept}}


def _write(
    cluster: Cluster,
    before: Optional[Mapping[str, Any]],
    name: str,
    key: str,
    text: str,
    dry_run: bool,
) -> Mapping[str, Any]:
    if before is None:
        manifest = config_map(text, name, key, cluster.namespace)
        return cluster.create(CONFIG_MAPS, manifest, dry_run)
    refuse_unwritable(before, name, key)
    manifest = {**before, "data": {**(before.get("data") or {}), key: text}}
    return cluster.replace(CONFIG_MAPS, _without_copy(manifest), dry_run)
