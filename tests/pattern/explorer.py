"""Every order in which several programs can take their steps, each order once.

A *program* is a plain function that asks the outside world by calls, like a Lambda function's handler.
It needs no thread to be stopped between two calls: it is run again from its beginning with the answers
that it has had so far, up to the first call that it has no answer for.  So a program's place is the
list of its answers, a world is JSON, and both together are a state that is visited once, however many
orders of steps lead there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.pattern.in_process import Aws, Call, World


@dataclass(frozen=True)
class Program:
    """Something that takes steps.

    Attributes:
        run: does it; its result is kept.
        begins: whether it may begin, in a world.
    """

    run: Callable[[], Any]
    begins: Callable[[World], bool] = lambda world: True


@dataclass(frozen=True)
class End:
    """How it ended, after one order of steps.

    Attributes:
        world: what is left.
        results: what the programs returned, by name.
        way: the steps, for a test that fails.
    """

    world: World
    results: dict[str, Any]
    way: list[str]


class Explorer:
    """Goes through every order of steps.

    Args:
        aws: where the programs' calls arrive.
        private: whether a step concerns no other program, so that its moment makes no difference.
    """

    def __init__(self, aws: Aws, private: Callable[[Call], bool] = lambda call: False) -> None:
        self._aws = aws
        self._private = private

    def call(self, service: str, operation: str, **asked: Any) -> Any:
        """A program's step that is none of the functions': it is answered by the world, too."""
        return self._aws.answer((service, operation, asked))

    def ends(self, world: World, programs: Mapping[str, Program]) -> list[End]:
        """How it can end: each end once, with one of the ways that lead there."""
        asked: dict[tuple[str, tuple[str, ...]], Call | _Over] = {}

        def next_step(name: str, answers: tuple[str, ...]) -> Call | _Over:
            if (name, answers) not in asked:
                asked[name, answers] = self._replay(programs[name], answers)
            return asked[name, answers]

        begin = (json.dumps(world.state, sort_keys=True), tuple(() for _ in programs))
        seen = {begin}
        todo: list[tuple[Any, list[str]]] = [(begin, [])]
        found = []
        while todo:
            (state, places), way = todo.pop()
            here = World(json.loads(state))
            steps = {
                name: step
                for name, place in zip(programs, places, strict=True)
                if (place or programs[name].begins(here))
                and not isinstance(step := next_step(name, place), _Over)
            }
            alone = next((name for name, step in steps.items() if self._private(step)), None)
            for index, name in enumerate(programs):
                if name not in steps or alone not in (None, name):
                    continue
                there = World(json.loads(state))
                answer = json.dumps(there.answer(steps[name]))
                place = (*places[index], answer)
                after = (
                    json.dumps(there.state, sort_keys=True),
                    (*places[:index], place, *places[index + 1 :]),
                )
                if after not in seen:
                    seen.add(after)
                    todo.append((after, [*way, f"{name}: {steps[name][1]}"]))
            if not steps:
                results = {
                    name: last.result
                    for name, place in zip(programs, places, strict=True)
                    if isinstance(last := next_step(name, place), _Over)
                }
                found.append(End(here, results, way))
        return found

    def _replay(self, program: Program, answers: tuple[str, ...]) -> Call | _Over:
        given = iter(answers)

        def answer(call: Call) -> tuple[int, dict[str, Any]]:
            try:
                status, body = json.loads(next(given))
            except StopIteration:
                raise _NoAnswerYet(call) from None
            return status, body

        self._aws.answer = answer
        try:
            return _Over(program.run())
        except _NoAnswerYet as stopped:
            return stopped.call


@dataclass(frozen=True)
class _Over:
    result: Any


class _NoAnswerYet(BaseException):  # so that no handler catches it
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.call = call
