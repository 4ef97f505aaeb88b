"""Where the notebooks lie, and a student's own work."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from labkit.errors import EnvironmentProblem

FIRST = Path("notebooks") / "00_start_here.ipynb"


def project_root() -> Path:
    """The folder that holds ``notebooks/``: the working folder or one above, else the checkout.

    Raises:
        EnvironmentProblem: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if (folder / FIRST).is_file():
            return folder
    raise EnvironmentProblem(
        f"{FIRST} is neither here nor in a folder above. Run the command in the lab's folder."
    )


WORK_VARIABLE = "LABKIT_WORK"


def work_folder(root: Callable[[], Path] = project_root) -> Path:
    """Where a student's own work lies: handlers, progress, copies of the exercises.

    Args:
        root: finds the lab's folder, or raises ``EnvironmentProblem``.

    Returns:
        The folder that ``LABKIT_WORK`` names; else ``work/`` in the lab's folder, which git ignores;
        without one, a folder in the user's cache.  It need not exist.
    """
    named = os.environ.get(WORK_VARIABLE)
    if named:
        return Path(named)
    try:
        return root() / "work"
    except EnvironmentProblem:
        caches = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
        return (Path(caches) if caches else Path.home() / ".cache") / "labkit"
