"""A picture that a notebook shows and keeps.

It stands in the output as an ``<img>`` with its data and its words inside.  In that form it survives
saving, an untrusted reopening, HTML export and a viewer without a network; inline SVG and
``image/svg+xml`` each fail in one of them.  While it changes it is inline SVG: an image whose data is
replaced ten times a second flickers.

In a dark theme its lightness is turned round and its hues stay, by a style that only a trusted notebook
applies; an untrusted one shows it as it is, dark on white.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html import escape

from labkit.views.view import View

DARK = """<style>
body[data-jp-theme-light="false"] .labkit-picture, body.vscode-dark .labkit-picture {
  filter: invert(1) hue-rotate(180deg) }
</style>"""
"""JupyterLab and its HTML export name their theme's lightness on the page's body, and so does VS Code."""

_FITS = "max-width: 100%; height: auto"


@dataclass(frozen=True, slots=True, repr=False)
class Picture(View):
    """A drawing with its words.

    Attributes:
        svg: the drawing, an SVG document.
        alt: one sentence for who cannot see it.
        twin: what it shows in plain text, without what differs from run to run.
    """

    svg: str
    alt: str
    twin: str

    @property
    def text(self) -> str:
        """The twin."""
        return self.twin

    @property
    def html(self) -> str:
        """The picture as HTML that needs nothing else."""
        data = base64.b64encode(self.svg.encode()).decode()
        return (
            f'{DARK}<img class="labkit-picture" alt="{escape(self.alt)}" {self._size()}'
            f'src="data:image/svg+xml;base64,{data}" style="{_FITS}">'
        )

    @property
    def moving(self) -> str:
        """The drawing itself, which the browser replaces without a gap."""
        opening = f'<svg class="labkit-picture" role="img" aria-label="{escape(self.alt)}" style="{_FITS}"'
        return DARK + self.svg.replace("<svg", opening, 1)

    def _size(self) -> str:
        """Width and height as attributes, so that nothing jumps when the image has been read."""
        size = re.match(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"', self.svg)
        return f'width="{size[1]}" height="{size[2]}" ' if size else ""
