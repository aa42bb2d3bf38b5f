"""Sampling for many clients: requests of one artifact that wait at the same time are drawn together."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from conjure import sampling, showing
from conjure.artifact import Artifact

TOGETHER = 4096  # objects of one draw at most, beyond a single request's own
LINGER = 0.2  # of the last draw's time, that the next one waits for those to come back who were there then


@dataclass(frozen=True)
class Drawn:
    """Objects for one client: those of rows first .. first + n of `sample(total, given, seed)`, to be had again so."""

    objects: Any
    seed: int
    first: int
    total: int


@dataclass
class _Wanted:
    n: int
    given: dict[str, Any]
    seed: int | None
    result: Future[Drawn] = field(default_factory=Future)

    def joins(self, other: _Wanted) -> bool:
        return self.seed is None and other.seed is None and self.given == other.given


class Drawer:
    """Draws of one artifact, one after the other in a thread of its own.

    A request with a seed is drawn alone, so that the seed says all. Others that ask under the same condition are
    drawn in one go, under a seed of the server's, and each gets its rows and is told which.

    Clients that are answered together come back together, over some milliseconds. A draw that began with the first of
    them would have the others wait for two draws; so it waits for as many as were there at the last one, served or in
    line, a share of its time at most. A client that is alone never waits for others.
    """

    def __init__(self, artifact: Artifact):
        self.artifact = artifact
        self.draws = 0
        self._crowd, self._seconds = 1, 0.0  # requests there at the last draw, and its time
        self._parted = showing.parted(artifact.recipe.domain)
        self._waiting: deque[_Wanted] = deque()
        self._ready = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._work, name="drawer", daemon=True)
        self._thread.start()

    def ask(self, n: int, given: dict[str, Any], seed: int | None) -> Future[Drawn]:
        """The future of n objects."""
        if seed is None and not self._parted:
            seed = secrets.randbelow(1 << 31)  # drawn alone, since a larger draw could not be parted again
        wanted = _Wanted(n, given, seed)
        with self._ready:
            self._waiting.append(wanted)
            self._ready.notify()
        return wanted.result

    def close(self) -> None:
        with self._ready:
            self._over = True
            self._ready.notify()
        self._thread.join(5)

    def _work(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._waiting or self._over)
                if self._waiting and self._waiting[0].seed is None:
                    self._ready.wait_for(self._gathered, LINGER * self._seconds)
                if self._over:
                    return
                some = self._together()
            some = [w for w in some if w.result.set_running_or_notify_cancel()]
            if some:
                begun = time.monotonic()
                self._draw(some)
                with self._ready:
                    self._crowd, self._seconds = len(some) + self._joining(some[0]), time.monotonic() - begun

    def _gathered(self) -> bool:
        return self._over or self._joining(self._waiting[0]) >= self._crowd

    def _joining(self, first: _Wanted) -> int:
        """How many in line can be drawn in one go with `first`."""
        return sum(first.joins(other) for other in self._waiting)

    def _together(self) -> list[_Wanted]:
        """The first in line, and all behind it that can be drawn in the same go."""
        first = self._waiting.popleft()
        some, rest, total = [first], deque(), first.n
        apart = self.artifact.recipe.domain != "linked"  # tables that refer to each other are not cut apart again
        for other in self._waiting:
            if apart and first.joins(other) and total + other.n <= TOGETHER:
                some.append(other)
                total += other.n
            else:
                rest.append(other)
        self._waiting = rest
        return some

    def _draw(self, some: list[_Wanted]) -> None:
        seed = some[0].seed if some[0].seed is not None else secrets.randbelow(1 << 31)
        total, first = sum(w.n for w in some), 0
        self.draws += 1
        try:
            made = sampling.sample(self.artifact, total, given=some[0].given, seed=seed)
            for wanted in some:
                part = (
                    made if len(some) == 1 else showing.cut(self.artifact.recipe.domain, made, first, first + wanted.n)
                )
                wanted.result.set_result(Drawn(part, seed, first, total))
                first += wanted.n
        except Exception as error:
            for wanted in some:
                if not wanted.result.done():
                    wanted.result.set_exception(error)


class Drawers:
    """A drawer for each artifact in use; one unused for ten minutes ends."""

    IDLE = 600.0

    def __init__(self) -> None:
        self._all: dict[int, tuple[Drawer, float]] = {}
        self._lock = threading.Lock()

    def of(self, artifact: Artifact) -> Drawer:
        """The drawer of an artifact."""
        now = time.monotonic()
        with self._lock:
            for key, (drawer, used) in list(self._all.items()):
                if now - used > self.IDLE and drawer.artifact is not artifact:
                    self._all.pop(key)
                    drawer.close()
            drawer = self._all[id(artifact)][0] if id(artifact) in self._all else Drawer(artifact)
            self._all[id(artifact)] = (drawer, now)
            return drawer

    def close(self) -> None:
        with self._lock:
            for drawer, _ in self._all.values():
                drawer.close()
            self._all.clear()
