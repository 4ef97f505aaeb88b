"""What the codes mean with which a WebSocket connection ends.  Pure.

Sources: RFC 6455, section 7.4.1, and IANA's "WebSocket Close Code Number Registry"; for API Gateway
"Quotas for configuring and running a WebSocket API in API Gateway", and what its ``$disconnect`` events
say in practice.
"""

from __future__ import annotations

_CODES = {
    1000: ("Normal Closure", "The connection has done what it was for, and one side said so."),
    1001: (
        "Going Away",
        "One side is leaving: the page of a browser was left, or a server is ending.",
    ),
    1002: ("Protocol Error", "The other side sent frames that break the rules of WebSockets."),
    1003: (
        "Unsupported Data",
        "The other side sent data of a sort that is not taken here. API Gateway takes text frames, "
        "and no binary ones.",
    ),
    1005: (
        "No Status Received",
        "The close frame had no code in it. This one is never sent; it stands for none.",
    ),
    1006: (
        "Abnormal Closure",
        "The TCP connection broke and nobody said good-bye. This code is never sent either.",
    ),
    1007: ("Invalid Payload Data", "A text message was not UTF-8."),
    1008: ("Policy Violation", "A message broke a rule that has no code of its own."),
    1009: (
        "Message Too Big",
        "A message was too large. API Gateway takes messages of 128 KB in frames of 32 KB at most.",
    ),
    1010: (
        "Mandatory Extension",
        "The client needs an extension that the server did not agree to.",
    ),
    1011: ("Internal Error", "The server met something that it could not handle."),
    1012: ("Service Restart", "The server is starting anew; the client may come back."),
    1013: ("Try Again Later", "The server has too much to do; the client may come back later."),
    1014: ("Bad Gateway", "A gateway got a bad answer from the server behind it."),
    1015: ("TLS Handshake", "The TLS handshake failed. This code is never sent."),
}

_GATEWAY = {
    (1000, "Connection Closed Normally"): (
        "API Gateway ended it, because it was asked to: DELETE @connections."
    ),
    (1001, "Going away"): (
        "API Gateway ended it: nothing was sent for 10 minutes, or it had been open for 2 hours."
    ),
}
"""What it means when API Gateway itself ends a connection, by code and reason."""


def name(code: int) -> str:
    """What a code is called, such as ``Normal Closure``."""
    if code in _CODES:
        return _CODES[code][0]
    if 3000 <= code < 5000:
        return "Registered" if code < 4000 else "Private Use"
    return "Unknown"


def meaning(code: int, reason: str = "") -> str:
    """What it says that a connection ended so, in a sentence or two.

    Args:
        code: of the close frame, or what stands for one.
        reason: the text in the close frame.
    """
    if (code, reason) in _GATEWAY:
        return _GATEWAY[code, reason]
    if code in _CODES:
        return _CODES[code][1]
    if 4000 <= code < 5000:
        return "The application chose this code: 4000 to 4999 are free for its own use."
    if 3000 <= code < 4000:
        return "A library or framework has registered this code."
    return "Nothing says what this code means."
