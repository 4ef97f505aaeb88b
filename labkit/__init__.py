"""A teaching lab for AWS's serverless WebSocket pattern, on a cloud of its own.

    from labkit import Lab
    lab = Lab.start()

What is here is loaded when it is first used, so ``import labkit`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["Lab", "LabError", "__version__", "package"]

if TYPE_CHECKING:
    from labkit.deployment_package import package
    from labkit.errors import LabError
    from labkit.lab import Lab

_HOMES = {"Lab": "labkit.lab", "LabError": "labkit.errors", "package": "labkit.deployment_package"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext labkit`` makes ``%%handler`` available in a notebook.

    The cell that says it may run again: that does no harm, and IPython does not remark on it.
    """
    import_module("labkit.handler_magic").register(ipython)
    import_module("labkit.course.not_run").watch(ipython)

    def forget(_: Any) -> None:
        ipython.events.unregister("post_run_cell", forget)
        ipython.extension_manager.loaded.discard("labkit")

    ipython.events.register("post_run_cell", forget)
