"""An environment with AWS's own client tools, outside the tree.

It is made once for each list of pins, in the user's cache folder (``XDG_CACHE_HOME``), and found there
from then on.  Where it cannot be made, because there is no network, the tests are skipped; with
``CI=true`` that is a failure.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import pytest

PINS = Path(__file__).with_name("requirements.txt")
SECONDS = 240
"""For downloading and installing, once."""


def python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(folder: Path) -> None:
    """Make the environment, all of it or nothing.

    Its programs are run as modules, so it may be moved.  Whoever comes second finds it there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        venv.create(made, with_pip=True)
        pip = [str(python_in(made)), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
        subprocess.run(
            [*pip, "--require-hashes", "-r", str(PINS)],
            check=True,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def tools() -> str:
    """A Python that has the modules ``awscli``, ``awslambdaric`` and ``boto3``."""
    about = f"{sys.version_info[:2]} {sys.base_prefix}".encode() + PINS.read_bytes()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labkit-tests"
    folder = base / f"aws-tools-{hashlib.sha256(about).hexdigest()[:16]}"
    if not folder.exists():
        try:
            install(folder)
        except (OSError, subprocess.SubprocessError) as error:
            problem = f"AWS's tools cannot be installed: {getattr(error, 'stderr', '') or error}"
            if os.environ.get("CI") == "true":
                pytest.fail(problem, pytrace=False)
            pytest.skip(problem)
    return str(python_in(folder))
