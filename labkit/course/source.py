"""A lesson's sources: Markdown in which prose and code lie side by side, read as cells.  No output.

``lesson.md`` is a lesson's text, ``exercises.md`` its exercises with solution and stub, and
``answers.md`` the wrong and right answers that prove the checks.  jupytext reads the first two, so that
JupyterLab opens them as notebooks too: a ``python`` fence is a code cell, and a heading begins a cell.

An exercise begins with ``## 1.3 Title``.  Its answer cell holds one region, whose lines outside the
two parts belong to both::

    def route_key(message):
        #: solution
        return message.get("action", "$default")
        #: stub
        ...  # the route's key
        #: end

The rules for what a lesson must have beyond that are in :mod:`labkit.course.refusals`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from labkit.course.exercise import CourseError

if TYPE_CHECKING:
    from labkit.course.catalogue import Lesson

Role = Literal["task", "given", "answer", "check"]

_HEADING = re.compile(r"(?P<level>#{1,6})\s+(?P<text>\S.*?)\s*#*")
_EXERCISE = re.compile(r"(?P<number>\d{1,2}\.\d{1,2})\s+(?P<title>\S.*)")
_MARKER = re.compile(r"\s*#:\s*(?P<word>\S*)(?P<more>.*)")
_CHECK = re.compile(r"\bcheck\(\s*[\"'](?P<number>[^\"']+)[\"']")
_FENCE = re.compile(r"(?P<fence>`{3,})(?P<language>[^\s`]*)(?P<rest>.*)")
_ANSWER = re.compile(r"(?:wrong\s+(?P<wrong>[A-Z][A-Z0-9_]+)|right)\s*:\s*(?P<what>\S.*)")
_PARTS = ("solution", "stub", "end")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a source.

    Attributes:
        kind: what the notebook's cell will be.
        source: its text.
        tags: the cell's tags, such as ``nbval-ignore-output``.
        line: the line of the file in which the text begins, from 1.
    """

    kind: Literal["code", "markdown"]
    source: str
    tags: tuple[str, ...]
    line: int

    @property
    def headings(self) -> list[tuple[int, str, int]]:
        """The headings in it: level, text, line of the file; none for a code cell."""
        if self.kind == "code":
            return []
        found = ((line, _HEADING.fullmatch(text)) for line, text in prose(self))
        return [(len(m["level"]), m["text"], line) for line, m in found if m]

    @property
    def has_marker(self) -> bool:
        """Whether it is code with a line such as ``#: solution``."""
        return self.kind == "code" and any(map(_MARKER.fullmatch, self.source.splitlines()))

    @property
    def checks(self) -> list[str]:
        """The numbers with which its code calls ``check``."""
        return calls_of_check(self.source) if self.kind == "code" else []


@dataclass(frozen=True, slots=True)
class Region:
    """An answer cell taken apart, in lines.

    Attributes:
        before: common to both parts.
        solution: between ``#: solution`` and ``#: stub``.
        stub: between ``#: stub`` and ``#: end``.
        after: common to both parts.
    """

    before: tuple[str, ...]
    solution: tuple[str, ...]
    stub: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def solved(self) -> str:
        """The cell with the solution."""
        return "\n".join([*self.before, *self.solution, *self.after])

    @property
    def unsolved(self) -> str:
        """The cell as a student gets it."""
        return "\n".join([*self.before, *self.stub, *self.after])


