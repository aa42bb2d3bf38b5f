"""Back-pressure: so many at once, so many in a queue behind them, and a refusal that says when to come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from conjure.server.errors import Refusal

MEMORY = 0.9  # how much the running mean of durations keeps at each new one


class Gate:
    """At most `running` turns at once, `waiting` more in order of arrival; beyond these a 429.

    A waiting client that leaves gives up its place at once, since it waits in the event loop and not in a thread.
    """

    def __init__(self, running: int, waiting: int):
        self.running, self.waiting = running, waiting
        self.inside = self.busy = 0
        self._turns = asyncio.Semaphore(running)
        self._mean = 1.0  # seconds a turn takes

    @property
    def queued(self) -> int:
        """How many have been let in and wait for their turn."""
        return self.inside - self.busy

    def check(self, count: int = 1) -> None:
        """Refusal 429 where there are no places for `count` turns now, 400 where there never are."""
        most = self.running + self.waiting
        if count > most:
            raise Refusal(400, f"that makes {count} answers; {most} are written at once or wait at most", param="n")
        if self.inside + count > most:
            wait = min(60.0, self._mean * (self.queued + 1) / self.running)
            said = f"all {self.running} slots are busy and {self.queued} requests wait: try again later"
            raise Refusal(429, said, wait=wait)

    @contextmanager
    def entered(self, count: int = 1) -> Iterator[None]:
        """Places for `count` turns while the context lasts; Refusal as `check`."""
        self.check(count)
        self.inside += count
        try:
            yield
        finally:
            self.inside -= count

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One of the turns, when those before are over."""
        async with self._turns:
            self.busy += 1
            begun = time.monotonic()
            try:
                yield
            finally:
                self.busy -= 1
                self._mean = MEMORY * self._mean + (1 - MEMORY) * (time.monotonic() - begun)
