"""A certificate of completion: what it says, as text, as a page to print, and read back.  No I/O."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from labkit import __version__
from labkit.course.exercise import CourseError

CLAIM = (
    "This certificate says that these answers solve the exercises when their checks are run again. It does not prove "
    "who wrote them, and hints and solutions seen are as the student's own journal has them."
)
"""What a certificate is worth; it claims no more."""

_DATA = re.compile(
    r'<script type="application/json" id="labkit-certificate">(.*?)</script>', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Solved:
    """A solved exercise.

    Attributes:
        number: such as ``"1.3"``.
        title: as in the notebook.
        day: when it was first solved, as ISO 8601.
        hints: how many were taken.
        revealed: whether the solution was shown before it was solved.
        digest: of the answer; see :func:`digest`.
    """

    number: str
    title: str
    day: str
    hints: int
    revealed: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate.

    Attributes:
        name: of the student, as the student gave it.
        day: when it was made, as ISO 8601.
        exercises: all of them, in order.
        version: of the lab that made it.
    """

    name: str
    day: str
    exercises: tuple[Solved, ...]
    version: str = __version__

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of all answers."""
        lines = (f"{each.number} {each.digest}\n" for each in self.exercises)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def sentence(self) -> str:
        """Who has done what, and when."""
        count = len(self.exercises)
        lessons = [int(each.number.partition(".")[0]) for each in self.exercises]
        which = f"lessons {min(lessons):02} to {max(lessons):02}" if lessons else "no lesson"
        return (
            f"{self.name} has solved all {count} exercises of {which} of the course on AWS's serverless "
            f"WebSocket pattern. {self.day}"
        )


def digest(answer: str) -> str:
    """SHA-256 of an answer cell; spaces at the ends of its lines do not count."""
    lines = (line.rstrip() for line in answer.strip().splitlines())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def as_text(certificate: Certificate) -> str:
    """A certificate as text."""
    lines = ["Certificate of completion", "", certificate.sentence, ""]
    lines += [f"  lesson {lesson:02}: {said}" for lesson, said in _lessons(certificate.exercises)]
    lines += ["", f"Digest of the answers: {certificate.digest}", CLAIM]
    return "\n".join(lines)


def _lessons(exercises: Iterable[Solved]) -> Iterable[tuple[int, str]]:
    """Each lesson's number, and what was done in it."""
    for lesson, group in groupby(exercises, key=lambda each: int(each.number.partition(".")[0])):
        solved = list(group)
        hints = sum(each.hints for each in solved)
        seen = sum(each.revealed for each in solved)
        yield (
            lesson,
            ", ".join(
                f"{count} {what}{'' if count == 1 else 's'}"
                for count, what in ((len(solved), "exercise"), (hints, "hint"))
            )
            + (f", {seen} after the solution was seen" if seen else ""),
        )


# -- the page -------------------------------------------------------------------------------------

_STYLE = """
@page { size: A4; margin: 14mm }
body { color: #000; background: #fff; font: 10pt/1.35 Georgia, "Times New Roman", serif; max-width: 182mm;
  margin: 0 auto; padding: 4mm }
h1 { font-size: 20pt; margin: 0 0 2mm }
.name { font-size: 18pt; margin: 0 }
.sentence { margin: 1mm 0 5mm }
.lessons { columns: 2; column-gap: 6mm }
table { width: 100%; border-collapse: collapse; break-inside: avoid; margin: 0 0 2.5mm; font-size: 7.5pt;
  line-height: 1.25 }
caption { text-align: left; font-weight: bold; font-size: 9pt }
th, td { text-align: left; vertical-align: top; padding: 0.2mm 1mm 0.2mm 0; border-bottom: 0.2mm solid #767676 }
td:nth-child(2) { width: 100% }
td:nth-child(3) { white-space: nowrap }
.digest { font: 8pt/1.3 monospace; overflow-wrap: anywhere; margin: 0 }
.claim { font-size: 8.5pt; margin: 2mm 0 0 }
@media print { body { padding: 0 } }
""".strip()


def as_page(certificate: Certificate) -> str:
    """A certificate as a page of HTML that needs nothing else and prints on one sheet of A4."""
    data = json.dumps(asdict(certificate), ensure_ascii=True, sort_keys=True).replace(
        "<", "\\u003c"
    )
    tables = (
        _table(lesson, [*group])
        for lesson, group in groupby(
            certificate.exercises, key=lambda each: int(each.number.partition(".")[0])
        )
    )
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Certificate of completion: {html.escape(certificate.name)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            "<h1>Certificate of completion</h1>",
            f'<p class="name">{html.escape(certificate.name)}</p>',
            f'<p class="sentence">{html.escape(_without_name(certificate))}</p>',
            f'<div class="lessons">\n{"".join(tables)}</div>',
            "<p>SHA-256 digest of the answers:</p>",
            f'<p class="digest">{certificate.digest}</p>',
            f'<p class="claim">{html.escape(CLAIM)}</p>',
            '<p class="claim">To verify it from the notebooks: '
            "<code>labkit certificate --verify certificate.html</code></p>",
            "</main>",
            f'<script type="application/json" id="labkit-certificate">{data}</script>',
            "</body>",
            "</html>",
            "",
        ]
    )


def _without_name(certificate: Certificate) -> str:
    return certificate.sentence.removeprefix(certificate.name).strip()


def _table(lesson: int, exercises: Sequence[Solved]) -> str:
    names = ("No.", "Exercise", "Solved", "Hints", "Solution seen")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "\n".join(
        f"<tr><td>{html.escape(each.number)}</td><td>{html.escape(each.title)}</td>"
        f"<td>{html.escape(each.day)}</td><td>{each.hints}</td>"
        f"<td>{'yes' if each.revealed else 'no'}</td></tr>"
        for each in exercises
    )
    return (
        f"<table>\n<caption>Lesson {lesson:02}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table>\n"
    )


def read(page: str) -> Certificate:
    """A certificate read back from its page.

    Raises:
        CourseError: the text is no certificate's page, or its words are not those of its data.
    """
    found = _DATA.search(page)
    try:
        data: dict[str, Any] = json.loads(found[1]) if found else {}
        certificate = Certificate(
            **{**data, "exercises": tuple(Solved(**each) for each in data["exercises"])}
        )
    except (ValueError, TypeError, KeyError):
        raise CourseError(
            "This is no page that labkit certificate wrote, or it was changed. Ask for the file itself, "
            "certificate.html, not a print or a copy of its text."
        ) from None
    if certificate.version == __version__ and as_page(certificate) != page.replace("\r\n", "\n"):
        raise CourseError(
            "The page's words are not those of the data in it: it was changed after it was written. "
            "Ask for the file as `labkit certificate` wrote it."
        )
    return certificate