@dataclass(frozen=True, slots=True)
class ExerciseSource:
    """An exercise as its source has it.

    Attributes:
        number: such as ``"1.3"``.
        title: as in the heading.
        cells: all of them, in order; the first begins with the heading.
        region: the answer cell's parts.
        check: the check cell's code.
        given: the code of its other code cells.
        setup: the code of the file's cells that stand before it and belong to no exercise.
        path: the file.
        line: the heading's line.
    """

    number: str
    title: str
    cells: tuple[Cell, ...]
    region: Region
    check: str
    given: tuple[str, ...]
    setup: tuple[str, ...]
    path: Path
    line: int

    @property
    def solved(self) -> str:
        """The whole answer cell with the solution."""
        return self.region.solved

    @property
    def stub(self) -> str:
        """The whole answer cell as a student gets it."""
        return self.region.unsolved

    def role(self, cell: Cell) -> Role:
        """What one of its cells is for."""
        if cell.kind == "markdown":
            return "task"
        if cell.has_marker:
            return "answer"
        return "check" if cell.checks else "given"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose fate is known, for the proof of the checks.

    Attributes:
        exercise: the exercise's number.
        wrong: the diagnosis that the check must give; ``None`` for a right answer.
        what: what somebody had in mind who answers so.
        code: the text of the whole answer cell.
        path: the file.
        line: the heading's line.
    """

    exercise: str
    wrong: str | None
    what: str
    code: str
    path: Path
    line: int


def calls_of_check(code: str) -> list[str]:
    """The numbers of exercises with which code calls ``check``."""
    return _CHECK.findall(code)


def place(path: Path, line: int) -> str:
    """How a message names a line: the lesson's folder, the file and the line."""
    return f"{path.parent.name}/{path.name}:{line}"


def prose(cell: Cell) -> Iterator[tuple[int, str]]:
    """The lines of a Markdown cell that lie in no fence, each with its line in the file."""
    fence = ""
    for number, text in enumerate(cell.source.splitlines(), cell.line):
        found = re.match(r" {0,3}(`{3,}|~{3,})", text)
        if not fence and found:
            fence = found[1]
        elif fence and found and text.strip().startswith(fence) and not text.strip(" `~"):
            fence = ""
        elif not fence:
            yield number, text


def read_cells(path: Path) -> tuple[Cell, ...]:
    """A Markdown file as cells.

    Raises:
        CourseError: the file is not there, or a fence would become a cell of another language.
    """
    import jupytext  # slow to load, and needed by few

    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise CourseError(
            f"{path.parent.name} has no {path.name}. Write it; docs/authors.md shows what it holds."
        ) from None
    notebook = jupytext.reads(text, {"extension": ".md", "split_at_heading": True})
    lines = text.splitlines()
    cells: list[Cell] = []
    start = 0
    for read in notebook.cells:
        source = read.source.splitlines()
        start = _find(lines, source, start)
        tags = tuple(read.metadata.get("tags", ()))
        if read.cell_type == "code":
            _python(path, lines, start)
        elif read.cell_type != "markdown":
            raise CourseError(
                f"{place(path, start + 1)}: a {read.cell_type} cell. A lesson has code and text only."
            )
        if read.source.strip():
            kind: Literal["code", "markdown"] = "code" if read.cell_type == "code" else "markdown"
            cells.append(_separate(path, Cell(kind, read.source, tags, start + 1)))
        start += len(source)
    return tuple(cells)


def _separate(path: Path, cell: Cell) -> Cell:
    """Refuse a cell with a second part: a heading that begins no cell."""
    for _, text, line in cell.headings:
        if line != cell.line:
            raise CourseError(
                f"{place(path, line)}: the heading {text!r} begins no cell of its own. Put an empty line "
                "above it, and no heading inside a region but at its beginning."
            )
    return cell


def _find(lines: Sequence[str], wanted: Sequence[str], start: int) -> int:
    """Where a cell's lines stand in the file, at or after an index."""
    # jupytext puts a %%magic line above a cell of another language.
    for skipped in (0, 1):
        part = list(wanted[skipped:])
        for index in range(start, len(lines) - len(part) + 1):
            if list(lines[index : index + len(part)]) == part:
                return index
    return start


def _python(path: Path, lines: Sequence[str], start: int) -> None:
    """Refuse a fence that jupytext takes for code but that is not Python's."""
    for index in range(min(start, len(lines) - 1), -1, -1):
        found = _FENCE.match(lines[index])
        if found:
            if found["language"] != "python":
                raise CourseError(
                    f"{place(path, index + 1)}: ```{found['language']} would become a cell that runs. "
                    "Write ```console or ```text for what is only shown, ```python for code that runs."
                )
            return


