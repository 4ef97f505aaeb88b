"""The ticket in a WebSocket URL: who may listen to which execution.  No I/O.

An execution's ARN is no secret, so knowing it must not be enough.  The answer to ``POST /orders``
carries a ticket: bound to one execution, good for a minute, good for one connection.  Its form is
``<payload>.<signature>``, both base64url, with HMAC-SHA256 over the payload: whoever lacks the
secret cannot make one, so nothing needs to be stored when a ticket is issued.  That it is used
*once* cannot be read off a signature; :func:`execution.claim` writes the nonce down.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

LIFETIME = 60
"""Seconds from the answer to the handshake: long for a network, short for a log file."""


class Forged(Exception):
    """The ticket is missing, or was not issued here."""


class Expired(Exception):
    """The ticket was issued here, and is too old."""


@dataclass(frozen=True)
class Ticket:
    """The right to listen to one execution.

    Attributes:
        execution: the execution's name.
        expires: epoch seconds.
        nonce: tells this ticket from all others, so that it can be spent.
    """

    execution: str
    expires: int
    nonce: str

    def sign(self, secret: bytes) -> str:
        """The ticket as text for a URL."""
        payload = _encode(json.dumps([self.execution, self.expires, self.nonce]).encode())
        return f"{payload}.{_signature(payload, secret)}"

    @classmethod
    def verify(cls, text: str, secret: bytes, now: float) -> Ticket:
        """The ticket that :meth:`sign` wrote.

        Raises:
            Forged: the signature is not ours.
            Expired: the signature is ours, and the ticket too old.
        """
        payload, _, signature = text.partition(".")
        # compare_digest takes as long for a near miss as for any other; it wants ASCII or bytes.
        if not hmac.compare_digest(signature.encode(), _signature(payload, secret).encode()):
            raise Forged("The ticket in the URL was not issued here.")
        ticket = cls(*json.loads(_decode(payload)))
        if now >= ticket.expires:
            raise Expired("The ticket in the URL has expired. Send the order again for a new one.")
        return ticket


def _signature(payload: str, secret: bytes) -> str:
    return _encode(hmac.digest(secret, payload.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
