import threading
import time

import pytest

from labkit.clock import Clock
from labkit.states.running import Event, Run, Stopped, Thread, current, pause
from labkit.trace import Trace


def run_at(speed=1.0, failed=lambda error: None):
    arn = "arn:aws:states:us-east-1:123456789012:execution:m:n"
    return Run(arn, "m", Clock(speed), Trace.new(), failed)


@pytest.fixture
def run():
    made = run_at()
    token = current.set(made)
    yield made
    made.stop()
    current.reset(token)


def test_stop_ends_a_wait_at_once(run):
    waiting, ended = threading.Event(), threading.Event()

    def work():
        try:
            waiting.set()
            pause(3600)
        except Stopped:
            ended.set()
            raise

    thread = Thread(target=work)
    thread.start()
    assert waiting.wait(5)
    run.stop()
    assert ended.wait(5)
    threading.Thread.join(thread, 5)
    assert not thread.is_alive()


def test_wait_after_the_stop_does_not_begin(run):
    run.stop()
    with pytest.raises(Stopped):
        Event().wait(3600)


def test_time_runs_at_the_speed_of_the_clock():
    token = current.set(run_at(speed=10_000))
    try:
        started = time.monotonic()
        pause(3600)
        assert 0.3 < time.monotonic() - started < 5
    finally:
        current.reset(token)


def test_event_tells_whether_it_was_set_in_time(run):
    event = Event()
    assert event.wait(0) is False
    event.set()
    assert event.wait(0) is True
    event.clear()
    assert event.is_set() is False


def test_thread_works_for_the_execution_of_its_maker(run):
    seen = []
    thread = Thread(target=lambda: seen.append(current.get()), name="ignored")
    thread.start()
    thread.join(5)
    assert seen == [run]
    assert thread.daemon
    assert thread.name == "labkit-execution-n"


def test_exception_in_a_thread_is_told_to_the_execution():
    failures = []
    token = current.set(run_at(failed=failures.append))
    try:
        thread = Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join(5)
    finally:
        current.reset(token)
    assert [type(f) for f in failures] == [ZeroDivisionError]
