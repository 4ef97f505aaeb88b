"""What goes wrong, and when: drawn by the seed, at each step of the pattern.

The steps are those of ``labkit.faults``, and a few that only a simulation can have.  A seed does not
draw from all kinds of faults at once: it chooses some and leaves the others out, so that each kind is
met alone, in pairs and in crowds.  And it strikes only so often, in all and at each step: AWS's
retries, and the pattern's, are made for failures that pass.

Half of the seeds draw *gentle* faults only.  Those cost time or a connection, and never a message of
a connection that goes on; so with them the result must be there without the client's asking again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

GENTLE = (
    "http.request: lost on the way",
    "http.request: answer lost",
    "http.request: arrives twice",
    "http.request: error",
    "http.request: delay",
    "handshake: lost on the way",
    "handshake: answer lost",
    "handshake: error",
    "handshake: delay",
    "handshake: slow to open",
    "function.invoke: delay",
    "function.invoke: duplicate",
    "frame.in: delay",
    "frame.in: duplicate",
    "frame.out: delay",
    "frame.out: duplicate",
    "connection: cut",
    "connection: closed",
    "$disconnect: late",
    "$disconnect: never",
    "aws.call: delay",
    "aws.call: conflict",
    "state.enter: delay",
    "client: starts again",
    "client: second tab",
    "client: eavesdropper",
)

ROUGH = (
    "function.invoke: throttle",
    "function.invoke: error",
    "function.invoke: kill",
    "function.invoke: answer lost",
    "aws.call: throttle",
    "aws.call: error",
    "aws.call: answer lost",
    "management: gone",
    "management: throttle",
    "management: error",
    "management: answer lost",
    "frame.in: drop",
    "frame.out: drop",
    "connection: silent",
    "do_work: killed each time",
)

AT_ONE_STEP = 6
"""Strikes at one step at most.  The state machine tries a task that must succeed seven times or more."""


class Faults:
    """The faults of one seed.

    Args:
        draw: where everything random comes from.
        note: writes a strike into the timeline, with where it strikes.

    Attributes:
        rough: how many faults struck that were not gentle.
        kinds: the kinds of faults that may strike.
    """

    def __init__(self, draw: random.Random, note: Callable[[str, str], None]) -> None:
        self._draw = draw
        self._note = note
        self.rough = 0
        is_gentle = draw.random() < 0.5
        there_are = GENTLE if is_gentle else GENTLE + ROUGH
        steps = sorted({kind.partition(":")[0] for kind in there_are})
        steps += ["connection"] * 4  # of which there is little to strike at
        self.kinds = frozenset(
            draw.choice([kind for kind in there_are if kind.startswith(step)])
            for step in draw.choices(steps, k=draw.choice((1, 2, 3, 5, 8)))
        )
        self._left = draw.choice((1, 2, 3, 4, 6, 9, 12))
        self._chance = draw.choice((0.2, 0.5, 0.9))
        self._at: Counter[str] = Counter()

    def strikes(self, kind: str, where: str) -> bool:
        """Whether a fault strikes here and now.

        Args:
            kind: from :data:`GENTLE` or :data:`ROUGH`.
            where: the step, in words.
        """
        if kind not in self.kinds or not self._left or self._at[where] >= AT_ONE_STEP:
            return False
        if self._draw.random() >= self._chance:
            return False
        self._left -= 1
        self._at[where] += 1
        self.rough += kind in ROUGH
        self._note(where, kind)
        return True

    def strikes_always(self, kind: str, where: str) -> bool:
        """Whether a fault strikes here each time, however often."""
        if kind in self.kinds:
            self._note(where, kind)
        return kind in self.kinds

    def delay(self, kind: str, where: str, longest: float = 2.0) -> float:
        """Seconds that something is late: none, unless a fault strikes."""
        if not self.strikes(kind, where):
            return 0.0
        return longest * 10 ** -self._draw.uniform(0, 3)
