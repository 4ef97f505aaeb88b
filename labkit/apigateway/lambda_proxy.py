"""Runs Lambda proxy integrations: an event goes to a route's function, its answer comes back."""

from __future__ import annotations

import asyncio
import json

from labkit.apigateway.events import Event
from labkit.apigateway.integrations import FunctionFailed, NotEmulated, ProxyAnswer, function_of
from labkit.apigateway.limits import Limits
from labkit.apigateway.model import Integration, Invoke, Route, Stage
from labkit.trace import Trace


class LambdaProxy:
    """The integrations of WebSocket APIs.

    Args:
        invoke: runs a function.
        limits: how long an integration may take.
    """

    def __init__(self, invoke: Invoke, limits: Limits) -> None:
        self._invoke = invoke
        self._limits = limits

    def target(self, stage: Stage, route: Route) -> tuple[str, float]:
        """The function behind a route, and how many seconds it may take.

        Raises:
            NotEmulated: there is none, or something other than a function.
        """
        integration = stage.api.integration_of(route)
        if integration is None:
            raise NotEmulated(
                f"Route {route.key!r} has no integration: set its Target to "
                "integrations/INTEGRATION_ID."
            )
        return function_of(integration, stage.settings.variables), self._seconds(integration)

    async def run(self, stage: Stage, function: str, event: Event, trace: Trace) -> ProxyAnswer:
        """Invoke a function with an event, however long it takes.

        Raises:
            AwsError: it could not be invoked.
            FunctionFailed: it raised.
            OutOfForm: its answer is malformed.
        """
        invocation = await self._invoke(
            function,
            json.dumps(event).encode(),
            trace=trace,
            account=stage.api.account,
            region=stage.api.region,
        )
        if invocation.function_error is not None:
            raise FunctionFailed(f"{function} failed: {invocation.function_error}")
        return ProxyAnswer.parse(invocation.payload)

    async def run_within(
        self, stage: Stage, route: Route, event: Event, trace: Trace
    ) -> ProxyAnswer:
        """Run a route's integration within its time limit; the function goes on after it.

        Raises:
            NotEmulated: it is no Lambda proxy integration.
            TimeoutError: it takes too long.
            AwsError: the function could not be invoked.
            FunctionFailed: the function raised.
            OutOfForm: the function's answer is malformed.
        """
        function, seconds = self.target(stage, route)
        # What is given up here is the wait: whoever invokes a function lets it go on.
        async with asyncio.timeout(seconds):
            return await self.run(stage, function, event, trace)

    def _seconds(self, integration: Integration) -> float:
        limit = self._limits.integration
        return min(integration.timeout_ms / 1000, limit) if integration.timeout_ms > 0 else limit
