"""The checks of the exercises."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from labkit.course.exercise import Attempt, Kind, exercise

HINTS = ("What is new?", "What is known is counted already.", "if message not in known")


@exercise(
    "1.1",
    "Count the messages",
    kind=Kind.FILL_IN,
    difficulty=1,
    minutes=3,
    hints=HINTS,
    diagnoses={
        "ALL": "leave out what is known",
        "FORGETS": "put what is new into known",
        "NONE": "return how many are new",
    },
)
def count(attempt: Attempt, count: Callable[..., Any]) -> None:
    messages = [f"m{attempt.seed}", "hello", f"m{attempt.seed}"]
    known = {"hello": True}
    said = count(messages, known)
    if said is None or said == 0:
        raise attempt.not_yet("NONE", did=f"returned {said}", expected="1")
    if set(known) != {"hello", messages[0]}:
        raise attempt.not_yet("FORGETS", did=f"known is {known}", expected="both messages")
    if said != 1 or count([], known) != 0:
        raise attempt.not_yet("ALL", did=f"counted {said}", expected="1")


@exercise(
    "1.2",
    "Count in a function",
    kind=Kind.MAKE,
    difficulty=2,
    minutes=5,
    hints=HINTS,
    diagnoses={
        "REFUSES_NOTHING": "answer 400 if there is no body",
        "NO_STATUS": "answer with a statusCode",
        "WRONG_COUNT": "count the members of the list in the body",
    },
)
def counter(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        aws.function("counter", file)
        things = list(range(aws.random.randrange(2, 9)))
        said = aws.invoke("counter", {"body": json.dumps(things)})
        if "statusCode" not in said:
            raise attempt.not_yet("NO_STATUS", did=f"answered {said}", expected="a statusCode")
        if said != {"statusCode": 200, "body": str(len(things))}:
            raise attempt.not_yet("WRONG_COUNT", did=f"answered {said}", expected=f"{len(things)}")
        said = aws.invoke("counter", {"isBase64Encoded": False})
        if said != {"statusCode": 400}:
            raise attempt.not_yet("REFUSES_NOTHING", did=f"answered {said}", expected="400")


@exercise(
    "1.3",
    "Count in a state machine",
    kind=Kind.STATE_MACHINE,
    difficulty=2,
    minutes=5,
    hints=HINTS,
    diagnoses={
        "REFUSED": "mend what AWS says of the definition",
        "EMPTY_SUCCEEDS": "go to Nothing if count is 0",
        "ALWAYS_FAILS": "go to Something by default",
    },
)
def machine(attempt: Attempt, definition: str) -> None:
    with attempt.sandbox() as aws:
        try:
            arn = aws.state_machine(definition)
        except ClientError as error:
            said = error.response["Error"]["Message"]
            raise attempt.not_yet("REFUSED", did=said, expected="a definition") from None
        ended = aws.execute(arn, {"count": aws.random.randrange(1, 9)})
        if ended.status != "SUCCEEDED":
            raise attempt.not_yet("ALWAYS_FAILS", did=ended.status, expected="SUCCEEDED")
        ended = aws.execute(arn, {"count": 0})
        if (ended.status, ended.error) != ("FAILED", "Empty"):
            raise attempt.not_yet("EMPTY_SUCCEEDS", did=ended.status, expected="FAILED")
