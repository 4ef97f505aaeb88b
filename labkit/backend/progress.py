"""How far an execution, its branches and its iterations have come; a redriven one goes on there."""

from __future__ import annotations

import copy
import sys
from typing import Any

from labkit.backend import here
from labkit.backend.interpreter import ASL, STATE
from labkit.backend.replacement import Replacement
from labkit.states import running


def _evaluate(original: Any) -> Any:
    def evaluate(self: Any, env: Any) -> None:
        progress = here.progress.get()
        if progress is None:
            original(self, env)
            return
        program = self
        if progress.state is None:
            progress.goes_on(self.start_at.start_at_name, env.states.get_input())
            progress.variables = env.variable_store
        else:
            program = copy.copy(self)
            program.start_at = _start_at(progress.state)
            env.states.reset(progress.data)
            env.variable_store = progress.variables
        original(program, env)

    return evaluate


def _start_at(state: str) -> Any:
    return sys.modules[f"{ASL}.component.common.flow.start_at"].StartAt(state)


def _set_next(original: Any) -> Any:
    def set_next(self: Any, env: Any) -> None:
        last = type(self.continue_with).__name__ != "ContinueWithNext"
        ends = last and env.next_state_name == self.name
        original(self, env)
        progress, run = here.progress.get(), running.current.get()
        if progress is None or run is None or run.ended.is_set():
            return
        following = env.next_state_name
        if ends:
            progress.ends(env.states.get_input())
        elif following is not None:  # it is, if the state was ended from outside
            progress.goes_on(following, env.states.get_input())

    return set_next


def _branch(original: Any) -> Any:
    def thread_routine(self: Any) -> None:
        progress = here.progress.get()
        if progress is not None:
            branch = progress.part(self._program.start_at.start_at_name)
            here.progress.set(branch)
            if branch.is_done:
                self.env.states.reset(branch.data)
                self._branch_worker_comm.on_terminated(env=self.env)
                return
        original(self)

    return thread_routine


def _iteration(original: Any) -> Any:
    def eval_job(self: Any, env: Any, job: Any) -> None:
        progress = here.progress.get()
        if progress is None:
            original(self, env, job)
            return
        iteration = progress.part(job.job_index)
        if iteration.is_done:
            job.job_output = iteration.data
            return
        of_map = here.progress.set(iteration)
        try:
            original(self, env, job)
        finally:
            here.progress.reset(of_map)

    return eval_job


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        f"{ASL}.component.program.program",
        "Program.eval",
        _evaluate,
        "a redriven execution begins with the state that did not succeed",
    ),
    *(
        Replacement(f"{STATE}.{module}", f"{name}._set_next", _set_next, "it is noted what is done")
        for module, name in (
            ("state", "CommonStateField"),
            ("choice.state_choice", "StateChoice"),
        )
    ),
    Replacement(
        f"{STATE}.exec.state_parallel.branch_worker",
        "BranchWorker._thread_routine",
        _branch,
        "a branch that succeeded is not run again by a redrive",
    ),
    Replacement(
        f"{STATE}.exec.state_map.iteration.iteration_worker",
        "IterationWorker._eval_job",
        _iteration,
        "an iteration that succeeded is not run again by a redrive",
    ),
)
