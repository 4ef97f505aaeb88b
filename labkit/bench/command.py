"""``labkit bench``: chooses what is measured, and shows the figures."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from labkit.bench import report, soak
from labkit.bench.bare import Bare
from labkit.bench.deaf import Deaf
from labkit.bench.echo import Echo
from labkit.bench.idle import Idle
from labkit.bench.interrupt import interruptible
from labkit.bench.invocation import Invocation
from labkit.bench.load import Load
from labkit.bench.local_cloud import LocalCloud
from labkit.bench.machine import allow_open_files, machine
from labkit.bench.measurement import Measurement, measure
from labkit.bench.notify import Notify
from labkit.bench.others import FOLDER, installed
from labkit.bench.pattern import Pattern
from labkit.bench.peer import Peer
from labkit.bench.rest import Rest
from labkit.bench.rush import Rush
from labkit.bench.start import FirstEcho, FirstResult, Start
from labkit.bench.viewed import Viewed

MEASUREMENTS: Sequence[Measurement] = (
    Start(),
    FirstEcho(),
    FirstResult(),
    Invocation(),
    Echo(),
    Pattern(),
    Pattern(portable=True),
    Load(10),
    Load(100),
    Viewed(),
    Idle(1_000),
    Idle(5_000),
    Rest(),
    Notify(5_000),
    Rush(1_000),
    Deaf(),
)
"""Everything that can be measured, in the order of measuring."""

PEERS: Sequence[Peer] = (LocalCloud(), Bare(), Bare("aiohttp"))
"""Who is measured.  One more is one more class: see :mod:`labkit.bench.peer`."""

BESIDE_PEERS = ("first-echo", "invoke", "echo", "pattern-portable", "load-100", "idle-1000")
"""What is measured beside other emulators, if nothing else is asked for."""

LONGEST_SOAK = 24 * 60
"""Minutes."""

OPEN_FILES = 6_000
"""Sockets and files that a process may need: the most connections, and some."""


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the figures as a table or as JSON; progress goes to standard error.

    Returns:
        0 when everything was measured, 1 when a run failed.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    peers = PEERS
    if options.peers is not None:
        peers = (LocalCloud(), *(installed(Path(options.peers)) if options.peers else ()))
        if len(peers) == 1:
            parser.error(
                f"no other emulator is in {options.peers or 'the folder that is not named'}; "
                "install them with: python bench/peers/install.py FOLDER"
            )
    names = options.only or (
        BESIDE_PEERS if options.peers is not None else [one.name for one in MEASUREMENTS]
    )
    chosen = [one for one in MEASUREMENTS if one.name in names]
    _forget_the_callers_cloud()
    allow_open_files(OPEN_FILES)
    facts = machine()
    began = time.perf_counter()

    def tell(line: str) -> None:
        print(f"{time.perf_counter() - began:6.1f} s  {line}", file=sys.stderr, flush=True)

    if options.soak:
        with interruptible():
            looks = soak.soak(options.soak, tell)
        print(json.dumps(soak.to_json(looks, facts)) if options.json else soak.table(looks, facts))
        return 0
    with interruptible():
        results = measure(chosen, peers, options.runs, tell)
    if options.json:
        print(json.dumps(report.to_json(results, facts, options.runs)))
    else:
        print(report.table(results, facts, options.runs))
    return 1 if results.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="labkit bench",
        description="Measure the local cloud beside bare servers of the same libraries. "
        "bench/README.md tells how to read the figures.",
    )
    parser.add_argument("--runs", type=_count, default=3, metavar="N", help="runs of each (3)")
    parser.add_argument(
        "--only",
        action="append",
        choices=[one.name for one in MEASUREMENTS],
        metavar="NAME",
        help="measure only this; may be given several times: "
        + ", ".join(one.name for one in MEASUREMENTS),
    )
    parser.add_argument(
        "--peers",
        metavar="FOLDER",
        nargs="?",
        const=os.environ.get(FOLDER, ""),
        help="measure beside the other emulators that bench/peers/install.py put into this folder; "
        f"without it, into the one that {FOLDER} names",
    )
    parser.add_argument(
        "--soak",
        type=_minutes,
        metavar="MINUTES",
        help="measure nothing else: work for so long, and tell what the local cloud holds meanwhile",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of runs; at least 1 is needed")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= LONGEST_SOAK:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of minutes, above 0 and at most {LONGEST_SOAK}"
        )
    return minutes


def _forget_the_callers_cloud() -> None:
    """Let no profile, endpoint or attached lab of whoever runs the bench have a say in it."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "LABKIT_")):
            del os.environ[name]
