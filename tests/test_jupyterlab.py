"""``labkit lab`` gives the student copies to work on, and opens JupyterLab."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from labkit.jupyterlab import main


class JupyterLab:
    """Stands for the command: notes down how it was called, and what lay in ``work/`` then."""

    def __init__(self, ends: BaseException | int = 0) -> None:
        self.ends = ends
        self.command: list[str] = []
        self.folder = Path()
        self.origins = ""
        self.work: list[str] = []

    def __call__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> int:
        self.command, self.folder = list(command), cwd
        self.origins = env["LABKIT_ALLOW_ORIGINS"]
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
    for name in ("LABKIT_WORK", "LABKIT_ALLOW_ORIGINS", "JUPYTERHUB_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
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


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], ""),
        (["--ServerApp.allow_origin=*"], ""),
        (["--ServerApp.allow_origin=https://hub.example.com"], "https://hub.example.com"),
        (
            ["--no-browser", "--ServerApp.custom_display_url=https://hub.example.com:8443/ada/lab"],
            "https://hub.example.com:8443",
        ),
    ],
)
def test_the_labs_let_in_the_origin_that_jupyterlab_is_reached_at(
    root: Path, arguments: list[str], named: str
) -> None:
    started = JupyterLab()
    main(arguments, started)
    assert started.origins == named


def test_origins_that_are_named_already_stay(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_ALLOW_ORIGINS", "https://a.example")
    started = JupyterLab()
    main(["--ServerApp.allow_origin=https://b.example"], started)
    assert started.origins == "https://a.example,https://b.example"


def test_an_interrupt_ends_it_quietly(root: Path) -> None:
    assert main([], JupyterLab(ends=KeyboardInterrupt())) == 0
