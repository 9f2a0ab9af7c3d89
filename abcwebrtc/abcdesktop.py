"""Names of Kubernetes objects in abcdesktop's own manifests.

Source: abcdesktop.yaml of abcdesktop 3.2 and 3.3, and the pods that pyos posts.
"""

from __future__ import annotations

from typing import Mapping

NAMESPACE = "abcdesktop"
CONFIG_MAP, CONFIG_KEY = "abcdesktop-config", "od.config"
"""The ConfigMap with pyos's configuration, and the key in it."""
PYOS_DEPLOYMENT, PYOS_SELECTOR = "pyos-od", "run=pyos-od"
DESKTOP_LABELS: Mapping[str, str] = {"type": "x11server"}
"""The label by which abcdesktop's own policies select desktop pods. ``netpol/ocuser`` is on other
pods too, since it says who may reach desktops."""
USERID_LABEL = "access_userid"
SOUND_LABEL = "service_sound"