# -- markers --------------------------------------------------------------------------------------


def split_region(source: str, path: Path, line: int) -> Region:
    """Take an answer cell apart at its markers.

    Args:
        source: the cell's text.
        path: the file, for messages.
        line: the line in which the text begins, for messages.

    Raises:
        CourseError: a marker is unknown, out of order, nested or missing, or a part is empty.
    """
    parts: list[list[str]] = [[]]
    where = [line]
    for number, text in enumerate(source.splitlines(), line):
        found = _MARKER.fullmatch(text)
        if not found:
            parts[-1].append(text)
            continue
        here = place(path, number)
        if found["word"] not in _PARTS or found["more"].strip():
            raise CourseError(
                f"{here}: {text.strip()!r} is no marker. The markers are '#: solution', '#: stub' and "
                "'#: end', each alone on its line."
            )
        if len(parts) > len(_PARTS):
            raise CourseError(
                f"{here}: a second region begins. An answer cell has one: move what both share out of "
                "it, or make two exercises."
            )
        due = _PARTS[len(parts) - 1]
        if found["word"] != due:
            nested = found["word"] == "solution"
            raise CourseError(
                f"{here}: '#: {found['word']}' stands where '#: {due}' is due. "
                + ("Regions are never nested: " if nested else "")
                + ("end" if nested else "End")
                + " the region that is open with its parts in the order solution, stub, end."
            )
        parts.append([])
        where.append(number)
    if len(parts) <= len(_PARTS):
        due = _PARTS[len(parts) - 1]
        raise CourseError(
            f"{place(path, where[-1])}: no '#: {due}' follows. A region is '#: solution', '#: stub', "
            "'#: end', each alone on its line."
        )
    for name, part, number in zip(_PARTS, parts[1:3], where[1:3], strict=False):
        if not any(text.strip() for text in part):
            raise CourseError(
                f"{place(path, number)}: the {name} is empty. Write at least a line, such as '...' in "
                "a stub."
            )
    before, solution, stub, after = (tuple(part) for part in parts)
    return Region(before, solution, stub, after)


# -- exercises.md ---------------------------------------------------------------------------------


def exercise_sources(lesson: Lesson) -> Mapping[str, ExerciseSource]:
    """The exercises of a lesson's ``exercises.md`` by number, in its order.

    Raises:
        CourseError: an exercise has not exactly one answer cell with one region and one check cell.
    """
    path = lesson.folder / "exercises.md"
    if not path.is_file():
        return {}
    return {each.number: each for each in read_exercises(path, read_cells(path))}


def solution(lesson: Lesson, number: str) -> str:
    """The answer cell of an exercise with the solution.

    It reads only what it needs, without jupytext, because students wait for it.

    Args:
        lesson: the lesson.
        number: the exercise's number.

    Raises:
        CourseError: the exercise is not there, or its answer cell has not one region.
    """
    path = lesson.folder / "exercises.md"
    inside = False
    for line, text, body in _blocks(path) if path.is_file() else ():
        if body is None:
            inside = text.startswith(f"## {number} ") or (inside and not text.startswith("## "))
        elif inside and text == "python" and any(map(_MARKER.fullmatch, body)):
            return split_region("\n".join(body), path, line + 1).solved
    raise CourseError(f"{lesson.name} has no exercise {number} with an answer cell.")


def read_exercises(path: Path, cells: Sequence[Cell]) -> Iterator[ExerciseSource]:
    """The exercises among a file's cells.

    Args:
        path: the file, for messages.
        cells: all its cells.

    Raises:
        CourseError: as :func:`exercise_sources`.
    """
    setup: list[str] = []
    for heading, group in sections(cells):
        if heading is None:
            for cell in group:
                if cell.has_marker or cell.checks:
                    raise CourseError(
                        f"{place(path, cell.line)}: an answer or check cell outside an exercise. "
                        "Begin its exercise with a heading such as '## 1.3 Title'."
                    )
            setup += [cell.source for cell in group if cell.kind == "code"]
        else:
            yield _exercise(path, *heading, group, tuple(setup))


