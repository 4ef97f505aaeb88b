"""What AWS takes in a definition and the local cloud cannot run, or runs in another way.

What it cannot run is refused when the state machine is created, in a sentence that says so; better
than an execution that fails for a reason of the interpreter's.

A *distributed* Map runs like an inline one: its iterations belong to the execution, and there is
neither a map run nor a child execution.  An iteration that fails fails the state with its own error,
where AWS has ``States.ExceedToleratedFailureThreshold``.  What only a distributed Map has, such as
``ItemReader``, is refused.

Source: AWS Step Functions developer guide, "Using Map state in Distributed mode for large-scale
parallel workloads".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.states import resources

_DISTRIBUTED_ONLY = (
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
)


def refusals(definition: str) -> list[str]:
    """What a definition asks for that the local cloud does not emulate.

    Args:
        definition: JSON text that AWS would take.

    Returns:
        Sentences, each with the state's name.
    """
    return [
        f"The local cloud does not emulate {what} (state {name}). It works on AWS only."
        for name, state in _states(json.loads(definition))
        for what in _refused(state)
    ]


def warnings(definition: str) -> list[str]:
    """What of a definition runs here in another way than on AWS.

    Args:
        definition: JSON text that AWS would take.

    Returns:
        Sentences, each with the state's name.
    """
    return [
        f"The Map state {name} is distributed. Here its iterations run inside the execution, as those "
        "of an inline Map do: there are no child executions and no map run, and an iteration that "
        "fails fails the state with its own error, not with States.ExceedToleratedFailureThreshold."
        for name, state in _states(json.loads(definition))
        if _is_distributed(state)
    ]


def interpretable(definition: str) -> str:
    """The definition that the interpreter gets: distributed Maps are inline ones.

    Args:
        definition: JSON text; what is no definition is returned as it is.
    """
    try:
        machine = json.loads(definition)
        distributed = [state for _, state in _states(machine) if _is_distributed(state)]
    except ValueError:
        return definition
    for state in distributed:
        state["ItemProcessor"]["ProcessorConfig"] = {"Mode": "INLINE"}
        state.pop("Label", None)
    return json.dumps(machine) if distributed else definition


def _states(machine: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states of a machine, with their names, those inside Parallel and Map states too."""
    for name, state in _members(_members(machine).get("States")).items():
        if isinstance(state, dict):
            yield name, state
            branches = state.get("Branches")
            inner = [*branches] if isinstance(branches, list) else []
            for each in (*inner, state.get("ItemProcessor"), state.get("Iterator")):
                yield from _states(each)


def _members(value: Any) -> dict[str, Any]:
    """The members of a JSON object; none if it is something else."""
    return value if isinstance(value, dict) else {}


def _refused(state: Mapping[str, Any]) -> Iterator[str]:
    resource = state.get("Resource")
    if state.get("Type") == "Task" and not resources.is_emulated(str(resource)):
        yield f"the resource {resource}"
    if state.get("Type") == "Map":
        yield from (f"{field} of a Map" for field in _DISTRIBUTED_ONLY if field in state)


def _is_distributed(state: Mapping[str, Any]) -> bool:
    config = _members(_members(state.get("ItemProcessor")).get("ProcessorConfig"))
    return bool(config.get("Mode") == "DISTRIBUTED")
