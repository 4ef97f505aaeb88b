"""A certificate is written when all is solved, and holds only for the notebooks that it was made of."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from labkit.course import build, catalogue
from labkit.course.certificate_page import Certificate, Solved, as_page, as_text, digest, read
from labkit.course.certifying import certify, chapters, verify, work_folder_of_its_own
from labkit.course.exercise import CourseError
from labkit.course.journal import Journal
from labkit.course.validation import Outcome, Record
from labkit.course.workbook import Workbook
from tests.course.drafts import PACKAGE

ROOT = Path(__file__).parents[2]
LESSON = catalogue.lesson(1, PACKAGE)
NAME = "Ada & <Lovelace>"


class Student:
    """A student of the fixture's lesson who has solved all of it."""

    def __init__(self, folder: Path) -> None:
        _, unsolved, solved = build.targets(LESSON)
        self.work = folder / "work"
        self.path = self.work / "01_greeting.ipynb"
        build.write(folder / unsolved.name, nbformat.writes(unsolved.notebook))
        build.write(self.path, nbformat.writes(solved.notebook))
        self.workbook = Workbook(folder / "exercises", self.work)
        self.journal = Journal(self.work)
        for exercise in LESSON.exercises:
            self.journal.add(exercise.number, "solved", answer="")

    def certify(self, name: str = NAME) -> tuple[str, bool]:
        standings = self.journal.standings()
        return certify(name, [LESSON], standings, self.workbook, self.work / "certificate.html")

    @property
    def page(self) -> str:
        return (self.work / "certificate.html").read_text("utf-8")

    def verify(self, page: str = "", **outcomes: str) -> tuple[str, bool]:
        """Verify a page with runs that end so."""
        folder = self.work.parent / "again"
        return verify(page or self.page, [LESSON], self.workbook, ran(**outcomes), folder)

    def change(self, number: str, change: Callable[[str], str]) -> None:
        """Change the answer of an exercise in the notebook."""
        notebook = nbformat.read(self.path, as_version=4)
        for cell in notebook.cells:
            if cell.id == f"answer-{number.replace('.', '-')}":
                assert change(cell.source) != cell.source
                cell.source = change(cell.source)
        self.path.write_text(nbformat.writes(notebook), "utf-8")

    def spoil_checks(self) -> None:
        """Make the check cells pass, whatever is answered."""
        notebook = nbformat.read(self.path, as_version=4)
        for cell in notebook.cells:
            if cell.id.startswith("check-"):
                cell.source += "  # NBVAL_RAISES_EXCEPTION"
                cell.metadata["tags"] = ["raises-exception"]
                notebook.cells.append(nbformat.v4.new_code_cell("pass", metadata=cell.metadata))
        self.path.write_text(nbformat.writes(notebook), "utf-8")


@pytest.fixture
def student(tmp_path: Path) -> Student:
    return Student(tmp_path)


def ran(**outcomes: str) -> Callable[[Path], Record]:
    """A run of the notebook that ended so."""
    numbers = {"one": "1.1", "two": "1.2"}
    states = {"one": "solved", "two": "solved", **outcomes}
    return lambda _: Record({numbers[name]: Outcome(state) for name, state in states.items()})


# -- writing --------------------------------------------------------------------------------------


def test_what_is_not_solved_is_named_and_nothing_is_written(student: Student) -> None:
    (student.work / "progress.jsonl").unlink()
    student.journal.add("1.1", "solved", answer="")
    student.journal.add("1.2", "not yet", diagnosis="RUDE")
    said, written = student.certify()
    assert said.splitlines() == [
        "1 of 2 exercises are to be solved yet:",
        "  1.2   Say goodbye in a handler",
    ]
    assert not written
    assert not (student.work / "certificate.html").exists()


def test_it_asks_for_a_name(student: Student) -> None:
    said, written = student.certify("  ")
    assert said.startswith("All 2 exercises are solved. Give your name")
    assert not written


