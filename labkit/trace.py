"""Which event caused which: AWS's own tracing header carries it.

AWS X-Ray passes ``X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8``
from service to service; Lambda hands it to a function as ``_X_AMZN_TRACE_ID`` and botocore adds it
to every call made from a function.  The local cloud uses the same header, so causes cross process
borders without anything in the student's code: *Root* names the trace, and *Parent* is the sequence
number, in the event log, of the event that caused the call.

Source: "X-Ray concepts, tracing header" in the AWS X-Ray developer guide; botocore's
``add_recursion_detection_header``.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

HEADER = "X-Amzn-Trace-Id"


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace, and the event in it that caused what comes next.

    Attributes:
        root: X-Ray's trace id, ``1-<8 hex of epoch seconds>-<24 hex>``.
        cause: sequence number of the causing event in the event log, or ``None`` at the beginning.
    """

    root: str
    cause: int | None = None

    @classmethod
    def new(cls) -> Trace:
        """A trace that begins now."""
        return cls(f"1-{int(time.time()):08x}-{os.urandom(12).hex()}")

    @classmethod
    def parse(cls, header: str | None) -> Trace | None:
        """The trace in a header, or ``None`` if there is none in it."""
        if not header:
            return None
        fields = dict(part.strip().split("=", 1) for part in header.split(";") if "=" in part)
        root = fields.get("Root")
        if not root:
            return None
        try:
            cause = int(fields["Parent"], 16) or None
        except (KeyError, ValueError):
            cause = None
        return cls(root, cause)

    def after(self, cause: int) -> Trace:
        """The same trace, with the event that causes what comes next."""
        return Trace(self.root, cause)

    @property
    def header(self) -> str:
        """The header's value."""
        return f"Root={self.root};Parent={self.cause or 0:016x};Sampled=1"
