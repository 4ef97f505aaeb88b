"""``progress`` says in words where a student stands, as text and as a table."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from labkit.course import catalogue
from labkit.course.catalogue import Lesson
from labkit.course.journal import Journal, Standing
from labkit.course.question import blanks, choice
from labkit.course.standings import answered, as_map, as_page, as_text
from tests.course.drafts import PACKAGE

EXERCISES = catalogue.lesson(1, PACKAGE).exercises
QUESTIONS = (
    choice(
        "q1.1", "1 < 2?", {"a": "yes", "b": "no"}, right="a", reasons={"b": "Count."}, why="Yes."
    ),
    blanks("q1.2", "1, 2, ___", answers=[["3"]], wrong={"4": "Less."}, otherwise="Hm.", why="Yes."),
)
LESSONS = [
    Lesson(0, "nothing_to_do", Path(), ()),
    Lesson(1, "greeting", Path(), EXERCISES, QUESTIONS),
    Lesson(2, "only_asks", Path(), (), (QUESTIONS[0],)),
]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path)
    journal.add("1.1", "not yet", diagnosis="NO_NAME")
    journal.add("1.1", "hint", text="Who?")
    journal.add("1.1", "solved", answer="")
    journal.add("1.2", "not yet", diagnosis="RUDE")
    for text in ("one", "two"):
        journal.add("1.2", "hint", text=text)
    journal.add("1.2", "revealed")
    journal.add("q1.1", "not yet", answer="b")
    journal.add("q1.1", "solved", answer="a")
    return journal


def test_progress_says_what_is_done_and_where_to_go_on(journal: Journal) -> None:
    assert as_text(LESSONS, journal.standings()).splitlines() == [
        "01_greeting: 1 of 2 exercises solved, 1 of 2 questions right",
        "  1.1   solved   Greet by name             1 hint",
        "  1.2   not yet  Say goodbye in a handler  2 hints, solution seen",
        "  q1.1  right, 1 wrong try",
        "02_only_asks: 1 of 1 question right",
        "  q1.1  right, 1 wrong try",
        "1 of 2 exercises solved.",
        "Go on with 1.2: Say goodbye in a handler",
    ]


def test_when_all_is_solved_nothing_comes_next(journal: Journal) -> None:
    journal.add("1.2", "solved", answer="")
    assert as_text(LESSONS, journal.standings()).splitlines()[-1] == "2 of 2 exercises solved."


def test_the_order_is_the_courses_not_the_journals(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add("1.2", "solved", answer="")
    text = as_text(LESSONS, journal.standings())
    assert text.index("  1.1   open") < text.index("  1.2   solved")
    assert text.splitlines()[-1] == "Go on with 1.1: Greet by name"


@pytest.mark.parametrize(
    ("solved", "failed", "said"),
    [
        ("", 0, "open"),
        ("", 1, "not yet, 1 wrong try"),
        ("2030", 0, "right"),
        ("2030", 2, "right, 2 wrong tries"),
    ],
)
def test_a_question_stands_in_words(solved: str, failed: int, said: str) -> None:
    assert answered(Standing(solved=solved, failed=failed)) == said


class Words(HTMLParser):
    """The words of a page, and whether its elements are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.split()
        if "tr" in self._open and data.strip():
            self.rows[-1].append(data)


def test_the_table_says_the_same_in_words(journal: Journal) -> None:
    page = Words(as_page(LESSONS, journal.standings()))
    assert ["1.2", "Say goodbye in a handler", "not yet", "2 hints, solution seen"] in page.rows
    assert ["q1.1", "question", "right, 1 wrong try"] in page.rows
    assert "q1.2" not in page.words, "a question that nobody has tried is only counted"
    assert set(as_text(LESSONS, journal.standings()).split()) <= set(page.words)
    assert not page.tags & {"script", "style", "svg", "img"}


def test_the_map_says_the_same(journal: Journal) -> None:
    picture = as_map(LESSONS, journal.standings())
    assert picture.text.splitlines() == [
        "01 greeting: 1 of 2 solved, 1 of 2 questions right",
        "02 only asks: 1 of 1 questions right",
        "Go on with 1.2.",
    ]
    assert ">1.1 ✓<" in picture.svg
    assert ">▶ 1.2 ◐ (seen)<" in picture.svg


def test_titles_are_text_and_no_html() -> None:
    import dataclasses

    odd = dataclasses.replace(EXERCISES[0], title="<b> & co")
    page = as_page([Lesson(1, "odd", Path(), (odd,))], {})
    assert "&lt;b&gt; &amp; co" in page
    assert "<b>" not in page
