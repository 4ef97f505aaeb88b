"""The client: place an order, listen, and receive the result exactly once.

    client = OrderClient(orders_url, on_message=print)
    client.place_order(order)
    result = client.result(timeout=30)

It needs nothing but websocket-client, and knows three things that every client of this pattern must:

- The first message on a connection is ``subscribe``; whatever was stored comes back at once.
- A message may come twice, and an old one late.  Sequence numbers only grow, so what is not above
  the highest one seen is dropped.
- A connection may end at any time, and what is asked on it may fail.  Sending the order again *with
  the same Idempotency-Key* is no second order: it brings a fresh ticket for the first one.  Pauses
  between tries double, up to a limit, and are drawn at random ("full jitter"), or all clients of a
  stage that went away would come back in the same second.
"""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import websocket

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 20.0
"""Seconds before the second try at most, and before any later one."""

ANSWER = 15.0
"""Seconds after which a request or a handshake without an answer is sent again: a second more than
API Gateway waits for the function behind it (``ANSWERED`` in ``build.py``), so the answer is lost."""

SILENCE = 30.0
"""Seconds without a message after which the client asks again, in case its message got lost; and
as long after that, it takes the connection for dead."""

Message = dict[str, Any]
T = TypeVar("T")


class OrderRefused(Exception):
    """The API will not take this request, however often it is sent.

    Attributes:
        status: the HTTP status.
        field: what is wrong in the order, such as ``items[1].quantity``; may be empty.
    """

    def __init__(self, status: int, message: str, field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.field = field


@dataclass(frozen=True)
class Placed:
    """The answer to an order: where it is and where to listen."""

    order_id: str
    execution_arn: str
    websocket_url: str


class Inbox:
    """Tells news from duplicates.  No I/O; it outlives connections."""

    def __init__(self) -> None:
        self._last = 0

    def news(self, text: str) -> Message | None:
        """The message in a frame, or ``None`` if it is a duplicate, late, or no message of ours."""
        try:
            message = json.loads(text)
            sequence = message["sequence"]
            if sequence <= self._last:
                return None
        except (ValueError, KeyError, TypeError):
            return None  # "help", or one of API Gateway's own errors
        self._last = sequence
        return dict(message)


class OrderClient:
    """Follows one order from the request to its result.

    Args:
        orders_url: where orders are posted to, ``https://…/orders``.
        on_message: called with each message, once, in order of its sequence number.
        idempotency_key: names this order, and proves that it is ours; made up if not given.
        connect: opens a WebSocket: ``connect(url, timeout=seconds)``.
        urlopen: sends an HTTP request: ``urlopen(request, timeout=seconds)``.
        sleep: waits so many seconds.
        uniform: a random number between two.
    """

    def __init__(
        self,
        orders_url: str,
        *,
        on_message: Callable[[Message], object] = lambda message: None,
        idempotency_key: str = "",
        connect: Callable[..., Any] = websocket.create_connection,
        urlopen: Callable[..., Any] = urllib.request.urlopen,
        sleep: Callable[[float], object] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._orders_url = orders_url
        self._on_message = on_message
        self._key = idempotency_key or str(uuid.uuid4())
        self._open_socket = connect
        self._urlopen = urlopen
        self._sleep = sleep
        self._uniform = uniform
        self._order: object = None
        self._placed: Placed | None = None
        self._socket: Any = None
        self._inbox = Inbox()
        self._result: Message | None = None

    def place_order(self, order: object, *, timeout: float = 30.0) -> Placed:
        """Send the order; again, if there is no answer or the server fails.

        Raises:
            OrderRefused: the order is malformed (400), or the request is refused otherwise.
            TimeoutError: nothing came of it within ``timeout`` seconds.
        """
        self._order = order
        deadline = time.monotonic() + timeout
        self._placed = self._retry(lambda: self._post(deadline), deadline)
        return self._placed

    def connect(self, *, timeout: float = 30.0) -> None:
        """Open the connection and subscribe, now; :meth:`result` does so on its own.

        Raises:
            TimeoutError: no connection within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        self._retry(lambda: self._connect(deadline), deadline)

    def result(self, *, timeout: float = 60.0) -> dict[str, Any]:
        """Listen until the result is there, over as many connections as it takes.

        Returns:
            The result: ``status`` is ``accepted``, ``rejected`` or ``failed``.

        Raises:
            TimeoutError: no result within ``timeout`` seconds; calling again goes on listening.
            OrderRefused: the API no longer knows the order.
        """
        deadline = time.monotonic() + timeout
        while self._result is None:
            self._retry(lambda: self._listen(deadline), deadline)
        return dict(self._result["body"])

    def close(self) -> None:
        """Close the connection, if there is one."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()

    def __enter__(self) -> OrderClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- one step each; a step that fails is tried again ------------------------------------------

    def _post(self, deadline: float) -> Placed:
        request = urllib.request.Request(
            self._orders_url,
            data=json.dumps(self._order).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": self._key},
        )
        try:
            with self._urlopen(request, timeout=min(ANSWER, _remaining(deadline))) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            if error.code == 429 or error.code >= 500:
                raise ConnectionError(f"the API answered {error.code}") from error
            raise _refused(error.code, text) from None
        return Placed(answer["orderId"], answer["executionArn"], answer["websocketUrl"])

    def _connect(self, deadline: float) -> None:
        # A ticket is good for one connection; after that the order is sent again for a new one.
        placed, self._placed = self._placed or self._post(deadline), None
        timeout = min(ANSWER, _remaining(deadline))
        self._socket = self._open_socket(placed.websocket_url, timeout=timeout)
        self._subscribe()

    def _subscribe(self) -> None:
        self._socket.send(json.dumps({"action": "subscribe"}))

    def _listen(self, deadline: float) -> None:
        """Receive messages until the result, the end of the connection, or the deadline."""
        if self._socket is None:
            self._connect(deadline)
        asked_again = False
        while self._result is None:
            self._socket.settimeout(min(SILENCE, _remaining(deadline)))
            try:
                text = self._socket.recv()
            except websocket.WebSocketTimeoutException:
                _remaining(deadline)
                if asked_again:
                    # A network can fail without a word; TCP would notice in a quarter of an hour.
                    raise ConnectionError("the connection is silent") from None
                self._subscribe()
                asked_again = True
                continue
            asked_again = False
            if not text:  # websocket-client's sign that the other side closed
                raise ConnectionError("the connection was closed")
            if _is_error(text):
                raise ConnectionError("what the client asked for failed")
            message = self._inbox.news(text)
            if message is not None:
                if message["type"] == "result":
                    self._result = message
                self._on_message(message)

    def _retry(self, step: Callable[[], T], deadline: float) -> T:
        pause = FIRST_PAUSE
        while True:
            try:
                return step()
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise
            except (OSError, websocket.WebSocketException):
                pass  # URLError and ConnectionError are OSErrors; a refused handshake is the other
            self.close()
            self._sleep(min(self._uniform(0, pause), _remaining(deadline)))
            pause = min(pause * 2, LONGEST_PAUSE)


def _is_error(text: str) -> bool:
    """Whether API Gateway says with a frame that it could not do what it was asked for.

    It sends ``{"message": "Internal server error", "connectionId": "…", "requestId": "…"}`` when the
    function fails, and the like for other reasons.
    """
    try:
        said = json.loads(text)
    except ValueError:
        return False
    return isinstance(said, dict) and {"message", "connectionId", "requestId"} <= said.keys()


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("There was no answer in time. Call again to go on waiting.")
    return seconds


def _refused(status: int, text: str) -> OrderRefused:
    try:
        answer = json.loads(text)
        return OrderRefused(status, answer["message"], answer.get("field", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return OrderRefused(status, text or f"The API answered {status}.")
