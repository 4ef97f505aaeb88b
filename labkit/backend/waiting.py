"""Time and threads in the interpreter: the cloud's clock, and waiting that ends when it is told to."""

from __future__ import annotations

import types
from typing import Any

from labkit.backend import seam
from labkit.backend.interpreter import ASL, PARSER, STATE, TASK
from labkit.backend.replacement import Replacement, always
from labkit.states import running


def _threads(original: Any) -> Any:
    """The ``threading`` module with an execution's threads and events."""
    members = {**vars(original), "Thread": running.Thread, "Event": running.Event}
    return types.SimpleNamespace(**members)


def _time(original: Any) -> Any:
    return types.SimpleNamespace(**{**vars(original), "sleep": running.pause})


def _retry_time(original: Any) -> Any:
    return types.SimpleNamespace(**{**vars(original), "sleep": _wait})


def _wait(seconds: float) -> None:
    run = running.current.get()
    running.pause(seconds if run is None or seam.here.executions.waits(run, seconds) else 0.0)


def _wait_interval(_: Any) -> Any:
    def wait_interval(self: Any, env: Any, wait_seconds: float) -> None:
        _wait(wait_seconds)

    return wait_interval


def _setup_heartbeat(original: Any) -> Any:
    def setup_heartbeat_endpoint(self: Any, heartbeat_seconds: int) -> Any:
        made = original(self, heartbeat_seconds)
        if self.get_outcome() is not None:
            made.notify()
        return made

    return setup_heartbeat_endpoint


_INTERRUPTIBLE = "it waits and starts threads; stopped at once, on the cloud's clock, by name"


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        f"{PARSER}.backend.execution_worker", "Thread", always(running.Thread), _INTERRUPTIBLE
    ),
    Replacement(f"{ASL}.component.program.program", "threading", _threads, _INTERRUPTIBLE),
    Replacement(f"{STATE}.exec.execute_state", "threading", _threads, _INTERRUPTIBLE),
    Replacement(f"{STATE}.exec.execute_state", "Thread", always(running.Thread), _INTERRUPTIBLE),
    Replacement(
        f"{STATE}.exec.state_parallel.branch_worker", "threading", _threads, _INTERRUPTIBLE
    ),
    Replacement(
        f"{STATE}.exec.state_parallel.branches_decl", "threading", _threads, _INTERRUPTIBLE
    ),
    Replacement(
        f"{STATE}.exec.state_map.iteration.inline_iteration_component",
        "threading",
        _threads,
        _INTERRUPTIBLE,
    ),
    Replacement(f"{STATE}.exec.state_map.iteration.job", "threading", _threads, _INTERRUPTIBLE),
    Replacement(
        f"{TASK}.service.state_task_service_callback", "threading", _threads, _INTERRUPTIBLE
    ),
    Replacement(f"{TASK}.service.state_task_service_callback", "time", _time, _INTERRUPTIBLE),
    Replacement(f"{ASL}.eval.callback.callback", "Event", always(running.Event), _INTERRUPTIBLE),
    Replacement(
        f"{ASL}.eval.callback.callback",
        "CallbackEndpoint.setup_heartbeat_endpoint",
        _setup_heartbeat,
        "a task that its function ended before it returned would wait for a heartbeat",
    ),
    Replacement(f"{ASL}.component.common.retry.retrier_decl", "time", _retry_time, _INTERRUPTIBLE),
    Replacement(
        f"{STATE}.wait.wait_function.wait_function",
        "WaitFunction._wait_interval",
        _wait_interval,
        _INTERRUPTIBLE,
    ),
)
