"""``labkit lab``: JupyterLab, opened at the first notebook."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from labkit import proxy
from labkit.course.workbook import Workbook
from labkit.errors import LabError
from labkit.jupyter import FIRST, project_root, work_folder


def main(arguments: Sequence[str], call: Callable[..., int] = subprocess.call) -> int:
    """Copy what a student will work on, start JupyterLab in the project's folder and wait for it.

    A JupyterLab that is reached by another address than this machine's is told so with
    ``--ServerApp.custom_display_url`` or ``--ServerApp.allow_origin``; the local cloud of each notebook
    then lets that origin in, so that the browser client works through JupyterLab's proxy.

    Args:
        arguments: passed on to JupyterLab, such as ``--no-browser``.
        call: runs a command in a folder and an environment, and returns its exit status.

    Raises:
        EnvironmentProblem: the project's notebooks are not found.
    """
    root = project_root()
    try:
        for line in Workbook(root / "exercises", work_folder()).copy():
            print(line)
    except LabError as error:
        print(error, file=sys.stderr)  # the lessons can be read all the same
    command = [
        *(sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1"),
        # Named as a file to open, the notebook's own folder would be all that JupyterLab shows, and
        # the student's copies in work/ would be out of reach.
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{FIRST.as_posix()}",
        *arguments,
    ]
    named = [*proxy.origins(), *_origins(arguments)]
    environment = {**os.environ, proxy.ORIGINS_VARIABLE: ",".join(named)}
    try:
        return call(command, cwd=root, env=environment)
    except KeyboardInterrupt:
        return 0


def _origins(arguments: Sequence[str]) -> list[str]:
    """The origins at which JupyterLab is told that it is reached."""
    options = ("--ServerApp.custom_display_url=", "--ServerApp.allow_origin=")
    urls = [each.partition("=")[2] for each in arguments if each.startswith(options)]
    return [origin for url in urls for origin in proxy.origin_of(url)]
