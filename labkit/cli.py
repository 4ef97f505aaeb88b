"""The ``labkit`` command: one verb a module, imported only when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from labkit import __version__
from labkit.errors import LabError

VERBS = {
    "lab": ("labkit.jupyterlab", "open JupyterLab at the first notebook"),
    "check": ("labkit.course.validation", "say how each exercise of your notebook stands"),
    "hint": ("labkit.course.hinting", "give the next hint for an exercise"),
    "reveal": ("labkit.course.revealing", "show the solution of an exercise"),
    "restore": ("labkit.course.restoring", "bring one exercise back to its stub"),
    "resume": ("labkit.course.resuming", "build what a lesson needs, of your own answers"),
    "progress": ("labkit.course.standings", "say where you stand, and where to go on"),
    "certificate": (
        "labkit.course.certifying",
        "write your certificate of completion, or verify one",
    ),
    "demo": ("labkit.demo", "run the whole pattern once and show what happens"),
    "serve": ("labkit.serve", "run the local cloud in a process of its own"),
    "bench": ("labkit.bench", "measure the local cloud beside bare servers"),
    "build": ("labkit.course.build", "build the notebooks of the lessons' sources"),
    "prove": ("labkit.course.proof.command", "try known answers on the checks of exercises"),
    "verify": ("labkit.course.verifying", "say whether the whole course is as it must be"),
    "doctor": ("labkit.doctor", "say what is wrong with this environment, and the cure"),
}
"""Each verb: the module whose ``main(arguments)`` runs it, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb.

    Args:
        arguments: the command line without the program's name.

    Returns:
        The exit status: 0, 1 for a failure that was reported, 2 for a wrong command line, 130 after
        Ctrl-C.
    """
    try:
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads standard output any more, as after ``labkit demo | head``.  What is left in
        # the buffer goes nowhere, or the interpreter would complain as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # as of a program that SIGPIPE ends
    return status


def _run(words: list[str]) -> int:
    if words and words[0] in ("-V", "--version"):
        print(f"labkit {__version__}")
        return 0
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    verb, *rest = words
    if verb not in VERBS:
        print(f"labkit: there is no verb {verb!r}.\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        return int(import_module(VERBS[verb][0]).main(rest))
    except LabError as error:
        print(f"labkit {verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def usage() -> str:
    """The verbs, a line each."""
    lines = [f"  {verb:11} {what}" for verb, (_, what) in VERBS.items()]
    return "usage: labkit VERB [options]\n\n" + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