def sections(
    cells: Sequence[Cell],
) -> Iterator[tuple[tuple[str, str] | None, tuple[Cell, ...]]]:
    """A file's cells in groups: each exercise's with its number and title, the others' with ``None``."""
    heading: tuple[str, str] | None = None
    group: list[Cell] = []
    for cell in cells:
        if cell.headings and cell.headings[0][0] <= 2:
            if group:
                yield heading, tuple(group)
            level, text, _ = cell.headings[0]
            found = _EXERCISE.fullmatch(text) if level == 2 else None
            heading, group = (found["number"], found["title"]) if found else None, []
        group.append(cell)
    if group:
        yield heading, tuple(group)


def _exercise(
    path: Path, number: str, title: str, cells: tuple[Cell, ...], setup: tuple[str, ...]
) -> ExerciseSource:
    here = place(path, cells[0].line)
    answers = [cell for cell in cells if cell.has_marker]
    checks = [cell for cell in cells if cell.checks and not cell.has_marker]
    for said, found, how in (
        ("answer cell", answers, "with one region of '#: solution', '#: stub' and '#: end'"),
        ("check cell", checks, f"that calls check({number!r}, …)"),
    ):
        if len(found) != 1:
            raise CourseError(
                f"{here}: exercise {number} has {len(found) or 'no'} {said}{'s' * (len(found) > 1)}. "
                f"It needs exactly one {said}, {how}."
            )
    for cell in (*checks, *answers):
        if cell.checks not in ([number], []) or (cell in answers and cell.checks):
            raise CourseError(
                f"{place(path, cell.line)}: {'an answer' if cell in answers else 'a check'} cell that "
                f"calls check for {', '.join(cell.checks)} in exercise {number}. The check cell, and "
                f"no other, calls check({number!r}, …), once."
            )
    return ExerciseSource(
        number=number,
        title=title,
        cells=cells,
        region=split_region(answers[0].source, path, answers[0].line),
        check=checks[0].source,
        given=tuple(
            cell.source
            for cell in cells
            if cell.kind == "code"
            and cell not in (*answers, *checks)
            and "solution" not in cell.tags
        ),
        setup=setup,
        path=path,
        line=cells[0].line,
    )


# -- answers.md -----------------------------------------------------------------------------------


def answers(lesson: Lesson) -> list[Answer]:
    """The wrong and right answers of a lesson's ``answers.md``, in its order.

    Raises:
        CourseError: one is malformed, of no exercise of the lesson, or a change that does not fit.
    """
    path = lesson.folder / "answers.md"
    if not path.is_file():
        return []
    return read_answers(path, exercise_sources(lesson))


def read_answers(path: Path, sources: Mapping[str, ExerciseSource]) -> list[Answer]:
    """The answers in a file; arguments and errors as for :func:`answers`.

    Args:
        path: the file.
        sources: the lesson's exercises by number.
    """
    found: list[Answer] = []
    source: ExerciseSource | None = None
    head: tuple[re.Match[str], int] | None = None
    for number, text, body in _blocks(path):
        here = place(path, number)
        if body is not None:
            if source is None or head is None:
                raise CourseError(
                    f"{here}: code that belongs to no answer. Put '### wrong DIAGNOSIS: what' or "
                    "'### right: what' above it."
                )
            found.append(_answer(path, source, *head, text, body, number))
            head = None
            continue
        if head is not None:
            break
        level, said = text.split(" ", 1)
        if level == "##":
            source = sources.get(said.split()[0])
            if source is None:
                raise CourseError(
                    f"{here}: {said!r} is no exercise of exercises.md. It has: "
                    f"{', '.join(sources) or 'none'}."
                )
        elif level == "###":
            match = _ANSWER.fullmatch(said)
            if match is None or source is None:
                raise CourseError(
                    f"{here}: '{text}' is no answer. Write '### wrong DIAGNOSIS: what' or "
                    "'### right: what' below the exercise's '## number'."
                )
            head = match, number
    if head is not None:
        raise CourseError(
            f"{place(path, head[1])}: an answer without code. Put a ```python or a ```diff fence "
            "below it."
        )
    return found


