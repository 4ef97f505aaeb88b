"""An answer whose cell failed is not taken for what the notebook shows."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from labkit.course.checking import check
from labkit.course.not_run import NotRun, bound, refuse, watch
from labkit.handler_magic import handler_file, handlers_folder, write

ANSWER = "def double(x):\n    return 2 * x\n"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    made = InteractiveShell(
        config=Config(
            {"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}}
        )
    )
    watch(made)
    watch(made)  # as when the first cell runs again
    yield made
    atexit.unregister(made.atexit_operations)
    made.atexit_operations()


def test_the_function_from_before_a_syntax_error_is_refused(shell: InteractiveShell) -> None:
    shell.run_cell(ANSWER)
    shell.run_cell("def double(x)\n    return 3 * x\n")
    with pytest.raises(NotRun, match=r"^double is .*SyntaxError in line 1: expected ':'\. Mend"):
        refuse([shell.user_ns["double"]])


def test_a_check_does_not_judge_it(shell: InteractiveShell) -> None:
    shell.run_cell(ANSWER)
    shell.run_cell("def double(x):\n  return 3 * (x\n")
    with pytest.raises(NotRun):
        check("1.1", shell.user_ns["double"])


def test_the_text_from_before_an_error_is_refused(shell: InteractiveShell) -> None:
    shell.run_cell('DEFINITION = """{"StartAt": "Work"}"""')
    shell.run_cell('import nowhere\n\nDEFINITION: str = """{"StartAt": "GetConn"}"""')
    with pytest.raises(NotRun, match=r"ModuleNotFoundError: No module named 'nowhere'\. Mend"):
        refuse([shell.user_ns["DEFINITION"]])


@pytest.mark.parametrize(
    "mended",
    [ANSWER, f"{ANSWER}\ndouble(None)", f"{ANSWER}\nraise RuntimeError"],
    ids=["it runs", "its trial raises", "what follows raises"],
)
def test_what_a_cell_made_after_all_is_judged(shell: InteractiveShell, mended: str) -> None:
    shell.run_cell(ANSWER)
    shell.run_cell("def double(x)\n")
    before = shell.user_ns["double"]
    shell.run_cell(mended)
    assert shell.user_ns["double"] is not before
    refuse([shell.user_ns["double"]])


def test_another_cell_that_fails_has_nothing_to_do_with_the_answer(shell: InteractiveShell) -> None:
    shell.run_cell(f"{ANSWER}\ntried = 1")
    shell.run_cell("tried = double(")
    refuse([shell.user_ns["double"]])


def test_the_file_of_another_notebook_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    handlers_folder().mkdir()
    of_lesson_3 = handlers_folder() / "connect.py"
    of_lesson_3.write_text("# %%handler connect\ndef handler(event, context): ...\n", "utf-8")
    with pytest.raises(NotRun, match=r"^connect\.py is not .* '%%handler connect', then this one"):
        refuse([handler_file("connect")])
    write("connect", "def handler(event, context):\n    return 1\n", handlers_folder())
    refuse([handler_file("connect")])
    of_lesson_3.write_text("# %%handler connect\ndef handler(event, context): ...\n", "utf-8")
    with pytest.raises(NotRun):
        refuse([handler_file("connect")])


def test_a_file_that_is_no_cells_is_taken(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(ANSWER, "utf-8")
    refuse([tmp_path / "own.py"])


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("def a(x:\n    b = 1", {"a"}),
        ("async def a(): ...\nclass B(C): ...", {"a", "B"}),
        ("a = 1\nb: int = 2\nif c == 3: ...", {"a", "b"}),
        ("a == 1\nb.c = 2\nd['e'] = 3\nf(g=4)", set()),
    ],
)
def test_names_that_a_cell_binds(cell: str, names: set[str]) -> None:
    assert bound(cell) == names
