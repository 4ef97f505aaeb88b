"""Ctrl-C comes at once, or as soon as it may."""

import signal
import subprocess
from typing import Any, ClassVar

import pytest

from labkit.bench.child import Child
from labkit.bench.interrupt import held_back, interruptible

ENDINGS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_way_to_end_a_process_interrupts_at_once(ending: signal.Signals) -> None:
    with interruptible(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(ending)


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_waits_for_the_end_of_the_outermost_block(ending: signal.Signals) -> None:
    done = []

    def work() -> None:
        with held_back():
            with held_back():
                signal.raise_signal(ending)
                done.append("inner")
            done.append("outer")
        done.append("after")

    with interruptible(), pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["inner", "outer"]


def test_one_signal_interrupts_once() -> None:
    with interruptible():
        with pytest.raises(KeyboardInterrupt), held_back():
            signal.raise_signal(signal.SIGINT)
        with held_back():
            pass


def test_an_error_in_the_block_is_not_hidden() -> None:
    with interruptible(), pytest.raises(OSError, match="no such program"), held_back():
        raise OSError("no such program")


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(ending) for ending in ENDINGS]
    with interruptible():
        pass
    assert [signal.getsignal(ending) for ending in ENDINGS] == before


class Interrupted(subprocess.Popen[str]):
    """A process, with Ctrl-C at the worst moment: it runs, and nobody has noted it yet."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.started.append(self)
        signal.raise_signal(signal.SIGINT)


def test_a_child_is_ended_although_the_interrupt_came_while_it_was_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with interruptible(), pytest.raises(KeyboardInterrupt), Child("http.server", "0"):
        raise AssertionError("the block must not begin")
    (process,) = Interrupted.started
    assert process.poll() is not None
