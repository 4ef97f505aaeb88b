"""What a question is: its text, its right answers, and a reason for every wrong one.  No I/O.

A lesson's ``quiz.py`` holds them::

    QUESTIONS = (
        choice(
            "q1.2",
            "Which route gets a message that matches no other?",
            {"a": "`$connect`", "b": "`$default`"},
            right="b",
            reasons={"a": "`$connect` runs once, before any message."},
            why="API Gateway sends what matches no route to `$default`.",
        ),
    )

In a text, `` `…` `` is code, an empty line begins a paragraph, and what stands between two lines of
```` ``` ```` is shown as it is.
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from labkit.course.exercise import CourseError

NUMBER = re.compile(r"q(?P<lesson>\d{1,2})\.(?P<question>\d{1,2})")
GAP = "___"


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said to an answer.

    Attributes:
        right: whether it is right.
        why: the reason, a paragraph each.
    """

    right: bool
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question(ABC):
    """A question; made by :func:`blanks`, :func:`choice` and :func:`choices`.

    Attributes:
        number: lesson and position, such as ``"q1.2"``.
        text: the question.
        why: why the right answer is right.
    """

    number: str
    text: str
    why: str

    @property
    def position(self) -> tuple[int, int]:
        """Lesson and place in it, for ordering."""
        lesson, _, place = self.number.removeprefix("q").partition(".")
        return int(lesson), int(place)

    @property
    def blocks(self) -> Iterator[tuple[bool, str]]:
        """The text in blocks: whether it is code to show as it is, and the block."""
        for part in re.split(r"^(```.*?^```)$", self.text, flags=re.MULTILINE | re.DOTALL):
            if part.startswith("```"):
                yield True, "\n".join(part.splitlines()[1:-1])
            else:
                yield from ((False, each.strip()) for each in part.split("\n\n") if each.strip())

    @property
    @abstractmethod
    def call(self) -> str:
        """How to answer by a call, and what to put into it."""

    @abstractmethod
    def read(self, given: Sequence[str]) -> tuple[str, ...]:
        """A student's answer as :meth:`mark` takes it.

        Args:
            given: texts, or letters that may stand together: ``["a", "c"]`` or ``["a, c"]``.

        Raises:
            CourseError: it is no answer to this question; the message says what one looks like.
        """

    @abstractmethod
    def mark(self, given: Sequence[str]) -> Mark:
        """Say whether an answer is right, and why.

        Args:
            given: as :meth:`read` gives it.
        """


@dataclass(frozen=True, slots=True)
class Blanks(Question):
    """A sentence with gaps.

    Attributes:
        answers: the accepted texts of each gap.
        wrong: the reason by a wrong text.
        otherwise: the reason for any other wrong text.
        any_order: whether the right texts may stand in each other's gaps.
    """

    answers: tuple[tuple[str, ...], ...]
    wrong: Mapping[str, str]
    otherwise: str
    any_order: bool

    @property
    def call(self) -> str:
        """How to answer by a call."""
        words = ", ".join(['"…"'] * len(self.answers))
        each = "a word for the gap" if len(self.answers) == 1 else "a word for each gap"
        return f'answer("{self.number}", {words}), with {each}'

    def read(self, given: Sequence[str]) -> tuple[str, ...]:
        """The texts, one for each gap; a single text may hold all of them, separated by commas."""
        words = tuple(given)
        if len(words) == 1 and len(self.answers) > 1:
            words = tuple(words[0].split(","))
        words = tuple(word.strip() for word in words)
        if len(words) != len(self.answers) or not all(map(_bare, words)):
            raise CourseError(
                f"Question {self.number} has {_count(len(self.answers), 'gap')}, and each needs a word "
                f"or a few: {self.call}."
            )
        return words

    def mark(self, given: Sequence[str]) -> Mark:
        """Right if every gap has an accepted text."""
        open_gaps = list(enumerate(self.answers, 1))
        misses: list[tuple[int, str]] = []
        for place, text in enumerate(given, 1):
            free = [gap for gap in open_gaps if self.any_order or gap[0] == place]
            fits = next((gap for gap in free if _bare(text) in map(_bare, gap[1])), None)
            if fits:
                open_gaps.remove(fits)
            else:
                misses.append((place, text))
        if not misses:
            return Mark(True, (self.why,))
        reasons = {_bare(text): reason for text, reason in self.wrong.items()}
        said: dict[str, list[str]] = {}
        for place, text in misses:
            where = f" in gap {place}" if len(self.answers) > 1 else ""
            said.setdefault(reasons.get(_bare(text), self.otherwise), []).append(f"“{text}”{where}")
        return Mark(
            False, tuple(f"{', '.join(places)}: {reason}" for reason, places in said.items())
        )


