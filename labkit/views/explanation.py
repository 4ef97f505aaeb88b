"""What one event means, in a sentence or two, in AWS's words.  Pure."""

from __future__ import annotations

import http

from labkit.eventlog import Event
from labkit.views import close_codes

_CALLS = {
    "BatchGetItem": "It reads several items at once.",
    "DeleteItem": "It removes an item from the table.",
    "GetItem": "It reads one item by its key.",
    "GetSecretValue": "It fetches a secret that is not written into the code.",
    "Invoke": "It runs a Lambda function.",
    "PostToConnection": "It asks API Gateway to send a message to one connection, by its id.",
    "PutItem": "It writes a whole item into the table.",
    "Query": "It reads the items of one partition key.",
    "Scan": "It reads the whole table, item by item.",
    "StartExecution": "It starts the state machine, and does not wait for it.",
    "TransactWriteItems": "It writes several items, all of them or none.",
    "UpdateItem": "It changes some attributes of an item, and leaves the others as they are.",
}

_STATES = {
    "Choice": "The state machine looks at its data and chooses the next state by it.",
    "Fail": "The execution ends here, as failed.",
    "Map": "The same states run for each element of a list.",
    "Parallel": "Several branches run at the same time.",
    "Pass": "The state hands its data on, changed or not.",
    "Succeed": "The execution ends here, as succeeded.",
    "Task": "The state machine has something done, and waits for what comes of it.",
    "Wait": "The state machine waits, and nothing runs meanwhile.",
}


def explain(event: Event) -> str:
    """What an event means, for somebody who sees it for the first time.

    Args:
        event: of any kind that :mod:`labkit.steps` tells.

    Returns:
        A sentence or two without anything measured; empty for a kind that nothing is to be said of.
    """
    data = event.data
    match event.kind:
        case "http.request":
            return "The client sends a request to the HTTP API, and waits for the answer."
        case "http.response" if data["status"] == http.HTTPStatus.ACCEPTED:
            return (
                "The client has its answer: the request is accepted, and the work is not done yet."
            )
        case "http.response" if data["status"] >= 400:
            return "The client has its answer: the request failed."
        case "http.response":
            return "The client has its answer, and the request is over."
        case "handshake.request":
            return (
                "The client asks for a WebSocket. "
                "API Gateway runs what the route $connect leads to before it agrees."
            )
        case "handshake.refused":
            return "There is no connection: API Gateway or the function of $connect refused it."
        case "connection.opened":
            return "The connection has an id, and is open: from here on either side may send at any time."
        case "connection.closed":
            why = close_codes.meaning(data["code"], data["reason"])
            return f"{why} API Gateway runs what the route $disconnect leads to, if it can."
        case "frame.in":
            return "A message comes from the client, over the connection that is open already."
        case "route.selected":
            return "The API's route selection expression gave this route, and the route says what runs."
        case "frame.out":
            return "The client gets a message that it did not ask for at this moment: it is pushed."
        case "function.invoked":
            how = (
                "in a new process, which had to start first: a cold start"
                if data["cold"]
                else "in a process that was there already: warm"
            )
            return f"Lambda runs the function {how}."
        case "function.returned" if data.get("error"):
            return "The function ended with an error, which goes to whoever called it."
        case "function.returned":
            return "What the function returns goes to whoever called it."
        case "aws.call" if data["status"] >= 400:
            return "The call failed; the caller gets an error, and may try again or give up."
        case "aws.call":
            return _CALLS.get(data["operation"], "A call to an AWS API.")
        case "execution.started":
            return _CALLS["StartExecution"]
        case "state.entered":
            return _STATES.get(data["type"], "The next state of the state machine.")
        case "task.failed":
            return "The task failed. Retry and Catch of the state say what comes next; without them the execution fails."
        case "execution.ended" if data["status"] == "SUCCEEDED":
            return "The state machine has come to its end."
        case "execution.ended":
            return "The execution is over, and its last state was not left."
        case "fault.applied":
            return "A fault that was set on purpose strikes here."
        case "cloud.warning":
            return "The local cloud says what is wrong here, or what AWS would do in another way."
        case _:
            return ""
