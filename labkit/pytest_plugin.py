"""What nbval needs to know of the lab's notebooks: a pytest plugin, loaded by its entry point.

For every run with ``--nbval`` or ``--nbval-lax`` it sets what nbval leaves to the command line: the
kernel is this very Python, a cell may take 60 seconds, and what differs from run to run is replaced
as the build does it.  A notebook runs with a work folder that is empty and in a cloud of its own, so
that a run changes nobody's progress.  Only a student's copy, which lies in the work folder, keeps that:
there a run is the student's own check.  A live view is shown once, at the end of its cell.

    pytest --nbval-lax --labkit-unsolved exercises/
        each check cell must fail, with the lab's own NotYet, and no other cell may
    pytest --nbval --labkit-leave-out 1.3 solutions/
        exercise 1.3 is unsolved, and exactly its check must fail

Without nbval's options it does nothing, and nothing is imported.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

OWN_FOLDERS = ("notebooks", "exercises", "solutions")
"""Folders below the lab's whose notebooks are the course's, not a student's."""

CELL_SECONDS = 60.0
"""For one cell.  nbval's own limit is longer than anybody waits, and a dead kernel takes all of it."""

_NBVALS_SECONDS = 2000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the lab's options."""
    group = parser.getgroup("labkit", "the lab's notebooks (with --nbval or --nbval-lax)")
    group.addoption(
        "--labkit-unsolved",
        action="store_true",
        help="each check cell must fail with NotYet, and no other cell may fail",
    )
    group.addoption(
        "--labkit-leave-out",
        metavar="N.M",
        help="put the stub in the place of a solution; exactly that exercise's check must fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set nbval's options, if notebooks are run.

    Raises:
        pytest.UsageError: one of the lab's options without nbval's.
    """
    option = config.option
    if getattr(option, "nbval", False) or getattr(option, "nbval_lax", False):
        if not option.nbval_kernel_name:
            option.nbval_current_env = True
        if option.nbval_cell_timeout == _NBVALS_SECONDS:
            option.nbval_cell_timeout = CELL_SECONDS
        config.pluginmanager.register(Notebooks(config), "labkit-notebooks")
    elif option.labkit_unsolved or option.labkit_leave_out:
        raise pytest.UsageError("The lab's options are for notebooks: add --nbval or --nbval-lax.")


def exercise_of(cell: Any, role: str) -> str | None:
    """The number of the exercise that a cell is the answer or the check of.

    Args:
        cell: a notebook's cell.
        role: ``"answer"`` or ``"check"``.

    Returns:
        The number; for a check cell whose metadata was lost, what it calls ``check`` with; else
        ``None``.
    """
    said = cell.metadata.get("labkit", {})
    if said:
        return str(said["exercise"]) if said.get("role") == role else None
    from labkit.course.source import calls_of_check

    called = calls_of_check(cell.source) if role == "check" and cell.cell_type == "code" else []
    return called[0] if called else None


class Notebooks:
    """The hooks of a run with notebooks."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._unsolved: bool = config.option.labkit_unsolved
        self._left_out: str | None = config.option.labkit_leave_out

    # -- every notebook ---------------------------------------------------------------------------

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Compare with what differs from run to run replaced."""
        from nbval.plugin import IPyNbFile

        from labkit.course.substitutions import SUBSTITUTIONS, places

        if isinstance(collector, IPyNbFile):
            for pattern, replacement, _ in (*places(_lab_of(collector.path)), *SUBSTITUTIONS):
                collector.sanitize_patterns[pattern] = replacement

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Say what a notebook's kernel is for, which starts in here.

        It shows live views once, at their end, because nbval knows no updates; and if the notebook
        is no student's copy, the work folder is an empty one.
        """
        from labkit.jupyter import work_folder

        if not _is_cell(item) or getattr(item.parent, "kernel", None) is not None:
            return (yield)
        changed: dict[str, str | None] = {"LABKIT_STILL": "1"}
        if item.path.parent.resolve() != work_folder().resolve():
            work = tempfile.TemporaryDirectory(prefix="labkit-", ignore_cleanup_errors=True)
            self._config.add_cleanup(work.cleanup)
            changed |= {"LABKIT_WORK": work.name, "LABKIT_ENDPOINT": None}
        before = {name: os.environ.get(name) for name in changed}
        _set(changed)
        try:
            return (yield)
        finally:
            _set(before)

    # -- exercises that must fail -----------------------------------------------------------------

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Put the stub of what is left out into its place, and refuse a run in which nothing can fail.

        Raises:
            pytest.UsageError: a notebook has no check cell, or no notebook the exercise left out.
        """
        cells: list[Any] = [item for item in session.items if _is_cell(item)]
        must_fail = [cell for cell in cells if self._must_fail(cell)]
        for cell in must_fail:
            cell.options["check"] = False
        if self._unsolved:
            without = {cell.path for cell in cells} - {cell.path for cell in must_fail}
            if without:
                named = ", ".join(sorted(path.name for path in without))
                raise pytest.UsageError(f"--labkit-unsolved: no check cell in {named}.")
        if self._left_out:
            if not must_fail:
                raise pytest.UsageError(
                    f"--labkit-leave-out: no notebook here has an exercise {self._left_out}."
                )
            for cell in cells:
                if exercise_of(cell.cell, "answer") == self._left_out:
                    cell.cell.source = _stub(cell.path, self._left_out)
                    cell.options["check"] = False  # what the stub prints may differ

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Generator[None, object, object]:
        """Turn the verdict on a check cell that must fail."""
        if not _is_cell(item) or not self._must_fail(item):
            return (yield)
        from nbval.plugin import NbCellError

        failed: NbCellError | None = None
        try:
            yield
        except NbCellError as error:
            failed = error
        errors = [out for out in item.test_outputs or () if out.output_type == "error"]
        if [out.ename for out in errors] == ["NotYet"]:
            return None
        number = exercise_of(item.cell, "check")
        if errors or failed:
            named = errors[0].ename if errors else str(failed)
            said = f"Exercise {number} must fail with NotYet, and failed with: {named}"
        else:
            said = f"Exercise {number} is solved as it is; its check must fail"
        trace = failed.inner_traceback if failed else None
        raise NbCellError(item.cell_num, said, item.cell.source, trace) from None

    def _must_fail(self, item: Any) -> bool:
        number = exercise_of(item.cell, "check")
        return number is not None and (self._unsolved or number == self._left_out)


def _is_cell(item: Any) -> bool:
    from nbval.plugin import IPyNbCell

    return isinstance(item, IPyNbCell)


def _lab_of(notebook: Path) -> Path:
    """The lab's folder that a notebook belongs to; its own if it lies elsewhere."""
    return notebook.parent.parent if notebook.parent.name in OWN_FOLDERS else notebook.parent


def _stub(solution: Path, number: str) -> str:
    """The answer cell of an exercise as a student gets it."""
    import nbformat

    path = solution.parent.parent / "exercises" / solution.name
    cells = nbformat.read(path, as_version=4).cells if path.is_file() else []
    for cell in cells:
        if exercise_of(cell, "answer") == number:
            return str(cell.source)
    raise pytest.UsageError(
        f"--labkit-leave-out: exercises/{path.name} has no stub of {number}. Run: labkit build."
    )


def _set(environment: dict[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
