"""Starts the lab once and says how long it took, imports apart.

    python -m labkit.bench.starting

prints ``{"imports": …, "start": …}``, both in seconds.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

LIBRARIES = ("boto3", "moto.backends", "moto.backend_index", "aiohttp.web")
"""boto3, moto's core and the server: what any local cloud of this kind has to import."""


def main() -> None:
    """Import the libraries, start the lab, print the times, stop it."""
    began = time.perf_counter()
    for library in LIBRARIES:
        import_module(library)
    imported = time.perf_counter()
    from labkit import Lab

    lab = Lab.start()
    started = time.perf_counter()
    print(json.dumps({"imports": imported - began, "start": started - imported}), flush=True)
    lab.stop()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
