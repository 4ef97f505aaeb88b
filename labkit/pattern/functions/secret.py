"""The secret that tickets are signed with.

It lies in Secrets Manager and not in the functions' environment, which everybody who may call
``GetFunctionConfiguration`` can read.  It is fetched once per process: a function that is warm pays
nothing.  A secret that is rotated reaches a warm function when Lambda replaces its process; a ticket
that fails in between costs the client one more request.
"""

from __future__ import annotations

import functools
import os

import boto3


@functools.cache
def signing_key() -> bytes:
    """The key for :meth:`ticket.Ticket.sign` and ``verify``."""
    secrets = boto3.client("secretsmanager")
    answer = secrets.get_secret_value(SecretId=os.environ["TICKET_SECRET"])
    return str(answer["SecretString"]).encode()
