"""Objects of the kubernetes client to plain data, and back to the same kind.

Knows the client's generated classes (before 36) and its pydantic models, and
imports it only for who gives such an object, and so has it loaded.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping, NamedTuple, Tuple

from abcwebrtc.config.problems import kind
from abcwebrtc.desktop.pod_data import Data, copy_data
from abcwebrtc.errors import ManifestError

Build = Callable[[Data, str], Any]
"""Makes an object from data and the name of its kind, such as ``Pod``."""


def open_object(value: Any, name: str = "Pod") -> Tuple[Data, Build]:
    """Return plain data that shares nothing with `value`, and what makes such objects again.

    Raises `ManifestError` where `value` is neither a dict nor an object of this
    kind of the kubernetes client.
    """
    if isinstance(value, Mapping):
        return copy_data(value), lambda data, _: data
    if all(base.__name__ != f"V1{name}" for base in type(value).__mro__):
        raise ManifestError.at(
            (), f"must be a dict or a V1{name} of the kubernetes client, not {kind(value)}"
        )
    if hasattr(value, "model_dump"):
        data = value.model_dump(by_alias=True, exclude_none=True, mode="json")
        return data, _build_model
    return copy_data(_client().sanitize_for_serialization(value)), _build_generated


def _build_model(data: Data, name: str) -> Any:
    from kubernetes import client

    return _guarded(lambda: getattr(client, f"V1{name}").from_dict(data))


def _build_generated(data: Data, name: str) -> Any:
    answer = _Answer(json.dumps(data))
    return _guarded(lambda: _client().deserialize(answer, f"V1{name}"))


def _client() -> Any:
    from kubernetes.client import ApiClient

    return ApiClient()


class _Answer(NamedTuple):
    """What `ApiClient.deserialize` wants: something with the text of a response."""

    data: str


def _guarded(build: Callable[[], Any]) -> Any:
    try:
        return build()
    except ValueError:
        pass  # its text quotes values, and one of them may be a password
    raise ManifestError.at((), "is not what this version of the kubernetes client takes for a pod")
