"""``%%handler``: what lies in the file, and what a student reads when it goes wrong."""

from __future__ import annotations

import atexit
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import labkit
from labkit.deployment_package import package
from labkit.errors import EnvironmentProblem, HandlerProblem
from labkit.handler_magic import handler_file, handlers_folder, register, write

CELL = """\
import json

def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    made = InteractiveShell(
        config=Config(
            {"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}}
        )
    )
    yield made
    atexit.unregister(made.atexit_operations)
    made.atexit_operations()


def refusal(line: str, cell: str, folder: Path) -> str:
    with pytest.raises(HandlerProblem) as caught:
        write(line, cell, folder)
    return str(caught.value)


def test_file_has_the_lines_of_the_cell_under_the_same_numbers(tmp_path: Path) -> None:
    write("place_order", CELL, tmp_path)
    cell_as_shown = ["%%handler place_order", *CELL.splitlines()]
    lines = (tmp_path / "place_order.py").read_text("utf-8").splitlines()
    assert lines[1:] == cell_as_shown[1:]
    assert lines[0].startswith("#")


def test_traceback_points_at_the_line_of_the_cell(tmp_path: Path) -> None:
    cell = "def handler(event, context):\n    return 1 / 0\n"
    write("broken", cell, tmp_path)
    path = tmp_path / "broken.py"
    names: dict[str, Any] = {}
    exec(compile(path.read_text("utf-8"), path, "exec"), names)
    with pytest.raises(ZeroDivisionError) as caught:
        names["handler"]({}, None)
    # Line 1 is the magic, line 2 the def, line 3 the division.
    assert traceback.extract_tb(caught.value.__traceback__)[-1].lineno == 3


def test_cell_is_not_run(tmp_path: Path) -> None:
    write("careful", "raise SystemExit('ran')\n", tmp_path)
    assert (tmp_path / "careful.py").exists()


def test_text_outside_ascii_survives(tmp_path: Path) -> None:
    write("greeting", "def handler(event, context):\n    return 'Grüße, 世界'\n", tmp_path)
    assert "Grüße, 世界" in (tmp_path / "greeting.py").read_text("utf-8")


def test_folder_is_made_and_holds_nothing_else(tmp_path: Path) -> None:
    write("place_order", CELL, tmp_path / "work" / "handlers")
    write("place_order", CELL, tmp_path / "work" / "handlers")
    assert [file.name for file in (tmp_path / "work" / "handlers").iterdir()] == ["place_order.py"]


@pytest.mark.parametrize(
    ("cell", "handler"),
    [
        (CELL, "handler"),
        ("def lambda_handler(event, context): ...\ndef add(a, b): ...", "lambda_handler"),
        ("def on_connect(event, context): ...\ndef price(item): ...", "on_connect"),
    ],
)
def test_line_that_is_printed_names_the_handler(tmp_path: Path, cell: str, handler: str) -> None:
    assert write("orders", cell, tmp_path).endswith(f'orders.py, Handler="orders.{handler}"')


@pytest.mark.parametrize("cell", ["PRICES = {}", "def a(b, c): ...\ndef d(e, f): ..."])
def test_handler_that_is_not_plain_is_not_guessed(tmp_path: Path, cell: str) -> None:
    assert write("orders", cell, tmp_path).endswith("orders.py")


def test_syntax_error_points_at_the_line_of_the_cell(tmp_path: Path) -> None:
    cell = "import json\n\ndef handler(event, context)\n    return 1\n"
    said = refusal("orders", cell, tmp_path)
    assert said.splitlines()[0].startswith("line 4 of this cell is not Python: expected ':'")
    assert "> 4 | def handler(event, context)" in said
    marked, mark = said.splitlines()[-2:]
    assert marked[: mark.index("^")].endswith("(event, context)")


def test_error_that_only_the_compiler_finds_points_at_its_line(tmp_path: Path) -> None:
    said = refusal("orders", "x = 1\nreturn x\n", tmp_path)
    assert said.startswith("line 3 of this cell is not Python: 'return' outside function")


@pytest.mark.parametrize("magic", ["!pip install x", "%time f()", "?print"])
def test_notebook_magic_in_the_cell_is_explained(tmp_path: Path, magic: str) -> None:
    assert "for the notebook" in refusal("orders", f"import json\n{magic}\n", tmp_path)


def test_cell_with_an_error_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    write("orders", CELL, tmp_path)
    refusal("orders", "def handler(", tmp_path)
    assert "json.dumps(event)" in (tmp_path / "orders.py").read_text("utf-8")


def test_the_file_of_a_cell_with_an_error_is_not_taken_for_what_the_cell_says(
    tmp_path: Path,
) -> None:
    write("greet", CELL, tmp_path)
    with pytest.raises(HandlerProblem):
        write("greet", "def handler(event, context)\n    return 1\n", tmp_path)
    with pytest.raises(HandlerProblem, match=r"not Python as it stands, so greet\.py is not"):
        handler_file("greet", tmp_path)
    write("greet", CELL, tmp_path)
    assert handler_file("greet", tmp_path).is_file()


@pytest.mark.parametrize("line", ["", "two names", "place-order", "1st", "../orders", "a.b"])
def test_name_that_no_module_can_have_is_refused(tmp_path: Path, line: str) -> None:
    refusal(line, CELL, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["json", "boto3", "typing"])
def test_name_that_would_hide_a_module_is_refused(tmp_path: Path, name: str) -> None:
    assert f"hide the module '{name}'" in refusal(name, CELL, tmp_path)


def test_name_may_be_given_with_its_ending(tmp_path: Path) -> None:
    write("orders.py", CELL, tmp_path)
    assert (tmp_path / "orders.py").exists()


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "handlers").write_text("a file, not a folder")
    assert "cannot be written" in refusal("orders", CELL, tmp_path / "handlers")


def test_file_of_a_handler_is_ready_to_be_packaged(tmp_path: Path) -> None:
    write("orders", CELL, tmp_path)
    assert package(handler_file("orders", tmp_path))[:2] == b"PK"


def test_missing_handler_says_which_cell_to_run(tmp_path: Path) -> None:
    write("orders", CELL, tmp_path)
    with pytest.raises(HandlerProblem, match=r"'%%handler connect' first.*are there: orders\."):
        handler_file("connect", tmp_path)


def test_handlers_lie_in_the_labs_work_folder(tmp_path: Path) -> None:
    assert handlers_folder(lambda: tmp_path) == tmp_path / "work" / "handlers"


def test_without_the_labs_folder_handlers_lie_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise EnvironmentProblem("no notebooks here")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert handlers_folder(nowhere) == tmp_path / "labkit" / "handlers"


def test_notebook_runs_the_magic_and_shows_one_line(
    shell: InteractiveShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register(shell, lambda: tmp_path)
    result = shell.run_cell(f"%%handler orders\n{CELL}")
    result.raise_error()
    assert capsys.readouterr().out == f'{tmp_path / "orders.py"}, Handler="orders.handler"\n'


def test_notebook_shows_the_problem_without_frames(
    shell: InteractiveShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register(shell, lambda: tmp_path)
    result = shell.run_cell("%%handler orders\ndef handler(")
    assert isinstance(result.error_in_exec, HandlerProblem)
    shown = capsys.readouterr().out
    assert "HandlerProblem: line 2 of this cell is not Python: '(' was never closed" in shown
    assert "Traceback" not in shown


def test_extension_brings_the_magic(shell: InteractiveShell) -> None:
    labkit.load_ipython_extension(shell)
    assert "handler" in shell.magics_manager.magics["cell"]


def test_the_extension_may_be_loaded_again_without_a_word(
    shell: InteractiveShell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    for _ in range(3):
        shell.run_cell("%load_ext labkit").raise_error()
    assert capsys.readouterr().out == ""
    shell.run_cell(f"%%handler orders\n{CELL}").raise_error()
