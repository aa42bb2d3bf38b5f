"""One client's connection: uvicorn's, with an end to its patience for what never comes and what is never read."""

from __future__ import annotations

from asyncio import TimerHandle
from collections import Counter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from conjure.server.settings import Limits

LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connection(H11Protocol):
    """A connection that is not held for nothing.

    The next request's headers must be there within `header_seconds` of their first byte: bytes that trickle in do not
    renew the time, which is what slow-loris clients live on, nor do those of a refused body that is still being sent.
    An answer that nobody reads for `stall_seconds` is given up. One address may hold `most` connections.
    """

    header_seconds = stall_seconds = 60.0
    most = 500
    held: Counter[str]
    _header: TimerHandle | None = None
    _stall: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.held[self._address] += 1
        if self.held[self._address] > self.most:
            transport.abort()
        self._await_header()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._header = _ended(self._header)
        else:
            self._await_header()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY:
            self._await_header()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self._stall or self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall = _ended(self._stall)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._stall = self._stall or self.loop.call_later(self.stall_seconds, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._header, self._stall = _ended(self._header), _ended(self._stall)
        self.held[self._address] -= 1
        if not self.held[self._address]:
            del self.held[self._address]
        super().connection_lost(exc)

    def _await_header(self) -> None:
        self._header = self._header or self.loop.call_later(self.header_seconds, self._too_late)

    def _too_late(self) -> None:
        self._header = None
        if not self.transport.is_closing():
            if self.cycle is None or not self.cycle.response_started:
                self.transport.write(LATE)
            self.transport.close()


def patient(limits: Limits) -> type[Connection]:
    """A connection of a server's patience."""
    told = {"header_seconds": limits.header_seconds, "stall_seconds": limits.stall_seconds}
    return type("Patient", (Connection,), {**told, "most": max(1, limits.connections // 2), "held": Counter()})


def _ended(timer: TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
