"""A question as text and as HTML, the same each time.  No I/O."""

from __future__ import annotations

import html
import textwrap

from labkit.course.question import Choice, Question
from labkit.course.shown import STYLE, marked_up

WIDTH = 88
"""Columns of a text."""


def as_text(question: Question) -> str:
    """A question with its options and how to answer it, as text."""
    lines = [f"Question {question.number}", ""]
    for is_code, block in question.blocks:
        lines += [textwrap.indent(block, "    ") if is_code else textwrap.fill(block, WIDTH), ""]
    if isinstance(question, Choice):
        lines += [
            textwrap.fill(option, WIDTH, initial_indent=f"  {letter}  ", subsequent_indent=" " * 5)
            for letter, option in question.options.items()
        ]
        lines.append("")
    return "\n".join([*lines, f"To answer in a cell: {question.call}."])


def as_page(question: Question) -> str:
    """A question with its options and how to answer it, as HTML."""
    parts = [f'<div style="{STYLE}">', f"<p><strong>Question {question.number}</strong></p>"]
    for is_code, block in question.blocks:
        parts.append(
            f'<pre style="margin-bottom: 1em">{html.escape(block, quote=False)}</pre>'
            if is_code
            else f"<p>{marked_up(block)}</p>"
        )
    if isinstance(question, Choice):
        parts.append(f'<ul id="{options_id(question)}" style="list-style: none">')
        parts += [
            f"<li><strong>{letter}</strong>&ensp;{marked_up(option)}</li>"
            for letter, option in question.options.items()
        ]
        parts.append("</ul>")
    call, comma, what = question.call.partition("), ")
    parts.append(
        f"<p>To answer in a cell: {marked_up(f'`{call})`')}{comma[1:]}{marked_up(what)}.</p>"
    )
    return "\n".join([*parts, "</div>"])


def options_id(question: Question) -> str:
    """The id of the list of a question's options in its HTML."""
    return f"labkit-options-{question.number.replace('.', '-')}"
