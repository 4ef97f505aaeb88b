"""How far the states of an execution have come, so that it can go on from there.

What is kept is what a redriven execution needs: "Step Functions preserves the results and execution
history of the successful steps, and doesn't rerun these steps"; of an inline Map or Parallel state it
"reschedules and redrives only the iterations and branches that failed or aborted".

Source: AWS Step Functions API reference, ``RedriveExecution``; developer guide, "Restarting state
machine executions with redrive".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Part = str | int
"""A branch, by its first state's name, or an iteration, by its index."""


@dataclass(slots=True)
class Progress:
    """How far the states of an execution, a branch or an iteration have come.

    Attributes:
        state: the state that runs, or that comes next; ``None`` before the first.
        data: that state's input; once all states are done, their output.
        is_done: whether all states are done.
        variables: those of these states.
    """

    state: str | None = None
    data: Any = None
    is_done: bool = False
    variables: Any = None
    _parts: dict[Part, Progress] = field(default_factory=dict)
    _earlier: dict[Part, Progress] = field(default_factory=dict)

    def goes_on(self, state: str, data: Any) -> None:
        """Note that a state comes next; what was in the one before it is no longer needed."""
        self.state, self.data = state, data
        self._parts = self._earlier = {}

    def ends(self, output: Any) -> None:
        """Note that all states are done."""
        self.is_done, self.data = True, output
        self._parts = self._earlier = {}

    def starts(self) -> None:
        """Note that the present state, a Parallel or Map, starts its branches or iterations.

        The first time in an execution that goes on, they have come as far as they were.  A Retry runs
        all of them anew.
        """
        self._parts, self._earlier = self._earlier, {}

    def part(self, which: Part) -> Progress:
        """How far a branch or iteration of the present state has come.

        Args:
            which: the branch's first state or the iteration's index.
        """
        return self._parts.setdefault(which, Progress())

    def again(self) -> Progress:
        """The same for an execution that goes on from here.

        It is a copy: threads of the execution as it was may still write into this one.
        """
        parts = (self._parts or self._earlier).copy()
        return Progress(
            self.state,
            self.data,
            self.is_done,
            self.variables,
            _earlier={which: part.again() for which, part in parts.items()},
        )
