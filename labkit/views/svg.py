"""What drawings are made of: shapes, texts and colours, as SVG.  Pure.

Every drawing has dark ink on white paper.  Where a notebook's theme is dark, :mod:`labkit.views.picture`
turns light into dark; so a drawing knows one set of colours.  Each has a contrast of at least 7:1 to
the paper, and none is the only sign of anything: a mark stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from html import escape

FONT = 12
"""Size of letters, in pixels."""

LETTER = 7.8
"""Width of a letter, in pixels: more than in any of the usual fonts, so that no text is cut off."""

INK, FAINT, PAPER, LINE = "#1b1f24", "#4f555e", "#ffffff", "#8b919b"
STRIPE = "#f4f5f7"
"""Every other row of a chart with many, so that the eye keeps to its row."""

BLUE, PURPLE, GREEN, RED, BROWN = "#0b4a8f", "#5a2d82", "#0f5328", "#9b1c1c", "#6b3a00"


class Status(Enum):
    """How something stands: a word, the mark beside it, the colour of ink, and a pale one to fill."""

    OPEN = ("open", "○", FAINT, "#ffffff")
    RUNNING = ("running", "▶", BLUE, "#e3eefb")
    DONE = ("done", "✓", GREEN, "#e6f4ea")
    CAUGHT = ("caught", "⤳", BROWN, "#fdf0dd")
    FAILED = ("failed", "✗", RED, "#fbe7e7")

    def __init__(self, word: str, mark: str, ink: str, fill: str) -> None:
        self.word = word
        self.mark = mark
        self.ink = ink
        self.fill = fill


def width(text: str) -> float:
    """How wide a text is at most, in pixels."""
    return LETTER * len(text)


def short(text: str, letters: int) -> str:
    """A text of at most so many letters; ``…`` says that something is left out."""
    return text if len(text) <= letters else text[: letters - 1] + "…"


def document(wide: float, high: float, parts: Iterable[str]) -> str:
    """An SVG document on white paper; the same text for the same parts.

    Args:
        wide: its width, in pixels.
        high: its height, in pixels.
        parts: elements, from the back to the front.
    """
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:g}" height="{high:g}" '
            f'viewBox="0 0 {wide:g} {high:g}" font-family="system-ui, sans-serif" '
            f'font-size="{FONT}">',
            f'<rect width="{wide:g}" height="{high:g}" rx="6" fill="{PAPER}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str = INK, style: str = "") -> str:
    """A straight line; ``style`` holds further attributes."""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}"{_more(style)}/>'
    )


def rect(
    x: float, y: float, wide: float, high: float, *, fill: str = PAPER, style: str = ""
) -> str:
    """A box; ``style`` holds further attributes, such as its stroke."""
    size = f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}"'
    return f'<rect {size} fill="{fill}"{_more(style)}/>'


def text(x: float, y: float, words: str, colour: str = INK, style: str = "") -> str:
    """A line of text that begins at ``x`` unless ``style`` says otherwise; ``y`` is its base line."""
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}"{_more(style)}>{escape(words)}</text>'


def circle(x: float, y: float, radius: float, *, fill: str, style: str = "") -> str:
    """A disc."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}"{_more(style)}/>'


def polygon(points: Iterable[tuple[float, float]], *, fill: str, style: str = "") -> str:
    """A closed shape."""
    corners = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polygon points="{corners}" fill="{fill}"{_more(style)}/>'


def path(data: str, colour: str = INK, style: str = "") -> str:
    """A line of any shape; ``data`` is SVG's path data, ``style`` holds further attributes."""
    return f'<path d="{data}" fill="none" stroke="{colour}"{_more(style)}/>'


def _more(style: str) -> str:
    return f" {style}" if style else ""
