"""How many requests a second a stage takes: token buckets, as pure rules.

Source: "Protect your WebSocket APIs in API Gateway" in the Amazon API Gateway developer guide ("API Gateway
throttles requests to your API using the token bucket algorithm, where a token counts for a request") and
``RouteSettings`` in the API reference: ``ThrottlingRateLimit`` is the rate, ``ThrottlingBurstLimit`` the size
of the bucket; ``DefaultRouteSettings`` of a stage count for each route without settings of its own.

Our choice: a rate without a burst has a burst of the same size, and the other way round.

Not emulated: the account's limit over all APIs (10,000 requests a second), which one machine does not
reach; throttling by usage plans.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.apigateway.model import StageSettings

RATE, BURST = "throttlingRateLimit", "throttlingBurstLimit"


@dataclass(frozen=True, slots=True)
class Rate:
    """What is let through.

    Attributes:
        rate: requests a second.
        burst: requests at once.
    """

    rate: float
    burst: int


def rate_of(settings: StageSettings, route_key: str) -> Rate | None:
    """The limits of a route of a stage; ``None`` if it has none."""
    own: Mapping[str, Any] = (settings.raw.get("RouteSettings") or {}).get(route_key) or {}
    default: Mapping[str, Any] = settings.raw.get("DefaultRouteSettings") or {}
    rate, burst = (own.get(name, default.get(name)) for name in (RATE, BURST))
    if rate is None and burst is None:
        return None
    return Rate(float(burst if rate is None else rate), int(rate if burst is None else burst))


class Throttle:
    """Token buckets, each under its key."""

    def __init__(self) -> None:
        self._buckets: dict[Hashable, tuple[Rate, float, float]] = {}

    def admits(self, key: Hashable, rate: Rate, now: float) -> bool:
        """Take a token for a request, if there is one.

        Args:
            key: what is limited; other limits than last time begin with a full bucket.
            rate: its limits.
            now: seconds by a clock that never runs backwards.
        """
        before, tokens, since = self._buckets.get(key, (rate, float(rate.burst), now))
        if before != rate:
            tokens, since = float(rate.burst), now
        tokens = min(float(rate.burst), tokens + (now - since) * rate.rate)
        admitted = tokens >= 1.0
        self._buckets[key] = (rate, tokens - admitted, now)
        return admitted
