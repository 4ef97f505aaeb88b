"""A notebook in this process: IPython's own shell, with a work folder and an AWS account from nothing.

What a notebook changes of the process (variables, folder, path) is put back at the end, and what it made
in the student's account is removed.  A student's own work folder is not touched.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import types
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from labkit.course.proof.snapshot import Snapshot
from labkit.jupyter import WORK_VARIABLE
from labkit.lab import Lab
from labkit.wire import LOCAL_ACCOUNT

_READS = re.compile(r"Get|List|Describe|Query|Scan|BatchGet|AssumeRole")
_MODULE = "notebook"


class Shell:
    """Runs a notebook's cells.  Use it in a ``with`` statement.

    Args:
        lab: the lab that runs.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._open = ExitStack()
        self._begun = lab.log.last

    def __enter__(self) -> Shell:
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="labkit-")))
        self._work, self._kept = folder / "work", folder / "kept"
        self._open.enter_context(_surroundings())
        os.environ[WORK_VARIABLE] = str(self._work)
        self._environment = dict(os.environ)
        config = Config()
        config.HistoryManager.enabled = False
        self._shell = InteractiveShell(
            config=config,
            user_module=types.ModuleType(_MODULE),
            ipython_dir=str(folder / "ipython"),
        )
        for method in ("showtraceback", "showsyntaxerror"):  # nobody reads tracebacks here
            setattr(self._shell, method, lambda *_, **__: None)
        self._open.callback(self._shell.restore_sys_module_state)
        return self

    def __exit__(self, *error: object) -> None:
        if self._touched(self._begun):
            self._forget()
        self._open.close()

    @property
    def names(self) -> dict[str, Any]:
        """The notebook's names."""
        names: dict[str, Any] = self._shell.user_ns
        return names

    def run(self, cell: str) -> BaseException | None:
        """Run a cell; what it raised."""
        with capture_output():
            result = self._shell.run_cell(cell, store_history=False)
        error: BaseException | None = result.error_before_exec or result.error_in_exec
        return error

    def begin(self) -> None:
        """Begin from nothing: no names, no files, nothing in the account, no faults."""
        if self._touched(self._begun):
            self._forget()
        self._begun = self._lab.log.last
        _set(self._environment)
        self._lab.faults.clear()
        self._shell.reset(new_session=False)
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        os.chdir(self._work)

    def keep(self) -> None:
        """Remember how everything is now."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self._work, self._kept)
        self._snapshot = Snapshot(self.names, _MODULE)
        self._kept_environment = dict(os.environ)
        self._faults = {fault.id for fault in self._lab.faults}
        self._ready = self._lab.log.last

    def restore(self) -> bool:
        """Put back what was kept.

        Returns:
            Whether that is possible: what was made in the account since cannot be taken back alone.
        """
        if self._touched(self._ready):
            return False
        _set(self._kept_environment)
        for fault in self._lab.faults:
            if fault.id not in self._faults:
                self._lab.faults.clear(fault)
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(self._kept, self._work)
        os.chdir(self._work)
        self._snapshot.restore(self.names)
        return True

    def _touched(self, after: int) -> bool:
        """Whether something was written in the student's account."""
        return any(
            event.kind == "aws.call"
            and event.get("account", LOCAL_ACCOUNT) == LOCAL_ACCOUNT
            # A message to a client makes nothing that stays.
            and event["service"] != "apigatewaymanagementapi"
            and not _READS.match(event["operation"])
            for event in self._lab.log.after(after)
        )

    def _forget(self) -> None:
        """Remove all that the student's account holds."""
        request = urllib.request.Request(
            f"{self._lab.endpoint}/_labkit/accounts/{LOCAL_ACCOUNT}", method="DELETE"
        )
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


def named(error: BaseException) -> str:
    """An exception in a line."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _set(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


@contextmanager
def _surroundings() -> Iterator[None]:
    """Put back what a notebook may change of the process."""
    environment, folder, path = dict(os.environ), Path.cwd(), list(sys.path)
    try:
        yield
    finally:
        _set(environment)
        os.chdir(folder)
        sys.path[:] = path
        sys.modules.pop(_MODULE, None)
