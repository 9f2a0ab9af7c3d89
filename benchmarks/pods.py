"""Time `inject_webrtc` for a pod against `copy.deepcopy` of that pod.

    .venv/bin/python benchmarks/pods.py

The pod is the one that tests use, built as pyos builds it: six volumes, five containers.
"""

from __future__ import annotations

import copy
import json
import sys
from typing import Any, Dict, Iterator

import measure

from abcwebrtc import WebRTCConfig, inject_webrtc

sys.path.append(str(measure.TESTS))


def tables(quick: bool) -> Iterator[measure.Table]:
    """Measure each kind of pod."""
    config = WebRTCConfig.from_file(measure.TESTS / "data" / "od.config")
    rows = [(name, _ratio(config, pod, quick)) for name, pod in _pods().items()]
    yield measure.Table("inject_webrtc against copy.deepcopy of the pod", ("pod", "ratio"), rows)


def _pods() -> Dict[str, Any]:
    from abcwebrtc.desktop.pod_data import _build
    from support.desktop_pod import desktop_pod

    made = desktop_pod(sound=True)
    plain = json.loads(json.dumps(made))
    return {
        "a dict, as read from JSON": plain,
        "the same without a sound container": json.loads(json.dumps(desktop_pod(sound=False))),
        "a dict whose containers share one list of variables": made,
        "a V1Pod": _build(plain, "Pod"),
    }


def _ratio(config: WebRTCConfig, pod: Any, quick: bool) -> float:
    return measure.ratio(
        lambda: inject_webrtc(pod, config, "alice"), lambda: copy.deepcopy(pod), quick
    )


if __name__ == "__main__":
    sys.exit(measure.main(__doc__, {"pods": tables}))
