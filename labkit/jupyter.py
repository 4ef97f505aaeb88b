"""``labkit lab``: JupyterLab, opened at the first notebook."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from labkit.errors import EnvironmentProblem

FIRST = Path("notebooks") / "00_start_here.ipynb"


def main(arguments: Sequence[str]) -> int:
    """Start JupyterLab in the project's folder and wait for it.

    Args:
        arguments: passed on to JupyterLab, such as ``--no-browser``.

    Raises:
        EnvironmentProblem: the project's notebooks are not found.
    """
    root = project_root()
    command = [sys.executable, "-m", "jupyterlab", str(FIRST), "--ip=127.0.0.1", *arguments]
    try:
        return subprocess.call(command, cwd=root)
    except KeyboardInterrupt:
        return 0


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