@dataclass(frozen=True, slots=True)
class Choice(Question):
    """A question with options, of which one or several are right.

    Attributes:
        options: texts by letter.
        right: the letters of the right ones.
        reasons: why each wrong one is wrong.
        missing: why each right one belongs to the answer, if several are asked for.
        several: whether several may be chosen.
    """

    options: Mapping[str, str]
    right: tuple[str, ...]
    reasons: Mapping[str, str]
    missing: Mapping[str, str]
    several: bool

    @property
    def call(self) -> str:
        """How to answer by a call; the letters are the first ones, whatever is right."""
        letters = [*self.options][: 2 if self.several else 1]
        words = ", ".join(f'"{letter}"' for letter in letters)
        which = "all letters of your choice" if self.several else "the letter of your choice"
        return f'answer("{self.number}", {words}), with {which}'

    def read(self, given: Sequence[str]) -> tuple[str, ...]:
        """The letters, each once and in order."""
        letters = {letter for text in given for letter in re.findall(r"\w", text.lower())}
        unknown = letters - self.options.keys()
        if unknown:
            raise CourseError(
                f"Question {self.number} has no option {', '.join(sorted(unknown))}. It has "
                f"{', '.join(self.options)}: {self.call}."
            )
        if not letters or (len(letters) > 1 and not self.several):
            raise CourseError(
                f"Question {self.number} takes {'one letter or more' if self.several else 'one letter'}: "
                f"{self.call}."
            )
        return tuple(sorted(letters))

    def mark(self, given: Sequence[str]) -> Mark:
        """Right if exactly the right options are chosen."""
        chosen = set(given)
        why = [f"{letter}: {self.reasons[letter]}" for letter in sorted(chosen - {*self.right})]
        lacking = [letter for letter in self.right if letter not in chosen]
        if self.several and lacking:
            # One at a time, so that there is something left to think about.
            why.append(f"{lacking[0]} belongs to it: {self.missing[lacking[0]]}")
            if lacking[1:]:
                rest = len(lacking) - 1
                why.append(f"{_count(rest, 'more option')} {'is' if rest == 1 else 'are'} missing.")
        return Mark(False, tuple(why)) if why else Mark(True, (self.why,))


# -- constructors ---------------------------------------------------------------------------------


def blanks(
    number: str,
    text: str,
    *,
    answers: Iterable[Iterable[str]],
    wrong: Mapping[str, str],
    otherwise: str,
    why: str,
    any_order: bool = False,
) -> Blanks:
    """A sentence with gaps to fill in.  Case, spaces, quotes and a full stop do not count.

    Args:
        number: such as ``"q1.1"``.
        text: the sentence, with ``___`` for each gap.
        answers: for each gap, the texts that are accepted.
        wrong: by a wrong text, the reason why it is wrong.
        otherwise: the reason for any other wrong text.
        why: shown with the right answer.
        any_order: the right texts may stand in each other's gaps, as in "between ___ and ___".

    Raises:
        CourseError: something about the question is malformed; the message lists all of it.
    """
    accepted = tuple(tuple([each] if isinstance(each, str) else each) for each in answers)
    problems = _problems(number, text, why)
    gaps = len(re.findall(r"_{3,}", text))
    if not gaps:
        problems.append(f"its text must have a gap, written {GAP}")
    elif gaps != len(accepted):
        problems.append(f"its text has {_count(gaps, 'gap')}, and `answers` {len(accepted)}")
    if not all(each and all(map(_bare, each)) for each in accepted):
        problems.append("each gap must accept a text")
    for wrong_text in wrong:
        if accepted and all(_bare(wrong_text) in map(_bare, each) for each in accepted):
            problems.append(f"{wrong_text!r} is both right and wrong")
    problems += [f"{t!r} needs a reason" for t, reason in wrong.items() if not reason.strip()]
    if not wrong:
        problems.append("`wrong` must have a reason for at least one wrong text")
    if not otherwise.strip():
        problems.append("`otherwise` must have a reason for all other wrong texts")
    _refuse(number, problems)
    return Blanks(
        number,
        inspect.cleandoc(text),
        _one_line(why),
        accepted,
        {text: _one_line(reason) for text, reason in wrong.items()},
        _one_line(otherwise),
        any_order,
    )


