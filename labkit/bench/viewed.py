"""What a live view costs: the same load with nobody looking, and with a view that follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.bench.child import Child
from labkit.bench.crowd import converse, crowd
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer


@dataclass(frozen=True, slots=True)
class Viewed:
    """Messages a second of clients that talk to a lab in another process, which shows a live view.

    Attributes:
        clients: how many connections; each sends its next message when the last has come back.
        messages: how many each of them sends in one round.
        rounds: how many rounds with the view, and as many without; they take turns, so that whatever
            else the machine does, and the log that grows, meet both.
        seconds: until a round must have ended.
    """

    clients: int = 10
    messages: int = 300
    rounds: int = 4
    seconds: float = 60.0

    name = "view"
    lab_alone = True

    @property
    def quantities(self) -> Sequence[Quantity]:
        """The figures of one run."""
        what = f"{self.clients} clients, a lab in a notebook"
        return (
            Quantity("rate", what, "messages/s", more_is_better=True),
            Quantity("viewed", "the same with a live view", "messages/s", more_is_better=True),
            Quantity("left", "of the rate that is left with it", "%", more_is_better=True),
            Quantity("frames", "frames shown in a round", "", more_is_better=True),
        )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh lab."""
        without = viewed = 0.0
        frames = 0
        with Child("labkit.bench.viewing") as lab:
            url = lab.line()["url"]
            with crowd(url, self.clients, self.seconds) as sockets:
                converse(sockets, self.messages, self.seconds)  # from cold
                for _ in range(self.rounds):
                    without += converse(sockets, self.messages, self.seconds)
                    lab.ask()
                    viewed += converse(sockets, self.messages, self.seconds)
                    frames += lab.ask()["frames"]
        total = self.clients * self.messages * self.rounds
        return {
            "rate": total / without,
            "viewed": total / viewed,
            "left": without / viewed * 100,
            "frames": frames / self.rounds,
        }
