"""The commands of ``abcwebrtc``, a module each.

A command's module has NAME, SUMMARY (a line for ``abcwebrtc --help``),
DESCRIPTION (for its own ``--help``), ``add_arguments(parser)`` and
``run(options)``, which prints and returns the exit status.
"""

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
