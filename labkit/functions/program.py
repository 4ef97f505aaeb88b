"""What a function's process runs: a fork that has the SDK loaded, or a program of its own.

An OS-only runtime (``provided.al2023``) has none: the package brings it, as an executable file
``bootstrap``.  Python's client for the Runtime API, AWS's ``awslambdaric``, can be one.

Source: "Building a custom runtime for AWS Lambda" in the AWS Lambda developer guide.

Not emulated: a ``bootstrap`` in a layer; runtimes of other languages than Python.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from labkit.functions.environment import RUNTIME
from labkit.functions.model import FunctionConfiguration

INTERPRETER = (sys.executable, "-s", str(RUNTIME / "bootstrap.py"))
"""A new interpreter with the lab's runtime."""


def program(function: FunctionConfiguration, *, task_root: str, brings_sdk: bool) -> Sequence[str]:
    """The program that a function's process runs, with its arguments; empty for a fork.

    Args:
        function: the function.
        task_root: the folder of the unpacked package.
        brings_sdk: the package has an SDK of its own, so that the loaded one must not be used.
    """
    if function.brings_runtime:
        return (os.path.join(task_root, "bootstrap"),)
    return INTERPRETER if brings_sdk else ()
