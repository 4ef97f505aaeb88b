"""Sources are read as jupytext reads them, and malformed ones are refused with file and line."""

from pathlib import Path

import pytest

from labkit.course import catalogue, source
from labkit.course.exercise import CourseError
from tests.course.drafts import PACKAGE, Draft

PATH = Path("l01_greeting/exercises.md")


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(tmp_path)


def cells_of(tmp_path: Path, text: str) -> tuple[source.Cell, ...]:
    path = tmp_path / "lesson.md"
    path.write_text(text, "utf-8")
    return source.read_cells(path)


# -- cells ----------------------------------------------------------------------------------------


def test_a_python_fence_is_a_code_cell_with_its_tags(tmp_path: Path) -> None:
    (cell,) = cells_of(
        tmp_path, '```python tags=["nbval-ignore-output"]\nprint(1)\n\nprint(2)\n```\n'
    )
    assert cell == source.Cell("code", "print(1)\n\nprint(2)", ("nbval-ignore-output",), 2)


def test_magics_stay_as_they_are(tmp_path: Path) -> None:
    text = "```python\n%load_ext labkit\n!ls\n```\n\n```python\n%%handler connect\nx = 1\n```\n"
    sources = [cell.source for cell in cells_of(tmp_path, text)]
    assert sources == ["%load_ext labkit\n!ls", "%%handler connect\nx = 1"]


@pytest.mark.parametrize("language", ["json", "text", "console", "py"])
def test_a_fence_of_another_language_is_text(tmp_path: Path, language: str) -> None:
    text = f"Before.\n\n```{language}\n# no heading\n\n\n# nor this\n```\n\nAfter.\n"
    (cell,) = cells_of(tmp_path, text)
    assert (cell.kind, cell.source) == ("markdown", text.strip())
    assert cell.headings == []


def test_a_heading_begins_a_cell_and_each_cell_knows_its_line(tmp_path: Path) -> None:
    text = "# One\n\nText.\n\n## Two\n\n```python\nx = 1\n```\n\n### Three\n\nx = 1\n"
    cells = cells_of(tmp_path, text)
    assert [(cell.line, cell.source) for cell in cells] == [
        (1, "# One\n\nText."),
        (5, "## Two"),
        (8, "x = 1"),
        (11, "### Three\n\nx = 1"),
    ]
    assert [heading for cell in cells for heading in cell.headings] == [
        (1, "One", 1),
        (2, "Two", 5),
        (3, "Three", 11),
    ]


def test_equal_cells_each_know_their_own_line(tmp_path: Path) -> None:
    text = "```python\nx = 1\n```\n\n```python\nx = 1\n```\n"
    assert [cell.line for cell in cells_of(tmp_path, text)] == [2, 6]


def test_a_fence_that_jupytext_would_run_in_a_shell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"lesson\.md:3: ```bash would become a cell that runs"):
        cells_of(tmp_path, "One.\n\n```bash\nrm -r /\n```\n")


def test_a_fence_that_runs_is_refused_even_where_it_is_the_most_frequent(tmp_path: Path) -> None:
    text = "```bash\nls\n```\n\n```bash\nls\n```\n\n```python\nx\n```\n"
    with pytest.raises(CourseError, match=r"lesson\.md:1: ```bash"):
        cells_of(tmp_path, text)


def test_a_raw_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="a raw cell"):
        cells_of(tmp_path, "<!-- #raw -->\nraw\n<!-- #endraw -->\n")


@pytest.mark.parametrize("level", ["#", "##", "####"])
def test_a_heading_without_an_empty_line_above_it_is_refused(tmp_path: Path, level: str) -> None:
    with pytest.raises(CourseError, match=r"lesson\.md:2: the heading 'Four' begins no cell"):
        cells_of(tmp_path, f"Text.\n{level} Four\n")


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"has no lesson\.md"):
        source.read_cells(tmp_path / "lesson.md")


# -- markers --------------------------------------------------------------------------------------


def region(*lines: str) -> source.Region:
    return source.split_region("\n".join(lines), PATH, 10)


def test_what_stands_outside_the_parts_is_common_to_both() -> None:
    parts = region("a = 1", "  #: solution", "  b = 2", "  #: stub", "  ...", "  #: end", "c = 3")
    assert parts.solved == "a = 1\n  b = 2\nc = 3"
    assert parts.unsolved == "a = 1\n  ...\nc = 3"


def test_markers_stand_inside_a_text_too() -> None:
    parts = region('machine = """{', "#: solution", '"A": 1', "#: stub", '"?"', "#: end", '}"""')
    assert parts.solved == 'machine = """{\n"A": 1\n}"""'
    assert parts.unsolved == 'machine = """{\n"?"\n}"""'


