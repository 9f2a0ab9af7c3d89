"""The ConfigMap that holds pyos's od.config: check it, build it, replace it and restore it."""

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
"""The annotation in which ``kubectl apply`` keeps a copy of everything it was given.

It would keep the replaced od.config, with its secret, so it is removed with every
write. kubectl adds it again, with a warning; until then it does not know which keys
it created, and so removes none.
"""
ATTEMPTS = 5
"""How often to write a ConfigMap that somebody else keeps changing."""


def read_od_config(path: Source, forgiving: bool = True) -> CheckedFile:
    """Read and check an od.config for a ConfigMap; see `check_file`.

    A closing bracket in the first column keeps pyos from starting. It is an error,
    or only a warning if `forgiving`. Raises `ConfigError` with every error.
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
    """Return the text of a file without checking it.

    Raises `UnreadableError`, even if it is not UTF-8.
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
    """Return the text under a key of a ConfigMap, or None if there is none."""
    text = ((manifest or {}).get("data") or {}).get(key)
    return text if isinstance(text, str) else None


def keeps_another(manifest: Optional[Mapping[str, Any]], key: str) -> bool:
    """Return whether `LAST_APPLIED` has a text under a key that differs from the ConfigMap's."""
    annotations = ((manifest or {}).get("metadata") or {}).get("annotations") or {}
    if LAST_APPLIED not in annotations:
        return False
    copy: Any = None
    with suppress(TypeError, ValueError, RecursionError):
        copy = json.loads(annotations[LAST_APPLIED])
    data = copy.get("data", {}) if isinstance(copy, dict) else None
    if not isinstance(data, dict):
        return True  # its contents are unknown
    return key in data and data[key] != text_of(manifest, key)


def refuse_unwritable(before: Optional[Mapping[str, Any]], name: str, key: str) -> None:
    """Raise `KubeError` if a ConfigMap can't take a text under a key."""
    if (before or {}).get("immutable"):
        raise KubeError(
            f"the ConfigMap {name} is immutable; save it, delete it, and apply again",
            status=422,  # as the API server would answer
        )
    if key in ((before or {}).get("binaryData") or {}):  # a key can't be in both
        raise KubeError(
            f"the ConfigMap {name} has {key} in its binaryData, which pyos can't read as text; "
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
    """Write a text under a key of a ConfigMap, and keep everything else except `LAST_APPLIED`.

    `before` is the ConfigMap as it was read, or None to create it. If somebody else has changed it
    since, it is read and written again, unless they changed the same text. If an answer is lost,
    `say` is called and the ConfigMap is read again. Returns the ConfigMap before and after. Raises
    `KubeError`, and `LostAnswerError` if the text may have been written.
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
        # a webhook may change it, and a cache may answer instead of the API server
        if text_of(made, key) != text and not dry_run:
            raise KubeError(f"the answer has a different {key} than was sent", is_unclear=True)
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
        f"somebody else has just changed {key} in the ConfigMap {name}; look at their change, and "
        "apply again",
        status=409,
    )


def _lost_to_another(name: str, key: str) -> LostAnswerError:
    return LostAnswerError(
        f"the ConfigMap {name} has neither the old {key} nor the new one; somebody else has "
        "changed it",
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
    """Undo what `replace_text` did, and return what was done: ``deleted`` or ``restored``.

    `old` is the previous text under the key, or None if there was none. Everything else stays.
    `LAST_APPLIED` is not restored: it may hold an even older secret.

    Raises `KubeError`, with the status 409 if somebody else has changed the ConfigMap since, and
    `LostAnswerError` if it may have been undone.
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

    done = "deleted" if before is None else "restored"
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
