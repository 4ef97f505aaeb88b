"""The cloud's own timers, which can run faster than real time.

Scaled are the waits that AWS's services make: Wait, Retry, TimeoutSeconds, HeartbeatSeconds, and the
idle and duration limits of connections.  A function's clock and its time-out are never scaled, and
time stamps are always real.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns seconds on AWS into seconds here.

    Attributes:
        speed: how many AWS seconds pass in one real second; 1 is real time.
    """

    speed: float = 1.0

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ValueError(f"A clock's speed is a number above 0, not {self.speed!r}.")

    def real(self, seconds: float) -> float:
        """The real seconds that so many AWS seconds take."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait so many AWS seconds."""
        await asyncio.sleep(self.real(seconds))
