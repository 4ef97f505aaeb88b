"""What every view is: something to look at, with its words.

A view is a value.  As the last line of a cell it shows itself, ``print`` prints its twin in plain
text, and it says nothing that the twin does not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

LEFT = 'style="text-align: left; vertical-align: top"'
"""For words in a table, which JupyterLab puts to the right."""

STYLE = "color: var(--jp-content-font-color1, inherit)"
"""Of an HTML view's outermost element: JupyterLab's own colour in its light and its dark theme."""


class View:
    """A view.

    Attributes:
        text: the twin: what it shows in plain text, without what differs from run to run.
        html: what a notebook shows and keeps; it needs nothing else, and says all that it says
            without styles and scripts too, which JupyterLab takes out of an untrusted notebook.
    """

    @property
    def text(self) -> str:
        """The twin."""
        raise NotImplementedError

    @property
    def html(self) -> str:
        """What a notebook keeps."""
        raise NotImplementedError

    @property
    def moving(self) -> str:
        """The same while it changes; a view whose HTML flickers when it is replaced has another."""
        return self.html

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What IPython shows when the view is the last line of a cell."""
        return {"text/plain": self.text, "text/html": self.html}


@dataclass(frozen=True, slots=True, repr=False)
class Table(View):
    """Rows of words.

    Attributes:
        caption: what the table is of, in a few words.
        columns: the heads of its columns.
        rows: its cells, a row after the other.
        twin: the text; what the rows say that differs from run to run is left out of it.
        nothing: what is said instead of a table without rows.
        wraps: whether a line may end within a word, so that a table of many columns fits the page
            and need not be scrolled, which takes a mouse.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    twin: str
    nothing: str = "Nothing yet."
    wraps: bool = False

    @property
    def text(self) -> str:
        """The twin."""
        return self.twin

    @property
    def html(self) -> str:
        """A table with a caption and column heads."""
        if not self.rows:
            return (
                f'<div style="{STYLE}"><p>{escape(self.caption)}: {escape(self.nothing)}</p></div>'
            )
        body = "\n".join(
            f"<tr>{''.join(f'<td {LEFT}>{escape(cell)}</td>' for cell in row)}</tr>"
            for row in self.rows
        )
        return table(self.caption, self.columns, f"<tbody>\n{body}\n</tbody>", wraps=self.wraps)


def table(caption: str, columns: Iterable[str], body: str, *, wraps: bool = False) -> str:
    """A table as HTML.

    Args:
        caption: what it is of, in a few words.
        columns: the heads of its columns.
        body: its ``<tbody>``, one or several.
        wraps: whether a line may end within a word, but for the heads.
    """
    style = f"{STYLE}; overflow-x: auto" + ("; overflow-wrap: anywhere" if wraps else "")
    left = f'{LEFT[:-1]}; overflow-wrap: normal"' if wraps else LEFT
    head = "".join(f'<th scope="col" {left}>{escape(name)}</th>' for name in columns)
    return (
        f'<div style="{style}">\n<table>\n'
        f"<caption {LEFT}>{escape(caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n{body}\n</table>\n</div>"
    )


@dataclass(frozen=True, slots=True, repr=False)
class Page(View):
    """Several views, one below the other."""

    parts: Sequence[View]

    @classmethod
    def of(cls, parts: Iterable[View]) -> Page:
        """The page of these views."""
        return cls(tuple(parts))

    @property
    def text(self) -> str:
        """The twins, with a blank line between two."""
        return "\n\n".join(part.text for part in self.parts)

    @property
    def html(self) -> str:
        """The views as a notebook keeps them."""
        return "\n".join(part.html for part in self.parts)

    @property
    def moving(self) -> str:
        """The views while they change."""
        return "\n".join(part.moving for part in self.parts)
