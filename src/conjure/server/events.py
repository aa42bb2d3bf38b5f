"""Answers that arrive while they are made (server-sent events), and work that ends when its client leaves."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from starlette.responses import Response

from conjure.server.errors import refusal_of

T = TypeVar("T")
PING = b": still here\n\n"  # a comment: keeps proxies from closing a connection on which nothing comes
PING_SECONDS = 15.0
DONE = b"data: [DONE]\n\n"
BREAKS = {ord(c): f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"}  # at which clients that know Unicode part lines


class Left(Exception):
    """The client closed the connection before its answer was there; there is nobody to tell."""


async def unless_left(receive: Any, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled (and `Left` raised) when the client goes first.

    receive: the request's own, its body read already.
    """
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_leaving(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Left
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _leaving(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def event(data: Any) -> bytes:
    """One event: JSON after "data: ", on what every client takes for one line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(BREAKS)
    return b"data: " + text.encode() + b"\n\n"


class Events(Response):
    """A response of pieces as they come. However it ends, the generator of pieces is closed before it returns."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncGenerator[bytes, None], headers: dict[str, str] | None = None, first: bytes = b""):
        self.first, self.pieces, self._told = first, pieces, time.monotonic()
        self.status_code, self.background = 200, None
        self.init_headers({**(headers or {}), "x-accel-buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await unless_left(receive, self._write(send))

    async def _write(self, send: Any) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        pinging = asyncio.create_task(self._ping(send))
        try:
            if self.first:
                await send(_part(self.first))
            async for piece in self.pieces:
                self._told = time.monotonic()
                await send(_part(piece))
        except Exception as error:  # too late for a status
            await send(_part(event(refusal_of(error, "a stream").body)))
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)
            await self.pieces.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _ping(self, send: Any) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            if time.monotonic() - self._told >= PING_SECONDS:
                await send(_part(PING))


def _part(piece: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": True}


async def begun(receive: Any, pieces: AsyncGenerator[bytes, None], headers: dict[str, str]) -> Events:
    """Events whose first piece is there already: what fails before it fails with a status of its own."""
    try:
        first = await unless_left(receive, anext(pieces))
    except BaseException:
        await pieces.aclose()
        raise
    return Events(pieces, headers, first)
