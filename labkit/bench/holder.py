"""Holds many idle connections until it is killed, and then loses all of them at once.

    python -m labkit.bench.holder URL COUNT

prints ``{"seconds": …}``, the time that it took to open them.
"""

from __future__ import annotations

import json
import sys
import time

from labkit.bench.crowd import crowd

SECONDS = 120.0
"""Until all connections must be open."""


def main(url: str, count: int) -> None:
    """Hold the connections until standard input ends, or something ends the process."""
    started = time.perf_counter()
    with crowd(url, count, SECONDS):
        print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
