"""Express state machines: the form of an execution's ARN, what is refused, what is billed.

An Express execution is kept nowhere.  ``DescribeExecution``, ``StopExecution``,
``GetExecutionHistory`` and ``RedriveExecution`` refuse its ARN, ``ListExecutions`` its state machine,
and the same name may be used again and again.  On AWS, CloudWatch Logs are the only record; here it is
the event log.

Source: AWS Step Functions developer guide, "Choosing workflow type in Step Functions"; API reference,
``StartSyncExecution`` and ``BillingDetails``; AWS Step Functions pricing.  ARN, errors and refusals
are those of answers of AWS that were published, but for the refusal of a distributed Map, whose words
are not verified.

Not emulated: asynchronous Express executions run *at least once* on AWS, so a task may be repeated;
here each runs once, of which :func:`at_least_once` warns.  ``includedData``, because nothing is encrypted here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from labkit.states.resources import SYNC, SYNC2, WAIT, is_activity

EXPRESS = "EXPRESS"
"""``type`` of an Express state machine."""

LONGEST = 300
"""Seconds that an execution may take, "five minutes"."""

NOT_SUPPORTED = "This operation is not supported by this type of state machine"
"""The message of ``StateMachineTypeNotSupported``."""

NO_EXECUTION = "Invalid Arn: 'Resource type not valid in this context: express'"
"""The message of ``InvalidArn``, for an Express execution's ARN."""

_BILLED_MS = 100
_BILLED_MB = 64


def arn_of(machine_arn: str, name: str, unique: str) -> str:
    """An execution's ARN.

    Args:
        machine_arn: the state machine's ARN.
        name: the execution's name.
        unique: tells executions of one name apart.
    """
    return f"{machine_arn.replace(':stateMachine:', ':express:', 1)}:{name}:{unique}"


def is_execution(arn: str) -> bool:
    """Whether an ARN is that of an Express execution."""
    return arn.split(":")[5:6] == ["express"]


def at_least_once(arn: str) -> str:
    """What to say of an Express execution that was started asynchronously.

    Args:
        arn: the execution's ARN.
    """
    machine = arn.split(":")[6]
    return (
        f"The state machine {machine} is of the type EXPRESS. On AWS, an execution that StartExecution "
        "starts runs at least once, so each of its tasks may run twice; here each runs once. Write tasks "
        "that may be repeated, such as with a condition, or choose the type STANDARD."
    )


def execution_name(arn: str) -> str:
    """The name in an execution's ARN, of a Standard or an Express execution."""
    return arn.split(":")[7]


def limited(definition: str) -> str:
    """A definition whose execution ends after :data:`LONGEST` seconds at the latest.

    Args:
        definition: JSON text that is known to be right.
    """
    machine = json.loads(definition)
    return json.dumps(
        {**machine, "TimeoutSeconds": min(machine.get("TimeoutSeconds", LONGEST), LONGEST)}
    )


def billing(lasted: timedelta) -> dict[str, int]:
    """``billingDetails`` of an execution.

    "Duration … rounded up to the nearest 100 ms", memory in chunks of 64 MB.  Memory is always one
    chunk here: what an execution takes on AWS is not documented.

    Args:
        lasted: from its start to its end.
    """
    steps = math.ceil(lasted / timedelta(milliseconds=_BILLED_MS))
    return {
        "billedDurationInMilliseconds": max(1, steps) * _BILLED_MS,
        "billedMemoryUsedInMB": _BILLED_MB,
    }


def refusals(state: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    """What an Express state machine does not support in a state.

    Args:
        state: a Task or Map state.
        at: its place, such as ``/States/Notify``.

    Yields:
        Sentences of AWS's, each with its place.
    """
    if state["Type"] == "Map":
        processor = state.get("ItemProcessor")
        config = processor.get("ProcessorConfig") if isinstance(processor, dict) else None
        if isinstance(config, dict) and config.get("Mode") == "DISTRIBUTED":
            place = f"{at}/ItemProcessor/ProcessorConfig/Mode"
            yield "Express state machine does not support 'DISTRIBUTED' Map", place
        return
    resource = str(state.get("Resource", ""))
    place = f"{at}/Resource"
    if is_activity(resource):
        yield "Express state machine does not support Activity ARN", place
    elif resource.endswith(WAIT):
        # In AWS's own sentence, two spaces follow.
        yield f"Express state machine does not support '{WAIT}' service integration ", place
    elif resource.endswith((SYNC, SYNC2)):
        yield f"Express state machine does not support '{SYNC}' service integration", place