def test_a_certificate_says_who_has_solved_what_and_with_which_help(student: Student) -> None:
    (student.work / "progress.jsonl").unlink()
    for text in ("one", "two", "three"):
        student.journal.add("1.1", "hint", text=text)
    student.journal.add("1.1", "revealed")
    for number in ("1.1", "1.2", "1.1"):
        student.journal.add(number, "solved", answer="")
    student.journal.add("1.2", "revealed")
    said, written = student.certify()
    assert written
    assert "Ada & <Lovelace> has solved all 2 exercises of lessons 01 to 01 of the course" in said
    assert "  lesson 01: 2 exercises, 3 hints, 1 after the solution was seen" in said
    assert "does not prove who wrote them" in said
    made = read(student.page)
    assert [(e.number, e.hints, e.revealed) for e in made.exercises] == [
        ("1.1", 3, True),
        ("1.2", 0, False),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", e.day) for e in made.exercises)


def test_a_notebook_that_holds_the_stub_is_told(student: Student) -> None:
    stub = student.workbook.stub(LESSON.name, "1.2")
    student.change("1.2", lambda _: stub)
    with pytest.raises(
        CourseError, match=r"1\.2 was solved, but its saved notebook holds the stub"
    ):
        student.certify()


def test_a_notebook_that_is_not_there_is_told(student: Student) -> None:
    student.path.unlink()
    with pytest.raises(CourseError, match=r"There is no work/01_greeting\.ipynb"):
        student.certify()


def test_a_course_that_lacks_a_lesson_gives_no_certificate() -> None:
    with pytest.raises(CourseError, match="no exercises in lesson 00, 02, so"):
        chapters(catalogue.lessons(PACKAGE), range(3))
    assert chapters(catalogue.lessons(PACKAGE), [1]) == [LESSON]


# -- the page -------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page shows, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.loads: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.loads += [name for name, _ in attrs if name in ("src", "href", "srcset", "data")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.shown += data.split()


def test_the_page_shows_all_and_needs_nothing_else(student: Student) -> None:
    student.certify()
    page = Page(student.page)
    made = read(student.page)
    words = " ".join(page.shown)
    for part in (NAME, "Greet by name", "Say goodbye in a handler", made.digest, made.day):
        assert part in words
    assert "does not prove who wrote them" in words
    assert page.loads == []
    assert "url(" not in student.page
    assert "@import" not in student.page


def test_a_name_cannot_end_the_data(student: Student) -> None:
    student.certify("</script><b>")
    assert read(student.page).name == "</script><b>"
    assert student.page.count("</script>") == 1


def test_a_page_is_read_back_as_it_was_written(student: Student) -> None:
    student.certify()
    made = read(student.page)
    assert as_page(made) == student.page
    assert read(student.page.replace("\n", "\r\n")) == made
    assert made.digest in as_text(made)


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.replace(">Ada &amp;", ">Eve &amp;"),
        lambda page: page.replace('"hints": 0', '"hints": 1', 1),
        lambda page: page.replace("<td>0</td>", "<td>1</td>", 1),
    ],
    ids=["a name that is shown", "a number in the data", "a number that is shown"],
)
def test_words_that_are_not_those_of_the_data_are_refused(
    student: Student, change: Callable[[str], str]
) -> None:
    student.certify()
    assert change(student.page) != student.page
    with pytest.raises(CourseError, match="it was changed after it was written"):
        read(change(student.page))


@pytest.mark.parametrize("data", [None, "{}", "[]", "{", '{"exercises": 1}', '{"exercises": [{}]}'])
def test_what_is_no_certificate_is_refused(data: str | None) -> None:
    page = (
        f'<script type="application/json" id="labkit-certificate">{data}</script>' if data else ""
    )
    with pytest.raises(CourseError, match=r"no page that labkit certificate wrote"):
        read(page)


def test_an_older_labs_page_is_read_although_it_looks_otherwise() -> None:
    made = Certificate(
        "Ada", "2030-01-01", (Solved("1.1", "x", "2030-01-01", 0, False, "d"),), "0.0"
    )
    assert read(as_page(made).replace("<h1>", "<h1>Old ")) == made


def test_the_digest_depends_on_each_answer_and_not_on_spaces_at_the_ends() -> None:
    assert digest("x = 1  \n\ny = 2\n\n") == digest("\nx = 1\n\ny = 2")
    assert digest("x = 1") != digest(" x = 1\n  y")
    solved = Solved("1.1", "x", "2030-01-01", 0, False, digest("x"))
    made = Certificate("Ada", "2030-01-01", (solved,))
    other = dataclasses.replace(solved, digest=digest("y"))
    assert dataclasses.replace(made, exercises=(other,)).digest != made.digest
    assert dataclasses.replace(made, name="Eve").digest == made.digest


