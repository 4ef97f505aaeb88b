"""The machine: facts without which no figure means anything, and the limits that it sets."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from typing import Any


def machine() -> dict[str, Any]:
    """What the figures depend on: the machine, how busy it is now, Python, and the packages that work.

    ``load`` is the average number of processes that wanted a core during the last minute.
    """
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("aiohttp", "websockets", "boto3", "moto")},
    }


def allow_open_files(count: int) -> int:
    """Let this process, and those that it starts, have so many files and sockets open.

    Args:
        count: how many are wanted.

    Returns:
        How many there may be now; fewer than wanted where the system's hard limit is lower.
    """
    if sys.platform == "win32":  # there is no such limit
        return count
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= count:
        return count
    soft = count if hard == unlimited else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
