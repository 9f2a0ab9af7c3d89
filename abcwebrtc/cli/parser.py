"""The parser of the command line: what all commands have in common.

A command's module has NAME, SUMMARY (a line for ``abcwebrtc --help``), DESCRIPTION (for its own
``--help``), ``add_arguments(parser)`` and ``run(options)``, which prints and returns the exit
status. Each reads an od.config, which is its first argument; a command that sets OWN_POSITIONALS
declares its arguments itself.

A command may set two defaults, functions of the parsed options: ``arrange`` sorts arguments that
may come in any order, and ``does_without`` says whether no od.config is needed this time.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import Any, List, NoReturn, Optional, Sequence

from abcwebrtc.cli.output import FORMS, TEXT, detail, show_usage_error
from abcwebrtc.cluster.restart import NotReadyError
from abcwebrtc.config.problems import is_slip, nearest
from abcwebrtc.errors import AbcWebRTCError, CredentialError, ProblemsError, UnreadableError

OK, FAILED, USAGE, UNABLE, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit statuses, as ``abcwebrtc --help`` explains them."""
STDIN, STDIN_FILE = "-", "/dev/stdin"
OD_CONFIG_VARIABLE, DEFAULT_OD_CONFIG = "ABCWEBRTC_OD_CONFIG", "od.config"
_OPTION = re.compile("--?[a-z][a-z-]{0,29}")
_QUOTING = (
    re.compile(r"(invalid choice)(: .*)( \(choose from .*)", re.DOTALL),
    re.compile(r"(ambiguous option:)( .*)( could match .*)", re.DOTALL),
)
"""Messages of argparse that quote a value: the words before it, the value, the words after it."""
_OLDER_THAN = {"--quiet": "--quick", "--force": "--format"}
"""An option, and the older one whose abbreviations it must not make ambiguous."""


def status_of(error: AbcWebRTCError) -> int:
    """Return the exit status for an error: a finding, or what kept the command from its work."""
    if isinstance(error, UnreadableError):
        return UNABLE
    is_finding = isinstance(error, (ProblemsError, CredentialError, NotReadyError))
    return FAILED if is_finding else UNABLE


class CommandParser(argparse.ArgumentParser):
    """A parser that never drops a value, and never shows one: it may be a misplaced secret.

    An option that is given twice is an error, or a list; argparse silently keeps the last value.
    A flag may be repeated.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)
        for name in (None, "store"):
            self.register("action", name, _Once)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and a message that leaves out the values that argparse quotes."""
        for pattern in _QUOTING:
            message = pattern.sub(_without_value, message)
        message = re.sub("ignored explicit argument .*", "takes no value", message, flags=re.DOTALL)
        required = "the following arguments are required:"
        message = message.replace(required, "missing on the command line:")
        show_usage_error(self.prog, message)
        self.exit(USAGE)

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # argparse hides that nothing was printed

    def _get_option_tuples(self, option_string: str) -> List[Any]:
        found: List[Any] = super()._get_option_tuples(option_string)
        names = {one[1] for one in found}
        return [one for one in found if len(names) != 2 or _OLDER_THAN.get(one[1]) not in names]

    def _match_arguments_partial(self, actions: Any, arg_strings_pattern: str) -> List[int]:
        counts: List[int] = super()._match_arguments_partial(actions, arg_strings_pattern)
        # argparse treats an optional argument as left out if the next word is an option
        while counts and not counts[-1] and "A" in arg_strings_pattern[sum(counts) :]:
            counts.pop()
        return counts

    def not_known(self, words: Sequence[str]) -> NoReturn:
        """Exit with status 2 because of words that neither an option nor an argument took."""
        names = [word.partition("=")[0] for word in words]
        shown = [name for name in names if _OPTION.fullmatch(name)]
        number = len(words) - len(shown)
        if number:
            many = "a word that is" if number == 1 else f"{number} words that are"
            shown.append(f"{many} not shown, since a secret may be there by mistake")
        near = nearest(shown[0], self._option_string_actions) if not number else None
        meant = f"; did you mean {near}?" if near else ""
        if near == shown[0]:  # it was written before the command
            meant = f"; write it after '{self.prog}'"
        self.error(f"unrecognized arguments: {', '.join(shown)}{meant}")


