"""``labkit lab`` gives the student copies to work on, and opens JupyterLab."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from labkit.jupyterlab import main


class JupyterLab:
    """Stands for the command: notes down how it was called, and what lay in ``work/`` then."""

    def __init__(self, ends: BaseException | int = 0) -> None:
        self.ends = ends
        self.command: list[str] = []
        self.folder = Path()
        self.work: list[str] = []

    def __call__(self, command: Sequence[str], cwd: Path) -> int:
        self.command, self.folder = list(command), cwd
        self.work = sorted(path.name for path in (cwd / "work").glob("*.ipynb"))
        if isinstance(self.ends, BaseException):
            raise self.ends
        return self.ends


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("notebooks/00_start_here.ipynb", "exercises/01_websocket_api.ipynb"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text("{}", "utf-8")
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv("LABKIT_WORK", raising=False)
    return tmp_path


def test_it_opens_at_the_first_notebook_in_the_labs_folder(root: Path) -> None:
    started = JupyterLab(ends=3)
    assert main(["--no-browser"], started) == 3
    assert started.folder == root
    assert started.command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in started.command
    assert f"--ServerApp.root_dir={root}" in started.command, "work/ must be within reach"
    assert started.command[-1] == "--no-browser"
    assert "--ip=127.0.0.1" in started.command


def test_copies_are_there_before_it_opens(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = JupyterLab()
    main([], started)
    assert started.work == ["01_websocket_api.ipynb"]
    assert "work/01_websocket_api.ipynb is your copy" in capsys.readouterr().out


def test_it_opens_even_where_nothing_can_be_copied(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "work").write_text("a file in the way", "utf-8")
    started = JupyterLab()
    assert main([], started) == 0
    assert started.command
    assert "cannot be written" in capsys.readouterr().err


def test_an_interrupt_ends_it_quietly(root: Path) -> None:
    assert main([], JupyterLab(ends=KeyboardInterrupt())) == 0
