"""``@connections``: how a backend sends to its clients, looks at them and disconnects them.

Source: "Use @connections commands in your backend service" in the Amazon API Gateway developer guide
and the API reference of ``ApiGatewayManagementApi``; the answers to a wrong stage, a malformed id and
an unknown id were captured on AWS.

Each error carries ``x-amzn-ErrorType`` (:meth:`labkit.wire.AwsResponse.error`): without it boto3
raises a bare ``ClientError`` instead of ``GoneException``.

Our choices: a connection of another stage or API is ``Forbidden`` too; data that is not UTF-8 is sent
with replacement characters, because API Gateway sends text frames only; a connection that a fault
cuts while it is sent to is gone.

A call must be signed, as AWS asks for "an IAM policy that allows the action" here.  Not verified: the
words of the refusal, which are those of every API that demands a signature.  Not emulated: whether the
signature is right, and whether its owner has the permission ``execute-api:ManageConnections``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

from labkit.apigateway.connection import ClientDoesNotRead, Connection
from labkit.apigateway.limits import Limits
from labkit.apigateway.model import Protocol, Stage
from labkit.apigateway.times import iso_8601
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Action, Faults
from labkit.trace import Trace
from labkit.wire import LOCAL_ACCOUNT, AwsResponse, Headers

SERVICE = "apigatewaymanagementapi"

OPERATIONS: Mapping[str, str] = {
    "POST": "PostToConnection",
    "GET": "GetConnection",
    "DELETE": "DeleteConnection",
}

DELETED = (1000, "Connection Closed Normally")
"""Code and reason that ``$disconnect`` gets after ``DeleteConnection`` (captured)."""

UNSIGNED = (
    "A call to @connections carried no signature, so it was refused, as AWS does. Call it with boto3's "
    "client 'apigatewaymanagementapi', which signs; in a state machine, give the task of "
    "apigateway:invoke the AuthType 'IAM_ROLE'."
)
"""The warning that explains a call without a signature."""

_ID = re.compile(r"[A-Za-z0-9_-]{15}=|[A-Za-z0-9_-]{18}==")
"""Ids of connections, of this cloud and as AWS makes them since 2026 (captured)."""

_CODES = {
    403: "ForbiddenException",
    410: "GoneException",
    413: "PayloadTooLargeException",
    429: "LimitExceededException",
}


def gone() -> AwsError:
    """The connection "no longer exists", or does not exist yet."""
    return AwsError("GoneException", "Gone", 410)


def forbidden() -> AwsError:
    """The stage or the API is not this connection's."""
    return AwsError("ForbiddenException", "Forbidden", 403)


def unsigned() -> AwsError:
    """The call carries no signature."""
    return AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)


def too_many() -> AwsError:
    """Too many requests, "or the WebSocket client side buffer is full"."""
    return AwsError("LimitExceededException", "Too Many Requests", 429)


class ManagementApi:
    """Answers calls to ``@connections``.

    Args:
        log: where ``aws.call`` is written.
        faults: asked at the step ``management``.
        limits: how large a message may be.
        stage: what serves now.
        connections: the connections that are open, by id.
        send: sends a message to a connection, as the caller's trace has caused it; ``False`` if the
            connection is gone.
        time: milliseconds since the epoch of a moment by ``time.monotonic``.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        faults: Faults,
        limits: Limits,
        stage: Callable[[str, str], Stage | None],
        connections: Mapping[str, Connection],
        send: Callable[[Connection, bytes, Trace | None], bool],
        time: Callable[[float], int],
    ) -> None:
        self._log = log
        self._faults = faults
        self._limits = limits
        self._stage = stage
        self._connections = connections
        self._send = send
        self._time = time

    async def answer(
        self,
        method: str,
        api_id: str,
        stage: str,
        connection_id: str,
        body: bytes,
        trace: Trace | None,
        signed: bool,
    ) -> AwsResponse:
        """Answer one call.

        Args:
            method: ``POST``, ``GET`` or ``DELETE``.
            api_id: the API that is addressed.
            stage: the stage that is addressed.
            connection_id: the connection's id, decoded.
            body: the data to send.
            trace: the caller's trace.
            signed: whether the call carries a signature.

        Returns:
            AWS's answer, an error included.
        """
        operation = OPERATIONS.get(method, method)
        try:
            if not signed:
                self._log.append("cloud.warning", trace, message=UNSIGNED)
                raise unsigned()
            await self._suffer(api_id, connection_id, operation, trace)
            connection = self._find(api_id, stage, connection_id, len(body))
            if method == "POST":
                response = self._post(connection, body, trace)
            elif method == "GET":
                response = self._get(connection)
            elif method == "DELETE":
                connection.close(*DELETED, trace)
                response = AwsResponse(204)
            else:
                raise forbidden()
        except AwsError as error:
            response = AwsResponse.error(error)
        facts = {"connection": connection_id}
        addressed = self._stage(api_id, stage)
        if addressed is not None and addressed.api.account != LOCAL_ACCOUNT:
            facts["account"] = addressed.api.account
        self._log.append(
            "aws.call", trace, service=SERVICE, operation=operation, status=response.status, **facts
        )
        return response

    async def _suffer(
        self, api_id: str, connection_id: str, operation: str, trace: Trace | None
    ) -> None:
        fault = self._faults.strike(
            "management", trace, connection=connection_id, api=api_id, operation=operation
        )
        if fault is None:
            return
        if fault.action is Action.DELAY:
            await asyncio.sleep(fault.seconds)
        elif fault.action is Action.THROTTLE:
            raise too_many()
        elif fault.action is Action.ERROR:
            code = _CODES.get(fault.status, fault.code)
            raise AwsError(code, "A fault that was set struck here.", fault.status)

    def _find(self, api_id: str, stage_name: str, connection_id: str, size: int) -> Connection:
        stage = self._stage(api_id, stage_name)
        if stage is None or stage.api.protocol is not Protocol.WEBSOCKET:
            raise forbidden()
        if not _ID.fullmatch(connection_id):
            raise AwsError("BadRequestException", f"Invalid connectionId: {connection_id}", 400)
        if size > self._limits.message:
            raise AwsError("PayloadTooLargeException", "Message too long", 413)
        connection = self._connections.get(connection_id)
        if connection is None:
            raise gone()
        if connection.api_id != api_id or connection.stage_name != stage_name:
            raise forbidden()
        return connection

    def _post(self, connection: Connection, body: bytes, trace: Trace | None) -> AwsResponse:
        try:
            if not self._send(connection, body, trace):
                raise gone()
        except ClientDoesNotRead:
            raise too_many() from None
        return AwsResponse(200, Headers({"Content-Length": "0"}))

    def _get(self, connection: Connection) -> AwsResponse:
        identity = {"sourceIp": connection.origin.source_ip}
        if connection.origin.user_agent:
            identity["userAgent"] = connection.origin.user_agent
        return AwsResponse.json(
            {
                "connectedAt": iso_8601(connection.origin.connected_at),
                "identity": identity,
                "lastActiveAt": iso_8601(self._time(connection.active)),
            }
        )
