"""Controls: widgets that only take input, and a view beside them that a notebook keeps.

A widget is gone when the kernel is, and what is printed when a button is pressed could land in any
cell.  So what is seen is a view in an output of its own, which a press or a call replaces.
"""

from __future__ import annotations

from typing import Any

from labkit.views.live import Display, is_still
from labkit.views.view import View

WIDGET = "application/vnd.jupyter.widget-view+json"
"""The MIME type of a widget in an output."""

GONE = """<style>
.jp-OutputArea-output.jupyter-widgets:not(:has(*)) { font-size: 0 }
.jp-OutputArea-output.jupyter-widgets:not(:has(*))::after {
  content: "(Buttons and fields are gone with their kernel. Run this cell again to get them back.)";
  font-size: var(--jp-content-font-size1, 14px); color: var(--jp-content-font-color1, inherit) }
</style>"""
"""What a student reads who opens a notebook again.  JupyterLab has an error in the place of a widget
whose kernel is gone, and an output without any element in it is that error."""


def show_inputs(widget: Any, stands_for: str) -> None:
    """Show a widget in the cell that runs.

    Args:
        widget: of ipywidgets.
        stands_for: the text of the output, which a notebook keeps when the widget is gone.
    """
    from IPython.display import display

    display({"text/plain": stands_for, WIDGET: widget._repr_mimebundle_()[WIDGET]}, raw=True)
    if not is_still():
        display({"text/plain": "", "text/html": GONE}, raw=True)


class Controls:
    """A view with widgets above it; the last line of a cell shows both.

    Args:
        display: where the view is shown; the cell's output if none.

    Attributes:
        stands_for: the text that a notebook keeps in the place of the widgets.
    """

    stands_for: str

    def __init__(self, display: Display | None = None) -> None:
        self._display = display
        self._is_shown = False

    @property
    def view(self) -> View:
        """What is seen now."""
        raise NotImplementedError

    def inputs(self) -> Any:
        """What takes input, a widget; each press does what a call does."""
        raise NotImplementedError

    @property
    def text(self) -> str:
        """What is seen now, in plain text."""
        return self.view.text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        from IPython.display import DisplayHandle

        show_inputs(self.inputs(), self.stands_for)
        if self._display is None:
            self._display = DisplayHandle()
        self._display.display(self.view._repr_mimebundle_(), raw=True)
        self._is_shown = True

    def refresh(self) -> None:
        """Show what is to be seen by now, if anything is shown."""
        if self._is_shown and self._display is not None:
            self._display.update(self.view._repr_mimebundle_(), raw=True)
