"""Fields to answer a question in, made of ipywidgets; imported when the first question is shown.

Everything that they show lives in widgets: nothing is printed when a button is pressed, because
nobody could say which cell a print would land in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from labkit.course.question import Blanks, Choice, Mark, Question
from labkit.course.question_page import options_id
from labkit.course.shown import STYLE, marked_up
from labkit.errors import LabError
from labkit.views.controls import show_inputs

STANDS_FOR = "(Fields to answer in, while the kernel runs.)"
"""The text of the output, which a notebook keeps when the fields are gone."""


def show_fields(question: Question, mark: Callable[[Sequence[str]], Mark], *, solved: bool) -> None:
    """Show the fields of a question.

    Args:
        question: the question.
        mark: marks an answer and writes it down.
        solved: whether it was answered right before.
    """
    show_inputs(fields(question, mark, solved=solved), STANDS_FOR)


def fields(
    question: Question, mark: Callable[[Sequence[str]], Mark], *, solved: bool = False
) -> Any:
    """The fields of a question with a button; arguments as for :func:`show_fields`.

    Returns:
        A widget.
    """
    inputs, given = _inputs(question)
    button = ipywidgets.Button(
        description="Check", tooltip=f"Check your answer to question {question.number}"
    )
    said = ipywidgets.HTML(
        _alert("You have answered this question right before.") if solved else ""
    )

    def check(_: Any) -> None:
        chosen = given()
        if not any(chosen):
            said.value = _alert(f"Not counted: {_nothing(question)}")
            return
        try:
            answer = mark(chosen)
        except LabError as error:
            said.value = _alert(f"Not counted: {error}")
        else:
            said.value = _alert("✓ Right." if answer.right else "✗ Not yet.", *answer.why)

    button.on_click(check)
    above = ipywidgets.HTML(_style(question) + _asks(question))
    box = ipywidgets.VBox([above, *inputs, button, said])
    box.add_class("labkit-quiz")
    return box


def _inputs(question: Question) -> tuple[list[Any], Callable[[], list[str]]]:
    """The inputs of a question, and what reads a student's answer off them."""
    whole = ipywidgets.Layout(width="auto")
    match question:
        case Blanks():
            gaps = len(question.answers)
            texts = [
                ipywidgets.Text(
                    description="Your word" if gaps == 1 else f"Gap {place}",
                    style={"description_width": "initial"},
                    continuous_update=False,  # so that the button's message cannot overtake a text
                    layout=ipywidgets.Layout(width="min(24em, 100%)"),
                )
                for place in range(1, gaps + 1)
            ]
            return texts, lambda: [field.value for field in texts]
        case Choice(several=True):
            boxes = {
                letter: ipywidgets.Checkbox(description=label, indent=False, layout=whole)
                for letter, label in _labels(question).items()
            }
            return [*boxes.values()], lambda: [k for k, box in boxes.items() if box.value]
        case Choice():
            radio = ipywidgets.RadioButtons(
                options=[(label, letter) for letter, label in _labels(question).items()],
                value=None,
                layout=whole,
            )
            return [radio], lambda: [radio.value] if radio.value else []
    raise TypeError(f"no fields are known for a {type(question).__name__}")


def _labels(question: Choice) -> dict[str, str]:
    return {
        letter: f"{letter}\u2002{option.replace('`', '')}"
        for letter, option in question.options.items()
    }


def _nothing(question: Question) -> str:
    match question:
        case Blanks():
            return "write something into each gap first."
        case Choice(several=True):
            return "choose at least one option first."
    return "choose an option first."


def _alert(*lines: str) -> str:
    """What is said to an answer; a screen reader reads it out when it appears."""
    return f'<div role="alert" style="{STYLE}">{"<br>".join(map(marked_up, lines))}</div>'


def _asks(question: Question) -> str:
    """What stands above the fields; the arrow keys are the notebook's own."""
    match question:
        case Choice(several=True):
            return _line("Choose all that are right. Tab moves, the space bar chooses.")
        case Choice():
            return _line("Choose one. Tab moves, the space bar chooses.")
    return _line("Fill in each gap.")


def _line(text: str) -> str:
    return f'<div style="{STYLE}">{text}</div>'


def _style(question: Question) -> str:
    """Long options may take several lines; the list of options above makes way for them."""
    return f"""<style>
#{options_id(question)} {{ display: none }}
.labkit-quiz .widget-radio-box label, .labkit-quiz .widget-checkbox label {{
  display: flex; align-items: flex-start; justify-content: flex-end; gap: 0.5em;
  height: auto; max-width: 46em; margin: 0.2em 0; padding: 0; text-align: left;
  white-space: normal; line-height: 1.4; font-size: inherit;
  color: var(--jp-content-font-color1, inherit) }}
.labkit-quiz .widget-radio-box label {{ flex-direction: row-reverse }}
.labkit-quiz .widget-checkbox label {{ justify-content: flex-start }}
.labkit-quiz .widget-checkbox, .labkit-quiz .widget-checkbox label span {{
  height: auto; white-space: normal; line-height: 1.4 }}
.labkit-quiz input {{ flex: none; margin: 0.2em 0 0.2em 0.2em }}
.labkit-quiz .widget-radio-box label input {{ height: auto; margin: 0.2em 0 0 0.2em }}
</style>"""
