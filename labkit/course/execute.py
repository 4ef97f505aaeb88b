"""Run a notebook's cells in a fresh kernel, and keep of their outputs what is the same in each run."""

from __future__ import annotations

import asyncio
import copy
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager
from nbval.plugin import coalesce_streams

from labkit.course.exercise import CourseError
from labkit.course.recording import is_measured
from labkit.course.substitutions import SUBSTITUTIONS, Substitution, places, substitute
from labkit.jupyter import WORK_VARIABLE
from labkit.lab import ENDPOINT_VARIABLE
from labkit.views.controls import WIDGET
from labkit.views.live import STILL_VARIABLE


def execute(
    notebook: NotebookNode, folder: Path, name: str, *, seconds: float = 60
) -> NotebookNode:
    """Run a notebook from top to bottom.

    Args:
        notebook: what is run; it stays as it is.
        folder: the working folder, which is where the notebook will lie.
        name: names the notebook in messages.
        seconds: for one cell.

    Returns:
        A copy with execution counts and the outputs as they are stored: see :func:`stored`.

    Raises:
        CourseError: a cell raised without the tag ``raises-exception``, did not end in time, or ended
            its kernel; or no kernel starts, twice.
    """
    try:
        run = _run(notebook, folder, name, seconds)
    except _NotStarted:
        # A kernel's ports are chosen before it starts, and another program may be faster.
        run = _run(notebook, folder, name, seconds)
    run.metadata = copy.deepcopy(notebook.metadata)  # nbclient adds the version of Python
    folders = places(folder.parent)
    for cell in run.cells:
        if cell.cell_type == "code":
            # Of a measured cell, the numbers are what it is about.
            differ = folders if is_measured(cell) else (*folders, *SUBSTITUTIONS)
            cell.outputs = stored(cell.outputs, differ)
    return run


class _NotStarted(CourseError):
    """The kernel ended before it could be asked anything."""


def _run(notebook: NotebookNode, folder: Path, name: str, seconds: float) -> NotebookNode:
    """A copy of a notebook with what its cells gave in a fresh kernel; as :func:`execute`."""
    run = copy.deepcopy(notebook)
    # The kernel that nbval compares with: this very Python, whatever "python3" is for the user.
    kernels = AsyncKernelManager(
        kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager()
    )
    client = NotebookClient(
        run,
        km=kernels,
        timeout=seconds,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    with tempfile.TemporaryDirectory(prefix="labkit-") as work:
        try:
            asyncio.run(
                client.async_execute(
                    env=environment(Path(work)), stderr=subprocess.DEVNULL, cleanup_kc=True
                )
            )
        except CellExecutionError as error:
            raise CourseError(
                f"{name}: a cell raised {error.ename}. Mend it, or tag it raises-exception if it is "
                f"meant to.\n{_without_colours(str(error))}"
            ) from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise CourseError(
                f"{name}: {_without_colours(str(error)).strip()}\nMake the cell end within "
                f"{seconds} seconds, and leave its kernel running."
            ) from None
        except RuntimeError as error:
            raise _NotStarted(
                f"{name}: its kernel did not start ({error}). Run the command again; `labkit doctor` "
                "says whether something is wrong with the environment."
            ) from None
    return run


def environment(work: Path) -> dict[str, str]:
    """The environment of a kernel whose notebook starts from nothing, and shows live views once.

    Args:
        work: stands for the student's work folder.
    """
    inherited = {name: value for name, value in os.environ.items() if name != ENDPOINT_VARIABLE}
    return {**inherited, WORK_VARIABLE: str(work), STILL_VARIABLE: "1"}


def stored(
    outputs: Iterable[NotebookNode], substitutions: Iterable[Substitution]
) -> list[NotebookNode]:
    """A cell's outputs as a notebook stores them.

    Streams of one name are one, as nbval compares them; views of widgets are left out, and their
    text stays; what differs from run to run is replaced.

    Args:
        outputs: as the kernel sent them; they stay as they are.
        substitutions: in their order.
    """
    substitutions = tuple(substitutions)
    kept = []
    for output in coalesce_streams([copy.deepcopy(output) for output in outputs]):
        if "data" in output:
            output.data.pop(WIDGET, None)
            if not output.data:
                continue
        for member in ("data", "text", "evalue", "traceback"):
            if member in output:
                output[member] = _substituted(output[member], substitutions)
        kept.append(output)
    return kept


def _substituted(value: Any, substitutions: tuple[Substitution, ...]) -> Any:
    if isinstance(value, str):
        return substitute(value, substitutions)
    if isinstance(value, list):
        return [_substituted(part, substitutions) for part in value]
    if isinstance(value, dict):
        return NotebookNode(
            {
                kind: part if kind.startswith("image/p") else _substituted(part, substitutions)
                for kind, part in value.items()
            }
        )
    return value


def _without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