@pytest.mark.browser
def test_forty_exercises_print_on_one_page(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium and os.environ.get("CI") != "true":
        pytest.skip("no Chromium")
    assert chromium, "CI needs Chromium"
    title = "Handle the 410 of one connection and go on"
    numbers = [f"{lesson}.{place}" for lesson in range(1, 7) for place in range(1, 8)]
    solved = [Solved(n, title, "2030-01-01", 3, True, digest(n)) for n in numbers]
    pages = {}
    for name, exercises in (("one", solved), ("several", solved * 4)):
        source, target = tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"
        source.write_text(as_page(Certificate("Ada", "2030-01-01", tuple(exercises))), "utf-8")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--no-pdf-header-footer", f"--print-to-pdf={target}", source.as_uri()]
        subprocess.run(command, capture_output=True, timeout=50, check=True)
        pages[name] = len(re.findall(rb"/Type\s*/Page\b", target.read_bytes()))
    assert pages["one"] == 1
    assert pages["several"] > 1, "the count of pages says nothing"


# -- verifying ------------------------------------------------------------------------------------


def test_the_certificate_of_these_notebooks_holds(student: Student) -> None:
    student.certify()
    said, holds = student.verify()
    assert holds
    assert said.splitlines()[1:4] == [
        "  1.1   Greet by name             same answer      solved",
        "  1.2   Say goodbye in a handler  same answer      solved",
        "2 of 2 answers are the certified ones; 2 of 2 are right.",
    ]
    assert "The certificate holds." in said
    assert "does not prove who wrote them" in said


def test_another_answer_does_not_hold_although_it_is_right(student: Student) -> None:
    student.certify()
    student.change("1.1", lambda answer: answer + "  # mine")
    said, holds = student.verify()
    assert not holds
    assert "  1.1   Greet by name             another answer   solved" in said
    assert "1 of 2 answers are the certified ones; 2 of 2 are right." in said
    assert "The certificate does not hold." in said


@pytest.mark.parametrize("state", ["not yet", "not reached"])
def test_an_answer_that_is_not_right_when_run_again_does_not_hold(
    student: Student, state: str
) -> None:
    student.certify()
    said, holds = student.verify(two=state)
    assert not holds
    assert f"  1.2   Say goodbye in a handler  same answer      {state}" in said


def test_a_notebook_that_was_not_handed_in_does_not_hold(student: Student) -> None:
    student.certify()
    page = student.page
    student.path.unlink()
    said, holds = student.verify(page)
    assert not holds
    assert said.count("no answer        not reached") == 2


def test_a_certificate_of_other_exercises_does_not_hold(student: Student) -> None:
    student.certify()
    made = read(student.page)
    first, second = made.exercises
    fewer = dataclasses.replace(made, exercises=(first,))
    said, holds = student.verify(as_page(fewer))
    assert not holds
    assert "not certified" in said
    more = dataclasses.replace(
        made, exercises=(first, second, dataclasses.replace(second, number="1.3"))
    )
    said, holds = student.verify(as_page(more))
    assert not holds
    assert "  1.3   is not in this course" in said


def test_the_notebooks_are_run_again(student: Student) -> None:
    """By nbval, in a process of its own, as the command does; once right, and once spoiled."""
    student.certify()
    source = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from labkit.course import catalogue\n"
        "from labkit.course.certifying import verify, work_folder_of_its_own\n"
        "from labkit.course.validation import validate\n"
        "from labkit.course.workbook import Workbook\n"
        "work = Path(sys.argv[1])\n"
        "page = (work / 'certificate.html').read_text('utf-8')\n"
        f"lesson = catalogue.lesson(1, {PACKAGE!r})\n"
        "book = Workbook(work.parent / 'exercises', work)\n"
        "with work_folder_of_its_own() as own:\n"
        "    found = verify(page, [lesson], book, validate, own)\n"
        "print(json.dumps(found))\n"
    )

    def run() -> tuple[str, bool]:
        done = subprocess.run(
            [sys.executable, "-c", source, str(student.work)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "LABKIT_WORK": str(student.work)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said, holds = json.loads(done.stdout)
        return said, holds

    before = sorted(student.work.rglob("*"))
    said, holds = run()
    assert holds, said
    student.change("1.1", lambda answer: answer.replace("!", ""))
    student.spoil_checks()
    said, holds = run()
    assert not holds
    assert re.search(r"1\.1 .* another answer +not yet +\[?\S*NO_MARK", said)
    # The handler that the notebook writes went elsewhere.
    assert sorted(student.work.rglob("*")) == before


def test_a_run_has_a_work_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_WORK", "mine")
    monkeypatch.setenv("LABKIT_ENDPOINT", "http://127.0.0.1:1")
    with work_folder_of_its_own() as folder:
        assert os.environ["LABKIT_WORK"] == str(folder)
        assert folder.is_dir()
        assert "LABKIT_ENDPOINT" not in os.environ
    assert not folder.exists()
    assert os.environ["LABKIT_WORK"] == "mine"
    assert os.environ["LABKIT_ENDPOINT"] == "http://127.0.0.1:1"
    monkeypatch.delenv("LABKIT_WORK")
    with work_folder_of_its_own():
        pass
    assert "LABKIT_WORK" not in os.environ
