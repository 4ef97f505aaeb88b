"""JupyterLab as a student starts it, with folders of its own, for the tests in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.jupyter import WORK_VARIABLE

LAB = Path(__file__).resolve().parents[2]
"""The lab's folder."""

SERVED = ("notebooks", "exercises", "solutions")
"""Folders of which the server has a copy: JupyterLab saves by itself."""

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Each cell is in the page, and not only those that are in sight; nothing is below the last one.
    "notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
}

SECONDS = 40.0
"""Until the server must answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs.

    Attributes:
        url: where it is, without a slash at the end.
        root: the folder that it serves, with a copy of the lab's notebooks.
        work: the student's work folder.
    """

    url: str
    root: Path
    work: Path


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Start a server, which has ended with all its kernels when the block ends.

    Args:
        folder: an empty one for all that it reads and writes.
    """
    root, settings = folder / "lab", folder / "settings"
    for name in SERVED:
        shutil.copytree(LAB / name, root / name)
    for name, values in SETTINGS.items():
        path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), "utf-8")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"),
        *("--ip=127.0.0.1", "--port=0", "--IdentityProvider.token=", "--ServerApp.password="),
        f"--ServerApp.root_dir={root}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with subprocess.Popen(
        command,
        cwd=root,
        env=_environment(folder, settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        log = _Log(process)
        try:
            yield Server(log.url(), root, folder / "work")
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            log.end()


def _environment(folder: Path, settings: Path) -> dict[str, str]:
    """The environment of the server and its kernels: nothing of the user's own Jupyter or AWS."""
    others = ("JUPYTER", "IPYTHON", "LABKIT_", "AWS_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        WORK_VARIABLE: "work",
    }
    places = {name: str(folder / place) for name, place in own.items()}
    return {**kept, **places, "JUPYTERLAB_SETTINGS_DIR": str(settings)}


class _Log:
    """What the server writes, read as it comes, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._url = ""
        self._last: deque[str] = deque(maxlen=40)
        self._told = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def url(self) -> str:
        """Where the server is, once it says so."""
        if not self._told.wait(SECONDS) or not self._url:
            said = "".join(self._last)
            raise RuntimeError(f"JupyterLab did not start within {SECONDS:g} s:\n{said}")
        return self._url

    def end(self) -> None:
        """Wait until all is read; the server has ended."""
        self._reader.join(timeout=5)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._last.append(line)
            found = re.search(r"(http://127\.0\.0\.1:\d+)/lab", line)
            if found and not self._url:
                self._url = found[1]
                self._told.set()
        self._told.set()
