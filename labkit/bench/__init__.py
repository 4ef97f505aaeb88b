"""``labkit bench``: how fast the local cloud is, measured beside bare servers of the same libraries.

Read in this order: ``measurement`` (what a measurement is and how it is run), ``peer`` (who is
measured), ``echo`` (the simplest measurement), then any other.  ``bench/README.md`` tells how to
read the figures.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`labkit.bench.command.main`."""
    # The small programs beside this file are started as `python -m labkit.bench.…` and must not
    # carry what the command needs: their memory is what is measured.
    from labkit.bench import command

    return command.main(arguments)
