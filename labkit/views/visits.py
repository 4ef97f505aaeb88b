"""What an execution of a state machine has done: each time that it entered a state.  Pure.

A state that a loop leads back to is visited several times, a state in a Map state once for each item,
and each visit may have several attempts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from labkit.eventlog import Event
from labkit.views.state_graph import RETRY, End, Node
from labkit.views.svg import Status

_ENDS = {"ABORTED": "aborted", "TIMED_OUT": "timed out"}
"""What a state is called in which an execution ended without an error of the state."""


@dataclass(slots=True)
class Attempt:
    """One attempt of a visit.

    Attributes:
        begun: seconds since the epoch.
        ended: of it, or ``None``.
        error: the error's name, if it failed.
        cause: what is said of the error.
    """

    begun: float
    ended: float | None = None
    error: str = ""
    cause: str = ""


@dataclass(slots=True, eq=False)
class Visit:
    """One time that a state was entered.

    Attributes:
        state: its name.
        type: its type.
        given: its input, JSON text.
        within: the visit of the Map or Parallel state around it.
        iteration: of that Map state, from 0.
        attempts: at least one.
        output: JSON text, once it is left.
        caught: the error that a Catch of its took.
        is_left: whether it came to its end.
        items: how many items a Map state has.
        ended: how many of them succeeded.
        status: how it stands.
        why: the error with which it failed, or another word for its status.
    """

    state: str
    type: str
    given: str
    within: Visit | None
    iteration: int | None
    attempts: list[Attempt]
    output: str = ""
    caught: str = ""
    is_left: bool = False
    items: int | None = None
    ended: int = 0
    status: Status = Status.RUNNING
    why: str = ""

    @property
    def word(self) -> str:
        """How it stands, in a word."""
        return self.why if self._was_ended else self.status.word

    @property
    def _was_ended(self) -> bool:
        """Whether it failed by no error of its own."""
        return self.status is Status.FAILED and self.why in _ENDS.values()

    def words(self, *counts: str) -> str:
        """How it stands, with its mark and its error.

        Args:
            counts: what is said between its status and its error.
        """
        error = "" if self._was_ended else self.why
        if self.status is Status.RUNNING and self.attempts[-1].error:
            error = f"{Status.FAILED.mark} {self.attempts[-1].error}"
        stands = " ".join([self.status.mark, self.word, *([", ".join(counts)] if counts else [])])
        return f"{stands}: {error}" if error else stands


@dataclass(slots=True)
class Run:
    """An execution.

    Attributes:
        arn: its ARN.
        name: its name.
        begun: seconds since the epoch.
        now: of the newest event in the log.
        ended: of its end, or ``None``.
        status: as AWS calls it.
        error: the error's name with which it failed.
        visits: in the order of time.
        ways: the transitions that it took: source, target, and whether by a Catch.
    """

    arn: str
    name: str
    begun: float
    now: float
    ended: float | None = None
    status: str = "RUNNING"
    error: str = ""
    visits: list[Visit] = field(default_factory=list)
    ways: set[tuple[Node, Node, bool]] = field(default_factory=set)

    def notes(self) -> dict[str, tuple[Status, str]]:
        """How each state stands that was entered: its status, and that in words."""
        found: dict[str, list[Visit]] = {}
        for visit in self.visits:
            found.setdefault(visit.state, []).append(visit)
        return {state: _standing(visits) for state, visits in found.items()}


def run_of(events: Iterable[Event], arn: str) -> Run | None:
    """What an execution has done.

    Args:
        events: the log.
        arn: the execution's ARN.

    Returns:
        ``None`` if it has not begun.
    """
    run: Run | None = None
    entered: dict[int | None, Visit] = {}
    left: dict[int | None, Visit] = {}
    restarted = now = 0.0
    for event in events:
        now = event.time
        data = event.data
        if data.get("execution") != arn:
            continue
        if event.kind == "execution.started":
            if run is None:
                run = Run(arn, data["name"], event.time, event.time)
            else:  # it is redriven
                run.ended, run.status, run.error = None, "RUNNING", ""
            restarted = event.time
            continue
        if run is None:
            continue
        visit = entered.get(event.cause)
        match event.kind:
            case "state.entered":
                before = left.get(event.cause)
                visit = Visit(
                    data["state"],
                    data["type"],
                    data["input"],
                    before.within if before else visit,
                    data.get("iteration"),
                    [Attempt(event.time)],
                )
                entered[event.seq] = visit
                run.visits.append(visit)
                if before:
                    run.ways.add((before.state, visit.state, bool(before.caught)))
                elif visit.within is None:
                    run.ways.add((End.START, visit.state, False))
            case "execution.ended":
                run.ended, run.status = event.time, data["status"]
                run.error = data.get("error") or ""
            case _ if visit is not None:
                _happened(visit, event)
                if event.kind == "state.exited":
                    left[event.seq] = visit
    if run is not None:
        run.now = now
        _judge(run, restarted)
    return run


def _happened(visit: Visit, event: Event) -> None:
    """Note what an event says of a visit."""
    data, last = event.data, visit.attempts[-1]
    match event.kind:
        case "task.failed":
            last.ended, last.error, last.cause = event.time, data["error"], data["cause"]
        case "state.retried":
            if last.ended is None:  # a Map or Parallel state: what failed was inside it
                last.ended = event.time
            last.error, last.cause = data["error"], data["cause"]
            visit.attempts.append(Attempt(event.time))
            visit.ended = 0
        case "state.caught":
            last.error, last.cause = data["error"], data["cause"]
            visit.caught = data["error"] or "an error"
        case "state.exited":
            last.ended = last.ended or event.time
            visit.is_left, visit.output = True, data["output"]
        case "map.started":
            visit.items = data["length"] or None
        case "iteration.ended" if data["status"] == "SUCCEEDED":
            visit.ended += 1


def _judge(run: Run, restarted: float) -> None:
    """Give each visit its status."""
    inner: dict[int, str] = {}  # errors of what failed inside a visit
    for visit in reversed(run.visits):
        last = visit.attempts[-1]
        if visit.caught:
            visit.status, visit.why = Status.CAUGHT, visit.caught
        elif visit.is_left:
            visit.status = Status.DONE
        elif visit.type == "Fail" or _is_over(visit, run, restarted):
            visit.status = Status.FAILED
            visit.why = _why(visit, run, inner.get(id(visit), ""))
            last.ended = last.ended or run.ended
            if visit.within is not None and visit.why not in _ENDS.values():
                inner.setdefault(id(visit.within), visit.why)
    outermost = [visit for visit in run.visits if visit.within is None]
    if outermost and (run.status == "SUCCEEDED" or outermost[-1].type == "Fail"):
        run.ways.add((outermost[-1].state, End.END, False))


def _why(visit: Visit, run: Run, inside: str) -> str:
    """The error with which a visit failed, or what else ended it.

    Args:
        visit: one that was not left.
        run: its execution.
        inside: the error of what failed inside it.
    """
    if own := visit.attempts[-1].error or inside:
        return own
    if visit.type == "Fail":
        around = visit.within
        while around is not None:
            if error := around.attempts[-1].error:
                return error
            around = around.within
        return run.error
    if visit.within is None and run.status == "FAILED":
        return run.error
    return _ENDS.get(run.status, _ENDS["ABORTED"])


def _is_over(visit: Visit, run: Run, restarted: float) -> bool:
    """Whether nothing will come of a visit that was not left."""
    begun = visit.attempts[0].begun
    if run.ended is not None or begun < restarted:
        return True
    around = visit.within
    while around is not None:
        if around.is_left or around.attempts[-1].begun > begun:
            return True
        around = around.within
    return False


def _standing(visits: list[Visit]) -> tuple[Status, str]:
    """How a state stands, by its visits.

    In a loop the newest visit counts.  In a Map state the newest of each iteration does, and the worst
    of these.
    """
    newest = visits[-1]
    current = {visit.iteration: visit for visit in visits if visit.within is newest.within}
    shown = max(reversed(current.values()), key=lambda visit: _ORDER.index(visit.status))
    counts = []
    if newest.items is not None:
        counts.append(f"{newest.ended} of {newest.items} items")
    if len(visits) > 1:
        counts.append(f"{len(visits)} times")
    retries = sum(len(visit.attempts) - 1 for visit in visits)
    if retries:
        counts.append(f"{RETRY} {retries}")
    return shown.status, shown.words(*counts)


_ORDER = (Status.OPEN, Status.DONE, Status.CAUGHT, Status.FAILED, Status.RUNNING)
"""From what is said least to what is said first."""