def _without_value(match: "re.Match[str]") -> str:
    start, word, end = match.groups()
    word = word.strip(": '\"")
    near = nearest(word, re.findall("[a-z][a-z-]+", end.partition("from")[2]))
    if is_slip(word, near):
        return f"{start}: {word}; did you mean {near}?"
    return f"{start}{end}"


class _Once(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: Optional[str] = None,
    ) -> None:
        given_before = namespace.__dict__.setdefault("options_given", set())
        if option_string and self.dest in given_before:
            raise argparse.ArgumentError(self, "is given twice; give it once")
        given_before.add(self.dest)
        setattr(namespace, self.dest, values)


def given(text: str) -> str:
    """Return the value of an option as it is, unless it is empty.

    An empty value comes from a shell variable that is not set. If it were treated as
    if the option was missing, a secret could be printed, or the wrong cluster changed.
    """
    if text:
        return text
    raise argparse.ArgumentTypeError("is empty; perhaps a variable of your shell is not set")


def add_od_config(parser: argparse.ArgumentParser, positional: bool = True) -> None:
    """Declare the od.config, as an argument and as an option."""
    add = parser.add_argument
    if positional:
        add("od_config", metavar="OD_CONFIG", nargs="?", type=od_config_name, help=_OD_CONFIG_HELP)
    else:
        parser.set_defaults(od_config=None)
    add(
        "--od-config",
        dest="named_od_config",
        metavar="FILE",
        type=od_config_name,
        help="the same as OD_CONFIG" if positional else _OD_CONFIG_HELP,
    )
    parser.set_defaults(usage_error=parser.error)


_OD_CONFIG_HELP = (
    f"pyos's od.config, - for stdin (${OD_CONFIG_VARIABLE}, or else ./{DEFAULT_OD_CONFIG})"
)


def od_config_name(text: str) -> str:
    """Return the name of the od.config, with ``./`` before one that looks like an option."""
    if text == STDIN:
        return STDIN_FILE
    return f"./{text}" if text.startswith("-") else given(text)  # commands are printed with it


def add_form(parser: argparse.ArgumentParser, text: str = "text for people") -> None:
    """Declare the form of the result; `text` describes the default."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-o",
        dest="form",
        metavar="FORMAT",
        choices=FORMS,
        default=TEXT,
        help=f"print {', '.join(FORMS[:-1])} or {FORMS[-1]} ({text})",
    )
    group.add_argument(
        "--json", dest="form", action="store_const", const="json", help="the same as -o json"
    )


def add_volume(parser: argparse.ArgumentParser) -> None:
    """Declare how much is printed besides the result."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-q", "--quiet", action="store_true", help="print only the result and errors"
    )
    group.add_argument("-v", "--verbose", action="store_true", help="report each step on stderr")


def settle_od_config(options: argparse.Namespace) -> None:
    """Set ``options.od_config`` to the name of the file that the command reads.

    The command line names it, or the environment, or it is the one in the current folder. Exits
    with a usage error if there is none.
    """
    if not hasattr(options, "named_od_config"):
        return
    if hasattr(options, "arrange"):
        options.arrange(options)
    if options.od_config is not None and options.named_od_config is not None:
        options.usage_error("the od.config is given twice; give either OD_CONFIG or --od-config")
    options.od_config = options.od_config or options.named_od_config
    if options.od_config is None and not getattr(options, "does_without", _never)(options):
        options.od_config = _default_od_config(options)
    if options.od_config is not None:
        stdin = options.od_config == STDIN_FILE
        detail(f"reading od.config from {'stdin' if stdin else options.od_config}")


def _never(options: argparse.Namespace) -> bool:
    return False


def _default_od_config(options: argparse.Namespace) -> str:
    name = os.environ.get(OD_CONFIG_VARIABLE)
    if name is not None:
        try:
            name = od_config_name(name)
        except argparse.ArgumentTypeError as error:
            options.usage_error(f"{OD_CONFIG_VARIABLE} {error}")
        return name
    if not os.path.exists(DEFAULT_OD_CONFIG):
        options.usage_error(
            f"there is no {DEFAULT_OD_CONFIG} in this folder; name one: OD_CONFIG, "
            f"--od-config FILE, or {OD_CONFIG_VARIABLE} in the environment"
        )
    return DEFAULT_OD_CONFIG
