"""Files that are given as an od.config but are something else, and what to do then."""

from __future__ import annotations

import re

_OURS = "abcwebrtc reads od.config, an INI file that starts with [global]"
_JSON = (
    "is JSON, like the config.jsonc of pyos's development branch, not an od.config; "
    f"{_OURS}, which abcdesktop 3.2 and 3.3 have"
)
_SHOWN_BY_KUBECTL = {
    "ConfigMap": "is a ConfigMap as kubectl prints it, not the od.config in it; get that with: "
    "kubectl get configmap abcdesktop-config -n abcdesktop -o jsonpath='{.data.od\\.config}'",
    "Secret": "is a Secret as kubectl prints it, not the od.config in it; get that with: "
    "kubectl get secret NAME -n abcdesktop -o jsonpath='{.data.od\\.config}' | base64 -d",
}
_MANIFEST = f"is a Kubernetes manifest, not an od.config; {_OURS}"
_YAML = f"is YAML, not an od.config; {_OURS}"
_MARKUP = f"is HTML or XML, perhaps an error page, not an od.config; {_OURS}"
_TURNSERVER = (
    "looks like a turnserver.conf, which 'abcwebrtc turnserver-conf OD_CONFIG --check FILE' "
    f"reads; {_OURS}"
)
_PEM = f"is a key or a certificate, not an od.config; {_OURS}"
_BINARY = f"has NUL characters, so it is not text; {_OURS}"
_EMPTY = "is empty: there is no [global] section"

_JSONC_NAME = re.compile(r"\.jsonc?$", re.IGNORECASE)
_YAML_NAME = re.compile(r"\.ya?ml$", re.IGNORECASE)
_JSON_START = re.compile(r'\{|\[\s*[{\["]')
_JSON_COMMENT = re.compile(r"\s+|//[^\n]*|/\*(?s:.*?)\*/|/\*(?s:.*)")
_SECTION = re.compile(r"\[[^]{\"]+\]")
_FIRST = re.compile(r"^[ \t]*(?=[^ \t\n#;])", re.MULTILINE)
"""Matches before the first thing that is not a comment."""
_KIND = re.compile(r"""["']?kind["']?[ \t]*:[ \t]*["']?(ConfigMap|Secret)\b""")
_API_VERSION = re.compile(
    r"""(?:^[ \t]*(?:- )?|\{[ \t]*|,[ \t]*)["']?apiVersion["']?[ \t]*:""", re.MULTILINE
)
_OF_KUBECTL = re.compile(r"NAME +DATA +AGE|Name: +\S+\nNamespace: ")
_YAML_START = re.compile(r"---\s|%YAML")
_COTURN = re.compile(
    r"^(?:listening-port|tls-listening-port|listening-ip|use-auth-secret|static-auth-secret|"
    r"lt-cred-mech|realm|fingerprint|external-ip)[ \t]*(?:=|$)",
    re.MULTILINE,
)


def other_format(text: str, file: str) -> str:
    """Return what a file is if it is not an od.config, and what to do, or "".

    Meant for a text that could not be read as an od.config. Shows nothing of it.
    """
    first = _FIRST.search(text)
    start = text[first.end() :] if first else ""
    if not start.strip():
        return _EMPTY
    if _SECTION.match(start):
        return ""
    bare = _without_json_comments(start)
    if _JSON_START.match(bare) or _JSONC_NAME.search(file):
        return _of_kubernetes(bare) or _JSON
    found = _of_kubernetes(start) or _by_start(start)
    return found or (_YAML if _YAML_NAME.search(file) else "")


def _of_kubernetes(text: str) -> str:
    if _OF_KUBECTL.match(text):
        return _SHOWN_BY_KUBECTL["ConfigMap"]
    if not _API_VERSION.search(text):
        return ""
    kind = _KIND.search(text)
    return _SHOWN_BY_KUBECTL[kind.group(1)] if kind else _MANIFEST


def _by_start(text: str) -> str:
    for prefix, message in (("<", _MARKUP), ("-----BEGIN ", _PEM)):
        if text.startswith(prefix):
            return message
    if "\0" in text:
        return _BINARY
    if _COTURN.search(text):
        return _TURNSERVER
    return _YAML if _YAML_START.match(text) else ""


def _without_json_comments(text: str) -> str:
    """Return a text from the first thing on that is not a comment of JSON."""
    end = 0
    while True:
        match = _JSON_COMMENT.match(text, end)
        if not match:
            return text[end:]
        end = match.end()