SOLUTION, STUB, END = "#: solution", "#: stub", "#: end"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([SOLUTION, "x", "#: stbu", "y", END], "12: '#: stbu' is no marker"),
        ([SOLUTION, "x", "#: stub here", "y", END], "12: '#: stub here' is no marker"),
        ([STUB, "y", SOLUTION, "x", END], "10: '#: stub' stands where '#: solution' is due"),
        ([SOLUTION, "x", END], "12: '#: end' stands where '#: stub' is due"),
        ([SOLUTION, "x", SOLUTION, "y", STUB, "z", END], "12: '#: solution' .* never nested"),
        ([SOLUTION, "x", STUB, "y", SOLUTION, "z", END], "14: '#: solution' .* never nested"),
        ([SOLUTION, "x", STUB, "y"], "12: no '#: end' follows"),
        ([SOLUTION, "x"], "10: no '#: stub' follows"),
        ([SOLUTION, "x", STUB, "y", END, SOLUTION, "x", STUB, "y", END], "15: a second region"),
        ([SOLUTION, "x", STUB, "y", END, END], "15: a second region"),
        ([SOLUTION, " ", STUB, "y", END], "10: the solution is empty"),
        ([SOLUTION, "x", STUB, END], "12: the stub is empty"),
    ],
)
def test_a_malformed_region_is_refused_where_it_goes_wrong(lines: list[str], said: str) -> None:
    with pytest.raises(CourseError, match=f"^l01_greeting/exercises.md:{said}"):
        region(*lines)


# -- exercises ------------------------------------------------------------------------------------


def test_an_exercise_has_its_parts() -> None:
    sources = source.exercise_sources(catalogue.lesson(1, PACKAGE))
    assert list(sources) == ["1.1", "1.2"]
    second = sources["1.2"]
    assert second.title == "Say goodbye in a handler"
    assert second.stub == "%%handler farewell\ndef handler(event, context):\n    ..."
    assert 'return {"statusCode": 200, "body": words}' in second.solved
    assert "#:" not in second.solved + second.stub
    assert second.check == 'check("1.2", handler_file("farewell"))'
    assert second.given == ('event = {"name": "Ada"}',)
    assert len(second.setup) == 1
    assert second.setup[0].startswith("%load_ext labkit")
    roles = [second.role(cell) for cell in second.cells]
    assert roles == ["task", "given", "task", "answer", "check"]


def test_a_lesson_without_exercises_has_none() -> None:
    assert source.exercise_sources(catalogue.lesson(0, PACKAGE)) == {}
    assert source.answers(catalogue.lesson(0, PACKAGE)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('check("1.1", greet)', "greet('Ada')", "1.1 has no check cell"),
        (
            'check("1.1", greet)',
            'check("1.2", greet)',
            "cell that calls check for 1.2 in exercise 1.1",
        ),
        ('check("1.1", greet)', 'check("1.1", greet)\ncheck("1.1", greet)', "once"),
        (
            '```python\ncheck("1.1", greet)\n```',
            '```python\ncheck("1.1", greet)\n```\n\n```python\ncheck("1.1", greet)\n```',
            "1.1 has 2 check cells",
        ),
        ("## 1.2 Say goodbye in a handler", "Say goodbye.", "1.1 has 2 answer cells"),
        ("## 1.1 Greet by name", "## Greet by name", "outside an exercise"),
    ],
)
def test_an_exercise_that_is_not_whole_is_refused(
    draft: Draft, old: str, new: str, said: str
) -> None:
    draft.edit("exercises.md", old, new)
    with pytest.raises(CourseError, match=rf"^l01_greeting/exercises.md:\d+: .*{said}"):
        source.exercise_sources(draft.lesson)


def test_an_answer_cell_may_not_check_itself(draft: Draft) -> None:
    draft.edit(
        "exercises.md",
        "    ...  # a greeting\n    #: end",
        '    ...\n    #: end\ncheck("1.1", greet)',
    )
    with pytest.raises(CourseError, match=r"an answer cell that calls check"):
        source.exercise_sources(draft.lesson)


def test_an_exercise_without_a_region_is_refused(draft: Draft) -> None:
    for marker in ("solution", "stub", "end"):
        text = (draft.folder / "exercises.md").read_text("utf-8")
        (draft.folder / "exercises.md").write_text(
            text.replace(f"    #: {marker}\n", "", 1), "utf-8"
        )
    with pytest.raises(CourseError, match=r"exercise 1\.1 has no answer cell"):
        source.exercise_sources(draft.lesson)


# -- answers --------------------------------------------------------------------------------------


