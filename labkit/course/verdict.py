"""What a check says of an answer that is not right yet.  No I/O.

Exercise 4.2 broadcast: not yet                       [GONE_ABORTS]
  Did:      sent to c1 and c2; GoneException (410) for c3 ended the loop
  Expected: c1, c2 and c4 receive the message once, and c3's row is removed
  Next:     handle the 410 of one connection without stopping the others
  hint("4.2") gives hint 1 of 3
"""

from __future__ import annotations

from labkit.errors import LabError

WIDTH = 62
"""Column in which the diagnosis begins, if there is room."""

HINTS = 3
"""Each exercise has as many: a question, the concept, and nearly the code."""


class NotYet(LabError):
    """An answer is not right yet.

    Attributes:
        number: the exercise's number.
        title: its title.
        diagnosis: what is wrong, as a code.
        did: what the answer did.
        expected: what a right answer does.
        next_step: what to do next.
        frames: the student's own frames of a traceback, a line each.
        next_hint: the level of the hint that comes next; ``None`` if all were read.
    """

    def __init__(
        self,
        *,
        number: str,
        title: str,
        diagnosis: str,
        did: str,
        expected: str,
        next_step: str,
        frames: tuple[str, ...] = (),
    ) -> None:
        self.number = number
        self.title = title
        self.diagnosis = diagnosis
        self.did = did
        self.expected = expected
        self.next_step = next_step
        self.frames = frames
        self.next_hint: int | None = 1
        super().__init__(str(self))

    def __str__(self) -> str:
        more = (
            f"gives hint {self.next_hint} of {HINTS}"
            if self.next_hint
            else f'repeats hint {HINTS} of {HINTS}; reveal("{self.number}") shows the solution'
        )
        head = f"Exercise {self.number} {self.title}: not yet"
        return "\n".join(
            [
                f"{head:{WIDTH}}[{self.diagnosis}]"
                if len(head) < WIDTH
                else f"{head} [{self.diagnosis}]",
                f"  Did:      {self.did}",
                f"  Expected: {self.expected}",
                f"  Next:     {self.next_step}",
                f'  hint("{self.number}") {more}',
            ]
        )

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of frames of the lab's own machinery."""
        return [*self.frames, str(self)]
