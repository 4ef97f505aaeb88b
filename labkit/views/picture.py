"""A picture that a notebook shows and keeps.

It stands in the output as an ``<img>`` with its data and its words inside.  In that form it survives
saving, an untrusted reopening, HTML export and a viewer without a network; inline SVG and
``image/svg+xml`` each fail in one of them.  Beside it stands its twin: the same in plain text, for
readers without pictures and for comparing outputs.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing with its words.

    Attributes:
        svg: the drawing, an SVG document.
        alt: one sentence for who cannot see it.
        text: the twin: what it shows, without what differs from run to run.
    """

    svg: str
    alt: str
    text: str

    @property
    def html(self) -> str:
        """The picture as HTML that needs nothing else."""
        data = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<img alt="{escape(self.alt)}" src="data:image/svg+xml;base64,{data}" '
            'style="max-width: 100%; height: auto">'
        )

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What IPython shows when the picture is the last line of a cell."""
        return {"text/plain": self.text, "text/html": self.html}
