"""One seed, from the first request to the end of everything, and what is wrong about it.

Customers order and listen, faults strike, time passes.  When nothing is left to happen, it is asked
of the whole world whether the pattern kept its promises.
"""

from __future__ import annotations

import io
import math
import random
import re
from contextlib import redirect_stdout
from dataclasses import dataclass

from tests.pattern.simulation.cloud import Answered, Cloud, give_back_retries
from tests.pattern.simulation.customer import Customer, Pattern, begin, eavesdrop, order
from tests.pattern.simulation.faults import Faults
from tests.pattern.simulation.network import Network
from tests.pattern.simulation.promises import PROMISES, End, Rule
from tests.pattern.simulation.schedule import EPOCH, Schedule


@dataclass(frozen=True)
class Line:
    """One line of the timeline.

    Attributes:
        time: seconds since the beginning.
        who: whose doing it is.
        what: what happened.
    """

    time: float
    who: str
    what: str

    def __str__(self) -> str:
        mark = "⚡" if self.who == "fault" else " "
        return f"{self.time:12.3f} s {mark} {self.who}: {self.what}"


@dataclass(frozen=True)
class Outcome:
    """How a seed ended.

    Attributes:
        seed: the seed.
        kinds: the kinds of faults that could strike.
        struck: those that did, in order.
        broken: which promises were broken, each with how.
        timeline: what happened.
        calls: what DynamoDB was asked and answered.
        states: those that executions entered.
        missed: whether a message came for a connection that was not there yet, and then was.
        copies: how often results arrived at clients, duplicates counted.
    """

    seed: int
    kinds: frozenset[str]
    struck: list[str]
    broken: list[tuple[Rule, str]]
    timeline: list[Line]
    calls: list[Answered]
    states: set[str]
    missed: bool
    copies: int

    @property
    def problems(self) -> list[str]:
        """The broken promises, in words."""
        return [f"not true: {rule.__name__.replace('_', ' ')} ({how})" for rule, how in self.broken]

    def told(self) -> str:
        """All of it, to be read."""
        head = [f"seed {self.seed}: {len(self.struck)} faults struck, of these kinds:"]
        head += [f"  {each}" for each in sorted(self.kinds)]
        verdict = self.problems or ["All promises were kept."]
        text = "\n".join([*head, "", *map(str, self.timeline), "", *verdict])
        return re.sub(r"\border-([0-9a-f]{4})[0-9a-f]{28}\b", r"order-\1…", text)


def simulate(pattern: Pattern, seed: int) -> Outcome:
    """Run one seed (with :func:`schedule.virtual_time` in force)."""
    # botocore draws its pauses from the module's own generator.
    before = random.getstate()
    random.seed(seed)
    try:
        with redirect_stdout(io.StringIO()):
            return _simulate(pattern, seed)
    finally:
        random.setstate(before)
        give_back_retries(pattern.functions)


def _simulate(pattern: Pattern, seed: int) -> Outcome:
    draw = random.Random(seed)
    schedule = Schedule()
    timeline: list[Line] = []
    struck: list[str] = []

    def note(who: str, what: str) -> None:
        timeline.append(Line(schedule.now, who, what))

    def strike(where: str, kind: str) -> None:
        struck.append(kind)
        note("fault", f"{kind} ({where})")

    faults = Faults(draw, strike)
    cloud = Cloud(schedule, draw, faults, pattern.functions, pattern.machine, note)
    network = Network(cloud)

    def overheard(url: str) -> None:
        if faults.strikes("client: eavesdropper", "handshake"):
            cloud.some_time(lambda: eavesdrop(url, network, cloud))

    network.overheard = overheard
    pattern.functions["connect"].signing_key()  # warm, whatever happened with the seed before

    stock = {"tea": draw.choice((1, 2, 10)), "cup": 100}
    for sku, available in stock.items():
        cloud.tables.stock(sku, available)
    customers = [
        Customer(f"client {number}", f"key {seed}.{number}", order(draw, f"client {number}"))
        for number in range(1, draw.choice((1, 1, 1, 2)) + 1)
    ]
    for customer in customers:
        begin(customer, pattern, network, cloud)
    schedule.run()

    end = End(customers, network, cloud, stock, EPOCH + schedule.now, pattern)
    return Outcome(
        seed,
        faults.kinds,
        struck,
        [(rule, how) for rule in PROMISES for how in rule(end)],
        timeline,
        cloud.tables.calls,
        {state for execution in cloud.executions.values() for state in execution.states},
        any(socket.is_missed and socket.heard_at < math.inf for socket in network.sockets),
        sum('"result"' in text for socket in network.sockets for text in socket.frames),
    )
