"""What a call shows: a text, and the same as HTML where a notebook can show it.

The HTML has no script, and its words stand without any style, because JupyterLab takes both out of a
notebook that is not trusted.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from labkit.views import view

STYLE = f"{view.STYLE}; max-width: 46em"
"""Of an HTML text's outermost element: as a view's, in lines that are not too long to read."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text with a twin in HTML.

    Attributes:
        text: for terminals, comparisons and readers of diffs.
        page: the same as HTML.
    """

    text: str
    page: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.page

    def show(self) -> None:
        """Show it in the notebook's cell; print the text outside of one."""
        from IPython.display import display

        display(self)


def marked_up(text: str) -> str:
    """A line of text as HTML, with `` `…` `` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