def choice(
    number: str,
    text: str,
    options: Mapping[str, str],
    *,
    right: str,
    reasons: Mapping[str, str],
    why: str,
) -> Choice:
    """A question with one right option.

    Args:
        number: such as ``"q1.2"``.
        text: the question.
        options: their texts by letter: a, b, c, …
        right: the letter of the right one.
        reasons: by letter, why each of the others is wrong.
        why: shown with the right answer.

    Raises:
        CourseError: something about the question is malformed; the message lists all of it.
    """
    return _choice(number, text, options, (right,), reasons, {}, why, several=False)


def choices(
    number: str,
    text: str,
    options: Mapping[str, str],
    *,
    right: Iterable[str],
    reasons: Mapping[str, str],
    missing: Mapping[str, str],
    why: str,
) -> Choice:
    """A question with several options to choose.

    Args:
        number: such as ``"q1.3"``.
        text: the question.
        options: their texts by letter: a, b, c, …
        right: the letters of the right ones.
        reasons: by letter, why each of the others is wrong.
        missing: by letter, why each of the right ones belongs to the answer.
        why: shown with the right answer.

    Raises:
        CourseError: something about the question is malformed; the message lists all of it.
    """
    return _choice(number, text, options, tuple(sorted(right)), reasons, missing, why, several=True)


def _choice(
    number: str,
    text: str,
    options: Mapping[str, str],
    right: tuple[str, ...],
    reasons: Mapping[str, str],
    missing: Mapping[str, str],
    why: str,
    *,
    several: bool,
) -> Choice:
    problems = _problems(number, text, why)
    letters = "abcdefghijklmnopqrstuvwxyz"[: len(options)]
    if len(options) < 2 or [*options] != [*letters]:
        problems.append("its options must be a, b, c, … in this order, and at least two")
    problems += [f"option {letter} needs a text" for letter in options if not options[letter]]
    problems += [f"{letter!r} is right and no option" for letter in right if letter not in options]
    if not right:
        problems.append("it needs a right option")
    wrong = [letter for letter in options if letter not in right]
    if not wrong:
        problems.append("it needs a wrong option")
    for name, given, wanted, which in (
        ("reasons", reasons, wrong, "wrong"),
        ("missing", missing, right if several else (), "right"),
    ):
        for letter in wanted:
            if not given.get(letter, "").strip():
                problems.append(f"`{name}` must have a sentence for {letter}, which is {which}")
        problems += [
            f"`{name}` has {letter}, which is not {which}"
            for letter in given
            if letter not in wanted
        ]
    _refuse(number, problems)
    return Choice(
        number,
        inspect.cleandoc(text),
        _one_line(why),
        {letter: _one_line(option) for letter, option in options.items()},
        right,
        {letter: _one_line(reason) for letter, reason in reasons.items()},
        {letter: _one_line(reason) for letter, reason in missing.items()},
        several,
    )


def _problems(number: str, text: str, why: str) -> list[str]:
    problems = []
    if not NUMBER.fullmatch(number):
        problems.append("its number must look like 'q1.2'")
    if not text.strip():
        problems.append("it needs a text")
    if not why.strip():
        problems.append("`why` must say why the right answer is right")
    return problems


def _refuse(number: str, problems: Sequence[str]) -> None:
    if problems:
        raise CourseError(f"Question {number}: {'; '.join(problems)}.")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _bare(text: str) -> str:
    """What of a text counts."""
    return "".join(text.split()).casefold().strip(".\"'`“”")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
