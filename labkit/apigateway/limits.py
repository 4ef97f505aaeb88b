"""API Gateway's quotas for WebSocket APIs.

Source: "Quotas for configuring and running a WebSocket API in API Gateway" in the Amazon API Gateway
developer guide.  A row that AWS leaves open is marked *our choice*.

How much an API may have is in :mod:`labkit.apigateway.quotas`.
"""

from __future__ import annotations

from dataclasses import dataclass

KB = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What WebSocket connections may do.

    Attributes:
        frame: bytes of one frame; a larger one closes the connection with 1009.
        message: bytes of one message, in either direction.
        url: characters of the URL that a client connects to.
        idle: AWS seconds without a message in either direction, after which a connection ends.
        duration: AWS seconds after which a connection ends.
        integration: real seconds that an integration may take at most.
        unsent: bytes that wait for a client that does not read; more is refused with
            ``LimitExceededException`` (AWS: "the WebSocket client side buffer is full"; the size
            is our choice: two of the largest messages).
        at_once: messages of one connection that are handled at the same time before its socket is
            read no further (our choice; AWS throttles by account instead).
        farewells: ``$disconnect`` integrations that run at the same time (our choice, so that
            thousands of clients that leave together do not start thousands of functions).
        new_connections: connections that an account may open in a real second and region; more are
            refused with 429.  AWS increases this quota on request.
        closing: real seconds that a client has to answer a close frame (our choice).
    """

    frame: int = 32 * KB
    message: int = 128 * KB
    url: int = 4096
    idle: float = 600.0
    duration: float = 7200.0
    integration: float = 29.0
    unsent: int = 256 * KB
    at_once: int = 64
    farewells: int = 8
    new_connections: int = 500
    closing: float = 5.0


AWS = Limits()
"""The limits that AWS sets."""
