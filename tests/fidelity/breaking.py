"""Rules that are broken on purpose, each in one place of a copy of the package: its tests must fail.

What a behaviour's values are to be is proven by changing them (:mod:`tests.fidelity.plugin`).  A
behaviour without values is proven here: ``broken.toml`` says what of the source to change.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fidelity.behaviours import BROKEN, FOLDER
from tests.fidelity.claims import TESTS, Claim

ROOT = TESTS.parent
DEADLINE = 180
"""Seconds for the tests of one behaviour."""


@dataclass(frozen=True, slots=True)
class Break:
    """One change that makes a rule wrong.

    Attributes:
        behaviour: the id of the behaviour that no longer holds.
        file: the file, below the root of the repository.
        old: what stands there, once.
        new: what is to stand there.
    """

    behaviour: str
    file: str
    old: str
    new: str

    def applies(self, root: Path = ROOT) -> bool:
        """Whether the source still has what is to be changed, once."""
        return (root / self.file).read_text("utf-8").count(self.old) == 1

    def apply(self, root: Path) -> None:
        """Break the rule in a copy."""
        path = root / self.file
        path.write_text(path.read_text("utf-8").replace(self.old, self.new), "utf-8")


def breaks() -> list[Break]:
    """All changes that ``broken.toml`` names."""
    raw = tomllib.loads((FOLDER / f"{BROKEN}.toml").read_text("utf-8"))
    return [
        Break(behaviour, file, old, new)
        for file, changes in raw.items()
        for behaviour, (old, new) in changes.items()
    ]


def survivors(chosen: Iterable[Break], claims: Iterable[Claim]) -> Iterator[tuple[Break, str]]:
    """Break one rule after the other, and run the tests that claim to prove it.

    Args:
        chosen: what to break.
        claims: which test proves which behaviour.

    Yields:
        Each break with what is wrong about it, empty if a test has noticed it.
    """
    proven: dict[str, list[str]] = {}
    for claim in claims:
        proven.setdefault(claim.behaviour, []).append(f"tests/{claim.file}::{claim.test}")
    for each in chosen:
        with tempfile.TemporaryDirectory() as folder:
            yield each, _outcome(each, Path(folder), proven[each.behaviour])


def _outcome(each: Break, root: Path, tests: list[str]) -> str:
    for name in ("labkit", "tests"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "pyproject.toml", root)
    each.apply(root)
    # Few plugins, because most of the time goes by before the first test begins.
    plugins = ["-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", *plugins, *tests]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    try:
        ended = subprocess.run(
            command,
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
    except subprocess.TimeoutExpired:
        return ""  # a test that waits for what does not happen any more
    if ended.returncode == 1:
        return ""
    return f"no test fails (pytest ends with {ended.returncode}):\n{ended.stdout[-1500:]}"
