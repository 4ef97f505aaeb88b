"""``quiz`` and ``answer``: ask a question, and say why an answer is right or wrong.

What ``quiz`` shows is the same each time: the question as text and HTML, and how to answer by a call.
Fields to answer in come as an output of their own, which exists while the kernel runs.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from labkit.course import catalogue
from labkit.course.journal import Journal
from labkit.course.question import Mark, Question
from labkit.course.question_page import WIDTH, as_page, as_text
from labkit.course.shown import Shown
from labkit.jupyter import work_folder


def quiz(number: str) -> None:
    """Show a question, with fields to answer it in.

    Args:
        number: the question's number, such as ``"q1.2"``.

    Raises:
        CourseError: there is no such question; the message names those of the lesson.
    """
    ask(catalogue.question(number), Journal(work_folder()))


def ask(question: Question, journal: Journal) -> None:
    """Show a question; where a kernel runs this, with fields too.

    Args:
        question: the question.
        journal: where answers are written down.
    """
    Shown(as_text(question), as_page(question)).show()
    if _in_a_notebook():
        from labkit.course.answer_fields import show_fields

        solved = bool(journal.standing(question.number).solved)
        show_fields(question, lambda given: mark(question, given, journal), solved=solved)


def answer(number: str, *choice: str | Sequence[str]) -> None:
    """Answer a question, as the fields of ``quiz`` do.

    Args:
        number: the question's number, such as ``"q1.2"``.
        choice: a letter, several letters, or a text for each gap.

    Raises:
        CourseError: there is no such question, or no such option; nothing is counted.
    """
    question = catalogue.question(number)
    parts = [[*each] if isinstance(each, list | tuple | set) else [each] for each in choice]
    given = [str(each) for part in parts for each in part]
    print(told(question, mark(question, given, Journal(work_folder()))))


def mark(question: Question, given: Sequence[str], journal: Journal) -> Mark:
    """Mark an answer and write it down.

    Args:
        question: the question.
        given: the letters or texts.
        journal: where it is written down.

    Raises:
        CourseError: it is no answer to this question; nothing is written down.
        EnvironmentProblem: the journal cannot be written.
    """
    read = question.read(given)
    said = question.mark(read)
    journal.add(question.number, "solved" if said.right else "not yet", answer=", ".join(read))
    return said


def told(question: Question, said: Mark) -> str:
    """What is said to an answer, as text."""
    reasons = (
        textwrap.fill(why, WIDTH, initial_indent="  ", subsequent_indent="  ") for why in said.why
    )
    verdict = "right" if said.right else "not yet"
    return "\n".join([f"Question {question.number}: {verdict}", *reasons])


def _in_a_notebook() -> bool:
    """Whether a kernel runs this, which widgets need."""
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
