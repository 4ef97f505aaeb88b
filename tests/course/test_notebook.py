"""Notebooks built of cells: what each holds, ids that stay, and a text that stays."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.course import catalogue, notebook, source
from labkit.course.catalogue import Lesson
from tests.course.drafts import PACKAGE, Draft


def exercises(lesson: Lesson, *, solved: bool) -> Any:
    path = lesson.folder / "exercises.md"
    sources = source.exercise_sources(lesson).values()
    return notebook.exercise_notebook(lesson, source.read_cells(path), sources, solved=solved)


def cells(lesson: Lesson, *, solved: bool) -> dict[str, Any]:
    return {cell.id: cell for cell in exercises(lesson, solved=solved).cells}


@pytest.fixture
def lesson() -> Lesson:
    return catalogue.lesson(1, PACKAGE)


def test_the_unsolved_notebook_has_stubs_and_no_explanations(lesson: Lesson) -> None:
    unsolved = cells(lesson, solved=False)
    assert unsolved["answer-1-1"].source == "def greet(name):\n    ...  # a greeting"
    assert "why-1-1" not in unsolved
    assert "Hello, {name}" not in notebook.text(exercises(lesson, solved=False))


def test_the_solved_notebook_has_solutions_and_explanations(lesson: Lesson) -> None:
    solved = cells(lesson, solved=True)
    assert solved["answer-1-1"].source == 'def greet(name):\n    return f"Hello, {name}!"'
    assert solved["why-1-1"].source.startswith("An f-string")
    assert "tags" not in solved["why-1-1"].metadata


def test_cells_say_which_exercise_they_belong_to_and_what_they_are(lesson: Lesson) -> None:
    told = {name: cell.metadata.get("labkit") for name, cell in cells(lesson, solved=False).items()}
    assert told == {
        "01-1": None,
        "01-2": None,
        "task-1-1": {"exercise": "1.1", "role": "task"},
        "answer-1-1": {"exercise": "1.1", "role": "answer"},
        "check-1-1": {"exercise": "1.1", "role": "check"},
        "task-1-2": {"exercise": "1.2", "role": "task"},
        "given-1-2": {"exercise": "1.2", "role": "given"},
        "task-1-2-2": {"exercise": "1.2", "role": "task"},
        "answer-1-2": {"exercise": "1.2", "role": "answer"},
        "check-1-2": {"exercise": "1.2", "role": "check"},
        "01-3": None,
    }


def test_the_box_stands_under_the_heading_in_words(lesson: Lesson) -> None:
    heading, _, box, hint, _, task = cells(lesson, solved=False)["task-1-2"].source.splitlines()
    assert heading == "## 1.2 Say goodbye in a handler"
    assert box.strip() == "> Difficulty 2 of 5 · about 8 minutes · needs 1.1 · make"
    assert hint == '> `hint("1.2")` helps.'
    assert task == "The handler gets an event such as:"


def test_ids_of_an_exercise_stay_when_another_grows(tmp_path: Path, lesson: Lesson) -> None:
    draft = Draft(tmp_path)
    draft.edit(
        "exercises.md", '```python\ncheck("1.1"', '```python\n1 + 1\n```\n\n```python\ncheck("1.1"'
    )
    before, after = cells(lesson, solved=False), cells(draft.lesson, solved=False)
    assert after.keys() - before.keys() == {"given-1-1"}
    assert {name: after[name].source for name in before} == {n: c.source for n, c in before.items()}


def test_tags_stay(lesson: Lesson) -> None:
    text = source.read_cells(lesson.folder / "lesson.md")
    tags = [cell.metadata.get("tags") for cell in notebook.lesson_notebook(lesson, text).cells]
    assert ["nbval-ignore-output"] in tags
    assert ["raises-exception"] in tags


@pytest.mark.parametrize("solved", [False, True])
def test_what_is_built_is_a_valid_notebook(lesson: Lesson, solved: bool) -> None:
    nbformat.validate(exercises(lesson, solved=solved))


def test_the_text_says_the_same_after_it_was_read_and_written_again(lesson: Lesson) -> None:
    built = notebook.text(exercises(lesson, solved=True))
    assert notebook.text(nbformat.reads(built, as_version=4)) == built
    assert built.endswith("}\n")
    assert json.loads(built)["metadata"]["language_info"] == {"name": "python"}


def test_letters_beyond_ascii_stay_readable(lesson: Lesson) -> None:
    assert "·" in notebook.text(exercises(lesson, solved=False))