def test_answers_are_whole_cells_or_changes_of_the_solved_one() -> None:
    answers = source.answers(catalogue.lesson(1, PACKAGE))
    assert [(a.exercise, a.wrong, a.what) for a in answers] == [
        ("1.1", "NO_NAME", "forgets whom"),
        ("1.1", "NO_MARK", "whispers"),
        ("1.1", None, "with format"),
        ("1.2", "NO_STATUS", "sends the body alone"),
        ("1.2", "RUDE", "greets"),
    ]
    assert answers[0].code == 'def greet(name):\n    return "Hello!"'
    assert answers[1].code == 'def greet(name):\n    return f"Hello, {name}"'


SOLVED = "a = 1\nb = 2\n\nc = 3\nb = 2"


def changed(*diff: str) -> str:
    return source.changed(SOLVED, diff, Path("l01/answers.md"), 7)


def test_a_change_replaces_takes_away_and_adds() -> None:
    assert changed("-a = 1", "+a = 9") == "a = 9\nb = 2\n\nc = 3\nb = 2"
    assert changed(" a = 1", "-b = 2") == "a = 1\n\nc = 3\nb = 2"
    assert changed(" c = 3", "+d = 4") == "a = 1\nb = 2\n\nc = 3\nd = 4\nb = 2"


def test_a_change_may_have_several_hunks_in_any_order() -> None:
    assert changed("-c = 3", "+c = 9", "@@", "-a = 1") == "b = 2\n\nc = 9\nb = 2"


@pytest.mark.parametrize("turned", [False, True])
def test_hunks_that_touch_do_not_overlap(turned: bool) -> None:
    hunks = [["-a = 1", " b = 2", ""], ["-c = 3", "+d = 4"]]
    first, second = reversed(hunks) if turned else hunks
    assert changed(*first, "@@", *second) == "b = 2\n\nd = 4\nb = 2"


def test_an_empty_line_in_a_change_is_one_of_the_cell() -> None:
    assert changed(" b = 2", "", "-c = 3") == "a = 1\nb = 2\n\nb = 2"


@pytest.mark.parametrize(
    ("diff", "said"),
    [
        (["-b = 2"], "7: this hunk's lines stand in the solved cell 2 times"),
        (["-z = 2"], "7: this hunk's lines stand in the solved cell no times"),
        (["-a = 1", "@@", "-z = 2"], "9: this hunk's lines stand in the solved cell no times"),
        (["+z = 2"], "7: this hunk only adds lines"),
        ([" a = 1"], "7: this diff changes nothing"),
        (["-a = 1", "a = 2"], "8: a line of a diff begins with"),
        (["-a = 1", " b = 2", "@@", " a = 1", "-b = 2"], "10: two hunks overlap"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(diff: list[str], said: str) -> None:
    with pytest.raises(CourseError, match=f"^l01/answers.md:{said}"):
        changed(*diff)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## 1.2", "## 1.3", "'1.3' is no exercise of exercises.md. It has: 1.1, 1.2"),
        ("### wrong RUDE: greets", "### wrong rude: greets", "is no answer"),
        ("### wrong RUDE: greets", "### wrong RUDE", "is no answer"),
        ("### wrong RUDE: greets\n", "", "code that belongs to no answer"),
        ("### right: with format", "### right: one\n\n### right: two", "an answer without code"),
        ("# Answers\n\n## 1.1", "# Answers", "is no answer"),
    ],
)
def test_malformed_answers_are_refused(draft: Draft, old: str, new: str, said: str) -> None:
    draft.edit("answers.md", old, new)
    with pytest.raises(CourseError, match=rf"^l01_greeting/answers.md:\d+: .*{said}"):
        source.answers(draft.lesson)


def test_an_answer_that_ends_without_code_is_refused(draft: Draft) -> None:
    path = draft.folder / "answers.md"
    path.write_text(path.read_text("utf-8") + "\n### right: nothing\n", "utf-8")
    with pytest.raises(CourseError, match="an answer without code"):
        source.answers(draft.lesson)


def test_a_fence_without_an_end_is_refused(draft: Draft) -> None:
    path = draft.folder / "answers.md"
    path.write_text(path.read_text("utf-8").rstrip("\n`"), "utf-8")
    line = draft.line("answers.md", "### wrong RUDE") + 1
    with pytest.raises(CourseError, match=f"answers.md:{line}: this fence has no end"):
        source.answers(draft.lesson)


def test_a_fence_of_another_language_is_no_answer(draft: Draft) -> None:
    draft.edit("answers.md", '```python\ndef greet(name):\n    return "Hello!"', "```bash\nls")
    with pytest.raises(CourseError, match="```bash is no answer"):
        source.answers(draft.lesson)
