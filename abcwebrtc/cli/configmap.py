"""``abcwebrtc configmap``: prints the ConfigMap that holds od.config."""

from __future__ import annotations

import argparse

from abcwebrtc.abcdesktop import CONFIG_KEY, CONFIG_MAP, NAMESPACE
from abcwebrtc.cli.options import kube_key, kube_name, kube_namespace
from abcwebrtc.cli.output import TEXT, YAML, note, print_problems, show_data
from abcwebrtc.cli.parser import OK, add_form
from abcwebrtc.cluster.configmap import config_map, read_od_config
from abcwebrtc.config.checked_file import CheckedFile

NAME, SUMMARY = "configmap", "print the ConfigMap that holds od.config"
DESCRIPTION = f"""\
Print the same ConfigMap as 'kubectl create configmap {CONFIG_MAP}
--from-file={CONFIG_KEY} -o yaml --dry-run=client', if od.config has no error.
Nothing is contacted. 'abcwebrtc apply' puts it into the cluster.

example: abcwebrtc configmap od.config | kubectl replace -n {NAMESPACE} -f -
"""
NOTE = (
    "anyone who may read the ConfigMap can read the static auth secret in it; to keep it in a "
    "Secret, use coturn_static_auth_secret_file"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_name_arguments(parser)
    add_form(parser, "YAML")
    parser.add_argument(
        "-n", "--namespace", type=kube_namespace, help="namespace to write into it (none)"
    )


def add_name_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name the ConfigMap and the key in it."""
    parser.add_argument(
        "--name", type=kube_name, default=CONFIG_MAP, help="name of the ConfigMap (%(default)s)"
    )
    parser.add_argument(
        "--key", type=kube_key, default=CONFIG_KEY, help="key in the ConfigMap (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Print the ConfigMap."""
    checked = read_od_config(options.od_config)
    print_checked(checked)
    manifest = config_map(checked.text, options.name, options.key, options.namespace)
    show_data(manifest, YAML if options.form == TEXT else options.form)
    return OK


def print_checked(checked: CheckedFile) -> None:
    """Print the warnings and notes of a check on stderr, and a note if the text has a secret."""
    print_problems(checked.problems)
    if checked.has_inline_secret:
        note(NOTE)
