"""Which definitions CreateStateMachine and UpdateStateMachine refuse, in AWS's words.

Source: answers of AWS that were published: the resource that is not recognized, the missing and the
unreachable target, the missing terminal state, the duplicate name (of which the place inside a
branch is not verified).  "State names MUST be unique within the scope of the whole state machine."
(Amazon States Language specification, "States".)  AWS writes ``Missing 'Next' target`` for every kind
of target, a ``StartAt`` included, and reports no unreachable state in a workflow without a terminal
state.  The words for a missing field are not verified.

This is what can be said without running the machine.  The interpreter's own grammar refuses the
rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.states import express, json_text
from labkit.states.resources import is_known

TYPES = frozenset({"Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"})
_GO_ON = frozenset({"Task", "Pass", "Wait", "Parallel", "Map"})

LONGEST = 1_048_576
"""Bytes that a definition may have.  (API reference, CreateStateMachine.)"""


def problems(definition: str, kind: str = "STANDARD") -> list[str]:
    """What is wrong with a definition.

    Args:
        definition: JSON text.
        kind: the state machine's type, ``STANDARD`` or ``EXPRESS``.

    Returns:
        Sentences of AWS's, each with its code and its place; empty if nothing is wrong.
    """
    try:
        machine = json_text.parse(definition)
    except ValueError as error:
        return [f"INVALID_JSON_DESCRIPTION: {error}"]
    return [*_machine(machine, "", kind == express.EXPRESS), *_duplicates(machine)]


def message(found: list[str]) -> str:
    """The message of ``InvalidDefinition``."""
    return f"Invalid State Machine Definition: '{', '.join(found)}'"


def _machine(machine: Any, at: str, is_express: bool) -> Iterator[str]:
    place = at or "/"
    if not isinstance(machine, dict):
        yield _schema("A state machine is a JSON object", place)
        return
    states = machine.get("States")
    missing = [name for name in ("StartAt", "States") if name not in machine]
    for name in missing:
        yield _schema(f'The field "{name}" is required but was missing', place)
    if missing:
        return
    if not isinstance(states, dict) or not states:
        yield _schema("The value is an object with at least one state", f"{at}/States")
        return
    for name, state in states.items():
        yield from _state(state, f"{at}/States/{name}", is_express)
    whole = {name: state for name, state in states.items() if isinstance(state, dict)}
    yield from _transitions(str(machine["StartAt"]), whole, at)


def _duplicates(machine: Any) -> Iterator[str]:
    """Names that two states of the whole machine have, those in branches and processors included."""
    there: set[str] = set()
    for name, place in _names(machine, ""):
        if name in there:
            yield f"DUPLICATE_STATE_NAME: Duplicate State name: {name} at {place}"
        there.add(name)


def _names(machine: Any, at: str) -> Iterator[tuple[str, str]]:
    """The name of each state, with its place."""
    states = machine.get("States") if isinstance(machine, dict) else None
    if not isinstance(states, json_text.Object):
        return
    for name in [*states, *states.twice]:
        yield name, f"{at}/States/{name}"
    for name, state in states.items():
        if isinstance(state, dict):
            for place, inner in _inner(state, f"{at}/States/{name}"):
                yield from _names(inner, place)


def _state(state: Any, at: str, is_express: bool) -> Iterator[str]:
    if not isinstance(state, dict):
        yield _schema("A state is a JSON object", at)
        return
    kind = state.get("Type")
    if "Type" not in state:
        yield _schema('The field "Type" is required but was missing', at)
        return
    if not isinstance(kind, str) or kind not in TYPES:
        yield _schema(f"Value is not one of [{', '.join(sorted(TYPES))}]", f"{at}/Type")
        return
    if kind in _GO_ON:
        if "Next" not in state and state.get("End") is not True:
            yield _schema('One of the fields "Next" and "End" is required', at)
        elif "Next" in state and state.get("End") is True:
            yield _schema('Only one of the fields "Next" and "End" may be there', at)
    if kind == "Task":
        yield from _task(state, at)
    elif kind == "Choice" and not state.get("Choices"):
        yield _schema('The field "Choices" is required but was missing', at)
    if is_express and kind in ("Task", "Map"):
        yield from (_schema(what, place) for what, place in express.refusals(state, at))
    for place, inner in _inner(state, at):
        yield from _machine(inner, place, is_express)


def _task(state: Mapping[str, Any], at: str) -> Iterator[str]:
    if "Resource" not in state:
        yield _schema('The field "Resource" is required but was missing', at)
    elif not isinstance(state["Resource"], str) or not is_known(state["Resource"]):
        yield _schema(
            f"The resource provided {state['Resource']} is not recognized. The value is not a "
            "valid resource ARN, or the resource is not available in this region.",
            f"{at}/Resource",
        )


def _inner(state: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any]]:
    """The machines inside a Parallel or Map state, with their places."""
    if state.get("Type") == "Parallel":
        branches = state.get("Branches")
        for number, branch in enumerate(branches if isinstance(branches, list) else []):
            yield f"{at}/Branches[{number}]", branch
    elif state.get("Type") == "Map":
        for name in ("ItemProcessor", "Iterator"):
            if name in state:
                yield f"{at}/{name}", state[name]


def _transitions(start: str, states: Mapping[str, Mapping[str, Any]], at: str) -> Iterator[str]:
    if start not in states:
        yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {start} at {at}/StartAt"
    targets: dict[str, set[str]] = {}
    for name, state in states.items():
        targets[name] = set()
        for place, target in _targets(state, f"{at}/States/{name}"):
            targets[name].add(target)
            if target not in states:
                yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {target} at {place}"
    if not any(
        s.get("End") is True or s.get("Type") in ("Succeed", "Fail") for s in states.values()
    ):
        yield "MISSING_END_STATE: Workflow has no terminal state at null"
        return
    reached, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name in states and name not in reached:
            reached.add(name)
            todo.extend(targets[name])
    for name in states:
        if name not in reached:
            yield (
                f'MISSING_TRANSITION_TARGET: State "{name}" is not reachable. at {at}/States/{name}'
            )


def _targets(state: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    for field in ("Next", "Default"):
        if isinstance(state.get(field), str):
            yield f"{at}/{field}", state[field]
    for field in ("Choices", "Catch"):
        rules = state.get(field)
        for number, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict) and isinstance(rule.get("Next"), str):
                yield f"{at}/{field}[{number}]/Next", rule["Next"]


def _schema(what: str, at: str) -> str:
    return f"SCHEMA_VALIDATION_FAILED: {what} at {at}"
