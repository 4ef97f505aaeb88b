"""What stands behind a route: which Lambda function, and what its answer means.

Source: "Set up a WebSocket API integration request", "Set up Lambda proxy integrations" and "Set up
route responses" in the Amazon API Gateway developer guide.

Our choice: an answer without ``statusCode`` is out of form.  All of AWS's examples have it, and who
returns it is right in either case.

Integrations of the types ``AWS``, ``HTTP``, ``HTTP_PROXY`` and ``MOCK`` are those of
:mod:`~labkit.apigateway.integration_request`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from labkit.apigateway.lambda_uri import function_in, with_variables
from labkit.apigateway.model import Integration
from labkit.errors import LabError

LAMBDA_PROXY = "AWS_PROXY"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class NotEmulated(LabError):
    """An API uses something that the local cloud does not emulate."""


class FunctionFailed(LabError):
    """The function raised, or its process ended."""


class IntegrationProblem(LabError):
    """An integration is set up otherwise than API Gateway wants it, or its backend failed."""


class OutOfForm(LabError):
    """A function's answer is not what API Gateway expects of a Lambda proxy integration."""


def function_of(integration: Integration, variables: Mapping[str, str]) -> str:
    """The ARN of the function that an integration invokes.

    Args:
        integration: an integration; its URI is a function's ARN, or the path of the function's
            ``Invoke`` operation.
        variables: the stage's variables; ``${stageVariables.NAME}`` stands for one, and for nothing
            if the stage has none of that name (our choice).

    Raises:
        NotEmulated: the integration is no Lambda proxy integration.
    """
    if integration.type != LAMBDA_PROXY:
        raise NotEmulated(
            f"Integration {integration.id} is of type {integration.type!r}, where the local cloud runs "
            f"Lambda proxy integrations ({LAMBDA_PROXY}) and no other type."
        )
    function = function_in(with_variables(integration.uri, variables))
    if function is not None:
        return function
    raise NotEmulated(
        f"The URI of integration {integration.id} names no Lambda function: "
        f"{integration.uri!r}. It looks like "
        "arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION_ARN/invocations."
    )


@dataclass(frozen=True, slots=True)
class ProxyAnswer:
    """What a function returned to a Lambda proxy integration.

    Attributes:
        status: ``statusCode``.
        body: ``body`` as text, decoded if it was base64; ``None`` without one.
        headers: ``headers``, names in lower case.
    """

    status: int
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, payload: bytes) -> ProxyAnswer:
        """Read a function's answer.

        Args:
            payload: what the function returned, as JSON.

        Raises:
            OutOfForm: API Gateway would call it malformed; the message says why.
        """
        try:
            answer = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise OutOfForm(f"it is not JSON: {error}") from error
        if not isinstance(answer, dict):
            raise OutOfForm(f"it is no object with a statusCode, but {_shown(answer)}")
        headers = answer.get("headers")
        if headers is not None and not isinstance(headers, dict):
            raise OutOfForm(f"headers is no object, but {_shown(headers)}")
        return cls(
            _status(answer.get("statusCode")),
            _body(answer.get("body"), answer.get("isBase64Encoded") is True),
            {name.lower(): _header(name, value) for name, value in (headers or {}).items()},
        )

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the function accepts; ``None`` if it names none.

        Raises:
            OutOfForm: it is not a token (RFC 6455, section 4.2.2).
        """
        name = self.headers.get("sec-websocket-protocol")
        if name is not None and not _TOKEN.fullmatch(name):
            raise OutOfForm(f"Sec-WebSocket-Protocol is no subprotocol's name: {name!r}")
        return name


def _status(value: object) -> int:
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) == 3:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599:
        return value
    what = "missing" if value is None else f"no HTTP status, but {_shown(value)}"
    raise OutOfForm(f"statusCode is {what}")


def _body(value: object, encoded: bool) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise OutOfForm(f"body is no string, but {_shown(value)}; json.dumps makes one of it")
    if not encoded:
        return value
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise OutOfForm(f"isBase64Encoded is true and body is not base64: {error}") from error


def _header(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise OutOfForm(f"the header {name} is no string, but {_shown(value)}")


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:60] + "…"
