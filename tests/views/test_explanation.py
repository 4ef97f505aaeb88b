"""Every kind of step is explained, and the explanation tells what matters of it."""

from typing import Any

import pytest

from labkit.eventlog import Event
from labkit.steps import steps
from labkit.views.explanation import explain


def happened(kind: str, **data: Any) -> Event:
    return Event(1, 1.0, kind, None, None, data)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (happened("http.response", status=202), "the work is not done yet"),
        (happened("http.response", status=200), "the request is over"),
        (happened("http.response", status=500), "failed"),
        (happened("function.invoked", function="f", cold=True), "a cold start"),
        (happened("function.invoked", function="f", cold=False), "warm"),
        (
            happened("function.returned", function="f", durationMs=1.0, error="ValueError"),
            "with an error",
        ),
        (
            happened("aws.call", service="dynamodb", operation="GetItem", status=200),
            "reads one item by its key",
        ),
        (
            happened("aws.call", service="dynamodb", operation="GetItem", status=400),
            "the caller gets an error",
        ),
        (happened("aws.call", service="s3", operation="PutObject", status=200), "A call to an AWS"),
        (happened("state.entered", state="A", type="Choice"), "chooses the next state"),
        (happened("connection.closed", code=1006, reason=""), "broke"),
        (happened("connection.closed", code=4999, reason=""), "The application chose"),
        (happened("execution.ended", status="FAILED"), "was not left"),
    ],
)
def test_what_matters_is_said(event: Event, said: str) -> None:
    assert steps([event])
    assert said in explain(event)


def test_of_a_detail_nothing_is_said() -> None:
    assert explain(happened("message.handled", connection="c")) == ""