def _blocks(path: Path) -> Iterator[tuple[int, str, list[str] | None]]:
    """A file's headings (line, text, ``None``) and fences (line, language, lines)."""
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    for number, text in lines:
        if heading := _HEADING.fullmatch(text):
            yield number, f"{heading['level']} {heading['text']}", None
        elif fence := _FENCE.match(text):
            body: list[str] = []
            for _, inside in lines:
                if inside.rstrip() == fence["fence"]:
                    break
                body.append(inside)
            else:
                raise CourseError(
                    f"{place(path, number)}: this fence has no end. Close it with {fence['fence']}."
                )
            yield number, fence["language"], body


def _answer(
    path: Path,
    source: ExerciseSource,
    match: re.Match[str],
    line: int,
    language: str,
    body: Sequence[str],
    fence_line: int,
) -> Answer:
    if language == "diff":
        code = changed(source.solved, body, path, fence_line + 1)
    elif language in ("python", "json"):
        code = "\n".join(body)
    else:
        raise CourseError(
            f"{place(path, fence_line)}: ```{language} is no answer. Use ```python or ```json for the "
            "whole answer cell, ```diff for a change of the solved one."
        )
    return Answer(source.number, match["wrong"], match["what"], code, path, line)


def changed(solved: str, diff: Sequence[str], path: Path, line: int) -> str:
    """A solved cell with a change.

    Args:
        solved: the cell's text.
        diff: hunks separated by lines that begin with ``@@``.  In each, the lines that begin with
            ``' '`` or ``'-'`` must stand in the cell, one after the other, exactly once; they become the
            lines that begin with ``' '`` or ``'+'``.
        path: the file, for messages.
        line: the diff's first line, for messages.

    Raises:
        CourseError: a hunk is malformed, is not found or is found twice, or nothing changes.
    """
    lines = solved.splitlines()
    changes: list[tuple[int, int, list[str]]] = []
    for start, hunk in _hunks(diff, path, line):
        old = [text[1:] for text in hunk if text[0] in " -"]
        new = [text[1:] for text in hunk if text[0] in " +"]
        if not old:
            raise CourseError(
                f"{place(path, start)}: this hunk only adds lines. Begin it with the line of the solved "
                "cell that they follow, after a space."
            )
        places = [n for n in range(len(lines)) if lines[n : n + len(old)] == old]
        if len(places) != 1:
            raise CourseError(
                f"{place(path, start)}: this hunk's lines stand in the solved cell "
                f"{len(places) or 'no'} times, and must once. "
                + ("Add lines around them." if places else "Compare them with exercises.md.")
            )
        if any(places[0] < end and begin < places[0] + len(old) for begin, end, _ in changes):
            raise CourseError(f"{place(path, start)}: two hunks overlap. Make one of them.")
        changes.append((places[0], places[0] + len(old), new))
    for begin, end, new in sorted(changes, reverse=True):
        lines[begin:end] = new
    if "\n".join(lines) == solved:
        raise CourseError(f"{place(path, line)}: this diff changes nothing. Use '-' and '+' lines.")
    return "\n".join(lines)


def _hunks(diff: Sequence[str], path: Path, line: int) -> Iterator[tuple[int, list[str]]]:
    start, hunk = line, list[str]()
    for number, text in enumerate([*diff, "@@"], line):
        if text.startswith("@@"):
            if hunk:
                yield start, hunk
            start, hunk = number + 1, []
        elif text and text[0] not in " +-":
            raise CourseError(
                f"{place(path, number)}: a line of a diff begins with ' ', '-' or '+', and hunks are "
                "separated by '@@'."
            )
        else:
            hunk.append(text or " ")  # editors take the space from an empty line
