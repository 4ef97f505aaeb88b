"""Runs at the start of every Python that a function starts, and of functions with their own SDK.

Python imports a module of this name at start-up if it finds one; ``PYTHONPATH`` of a function leads
here, as it leads to ``/var/runtime`` on AWS.  What such a process addresses to AWS goes to the local
cloud, like everything that the function itself sends.
"""

from __future__ import annotations

import os
import sys


def endpoint() -> str | None:
    """The local cloud's address: given to a function, found beside its AWS configuration else."""
    given = os.environ.pop("LABKIT_ENDPOINT", None)
    if given:
        return given
    configuration = os.environ.get("AWS_CONFIG_FILE")
    if not configuration:
        return None
    try:
        with open(
            os.path.join(os.path.dirname(configuration), "endpoint"), encoding="utf-8"
        ) as file:
            return file.read().strip() or None
    except OSError:
        return None


def install() -> None:
    """Send AWS calls of this process to the local cloud, if there is one."""
    address = endpoint()
    if address is None:
        return
    import redirect  # type: ignore[import-not-found]  # found on this process's path

    redirect.install(address)
    # A student's own redirect.py must not find this one in its place.
    del sys.modules["redirect"]


install()
