"""What an execution has done: each visit, each attempt, and how they stand."""

from __future__ import annotations

from typing import Any

from labkit.eventlog import Event
from labkit.views.state_graph import End
from labkit.views.svg import Status
from labkit.views.visits import Run, run_of

ARN = "arn:aws:states:us-east-1:123456789012:execution:m:x"


class Story:
    """Events of an execution, a tenth of a second apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.cause = self.add("execution.started", None, name="x", machine="m")

    def add(self, kind: str, after: int | None, /, **data: Any) -> int:
        seq = len(self.events) + 1
        data["execution"] = ARN
        self.events.append(Event(seq, 100 + seq / 10, kind, "1-t", after, data))
        return seq

    def enter(self, state: str, type_: str = "Task", cause: int | None = None, **data: Any) -> int:
        """The number of the event; what is entered comes after ``cause``, or after the last exit."""
        after = self.cause if cause is None else cause
        return self.add("state.entered", after, state=state, type=type_, input='{"i":1}', **data)

    def leave(self, entered: int) -> int:
        name = self.events[entered - 1]["state"]
        self.cause = self.add("state.exited", entered, state=name, output='{"o":2}')
        return self.cause

    def fail(self, entered: int, error: str = "Boom") -> None:
        name = self.events[entered - 1]["state"]
        self.add("task.failed", entered, state=name, error=error, cause="why")

    def end(self, status: str, error: str | None = None) -> None:
        self.add("execution.ended", self.cause, status=status, error=error)

    @property
    def run(self) -> Run:
        run = run_of(self.events, ARN)
        assert run is not None
        return run

    def words(self, state: str) -> str:
        return self.run.notes()[state][1]


def test_state_is_running_until_it_is_left() -> None:
    story = Story()
    entered = story.enter("A")
    assert story.words("A") == "▶ running"
    story.leave(entered)
    assert story.words("A") == "✓ done"
    (visit,) = story.run.visits
    assert (visit.given, visit.output) == ('{"i":1}', '{"o":2}')
    (attempt,) = visit.attempts
    assert (attempt.begun, attempt.ended) == (100.2, 100.3)


def test_what_belongs_to_another_execution_is_no_part_of_it() -> None:
    story = Story()
    story.leave(story.enter("A"))
    other = Event(9, 101.0, "state.entered", "1-t", 1, {"execution": ARN + "2", "state": "B"})
    run = run_of([*story.events, other], ARN)
    assert run is not None
    assert [visit.state for visit in run.visits] == ["A"]
    assert run.now == 101.0
    assert run_of(story.events, ARN + "2") is None


def test_each_retry_is_an_attempt_and_a_failure_is_seen_before_it() -> None:
    story = Story()
    entered = story.enter("A")
    story.fail(entered)
    assert story.words("A") == "▶ running: ✗ Boom"
    story.add("state.retried", entered, state="A", attempt=2, error="Boom", cause="why")
    assert story.words("A") == "▶ running ↻ 1"
    story.leave(entered)
    assert story.words("A") == "✓ done ↻ 1"
    first, second = story.run.visits[0].attempts
    assert (first.error, first.cause, first.ended) == ("Boom", "why", 100.3)
    assert (second.begun, second.ended, second.error) == (100.4, 100.5, "")


def test_caught_error_is_named_and_the_way_it_took_is_that_of_the_catch() -> None:
    story = Story()
    entered = story.enter("A")
    story.fail(entered)
    story.add("state.caught", entered, state="A", error="Boom", cause="why")
    story.leave(entered)
    story.leave(story.enter("B"))
    story.end("SUCCEEDED")
    assert story.words("A") == "⤳ caught: Boom"
    ways = {(End.START, "A", False), ("A", "B", True), ("B", End.END, False)}
    assert story.run.ways == ways


def test_state_in_which_an_execution_fails_has_failed_with_its_error() -> None:
    story = Story()
    story.fail(story.enter("A"), "States.Timeout")
    story.end("FAILED", "States.Timeout")
    assert story.run.notes()["A"] == (Status.FAILED, "✗ failed: States.Timeout")
    assert story.run.visits[0].attempts[0].ended is not None
    assert ("A", End.END, False) not in story.run.ways


def test_choice_that_fails_has_the_error_of_the_execution() -> None:
    story = Story()
    story.enter("A", "Choice")
    story.end("FAILED", "States.NoChoiceMatched")
    assert story.words("A") == "✗ failed: States.NoChoiceMatched"


def test_fail_state_has_failed_and_leads_to_the_end() -> None:
    story = Story()
    story.leave(story.enter("A"))
    story.enter("F", "Fail")
    story.end("FAILED", "Rejected")
    assert story.words("F") == "✗ failed: Rejected"
    assert ("F", End.END, False) in story.run.ways


def test_stopped_and_timed_out_executions_say_so() -> None:
    for status, word in (("ABORTED", "✗ aborted"), ("TIMED_OUT", "✗ timed out")):
        story = Story()
        story.enter("A", "Wait")
        story.end(status)
        assert story.words("A") == word


def test_in_a_loop_the_newest_visit_counts() -> None:
    story = Story()
    for _ in range(2):
        story.leave(story.enter("A"))
    assert story.words("A") == "✓ done 2 times"
    story.enter("A")
    assert story.words("A") == "▶ running 3 times"
    assert ("A", "A", False) in story.run.ways


def test_map_counts_what_succeeded_and_its_states_show_the_worst_of_the_iterations() -> None:
    story = Story()
    outer = story.enter("M", "Map")
    story.add("map.started", outer, state="M", length=3)
    for index, fails in enumerate((True, False)):
        entered = story.enter("In", cause=outer, iteration=index)
        if fails:
            story.fail(entered)
            story.add("state.caught", entered, state="In", error="Boom", cause="")
        after = story.leave(entered)
        story.leave(story.enter("Then", "Pass", after, iteration=index))
        story.add("iteration.ended", outer, state="M", index=index, status="SUCCEEDED")
    assert story.words("M") == "▶ running 2 of 3 items"
    assert story.words("In") == "⤳ caught 2 times: Boom"
    assert story.words("Then") == "✓ done 2 times"
    story.add("iteration.ended", outer, state="M", index=2, status="ABORTED")
    assert story.words("M") == "▶ running 2 of 3 items"
    then = [visit for visit in story.run.visits if visit.state == "Then"]
    assert {visit.within.state for visit in then if visit.within} == {"M"}
    assert {visit.iteration for visit in then} == {0, 1}


def test_branch_that_fails_ends_the_others_and_what_is_around_it() -> None:
    story = Story()
    outer = story.enter("P", "Parallel")
    story.enter("Slow", "Wait", outer)
    story.fail(story.enter("Bad", cause=outer))
    story.add("state.caught", outer, state="P", error="Boom", cause="why")
    assert story.words("Slow") == "▶ running"
    story.leave(outer)
    assert story.words("P") == "⤳ caught: Boom"
    assert story.words("Bad") == "✗ failed: Boom"
    assert story.words("Slow") == "✗ aborted"


def test_state_around_a_failed_one_fails_with_its_error_if_nothing_catches_it() -> None:
    story = Story()
    outer = story.enter("P", "Parallel")
    story.enter("F", "Fail", outer)
    story.end("FAILED", "Rejected")
    assert story.words("F") == story.words("P") == "✗ failed: Rejected"


def test_retry_of_a_parallel_state_begins_its_branches_anew() -> None:
    story = Story()
    outer = story.enter("P", "Parallel")
    story.enter("Slow", "Wait", outer)
    story.add("state.retried", outer, state="P", attempt=2, error="Boom", cause="why")
    assert story.words("Slow") == "✗ aborted"
    story.enter("Slow", "Wait", outer)
    assert story.words("Slow") == "▶ running 2 times"
    assert story.words("P") == "▶ running ↻ 1"


def test_redriven_execution_runs_again_from_the_state_that_failed() -> None:
    story = Story()
    story.fail(story.enter("A"))
    story.end("FAILED", "Boom")
    again = story.add("execution.started", None, name="x", machine="m")
    assert story.run.status == "RUNNING"
    assert story.words("A") == "✗ failed: Boom"
    story.enter("A", cause=again)
    assert story.words("A") == "▶ running 2 times"
    assert story.run.error == ""
