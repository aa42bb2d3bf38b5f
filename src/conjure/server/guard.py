"""What stands before every route: keys, rates, sizes, patience, headers; and what becomes of errors."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect

from conjure.server.errors import Refusal, refusal_of
from conjure.server.events import Left
from conjure.server.health import OPEN
from conjure.server.service import Service
from conjure.server.settings import LOOPBACK

PAGES = "/studio"  # what its pages may load: themselves, and nothing from elsewhere
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "frame-src 'self' data: blob:; frame-ancestors 'self'"
)
BRINGING = ("/uploads/", "/artifacts/")
REMEMBERED = 10_000  # clients whose rates are kept in memory
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


class Buckets:
    """Token buckets: each client may do `rate` things a minute, a minute's worth of them at once."""

    def __init__(self, rate: float):
        self.rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> (left, when)

    def wait(self, client: str, cost: float = 1.0) -> float:
        """Take `cost` from a client's bucket; seconds it has to wait first (and nothing was taken), 0 for none."""
        if not self.rate:
            return 0.0
        now = time.monotonic()
        left, when = self._left.pop(client, (self.rate, now))
        left = min(max(self.rate, 1.0), left + (now - when) * self.rate / 60)
        missing = max(0.0, (cost or 1.0) - left)
        self._left[client] = (left if missing else left - cost, now)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return missing * 60 / self.rate


class Keys:
    """The keys that open the door, kept as digests and compared in time that does not depend on them."""

    def __init__(self, keys: tuple[str, ...]):
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def holder(self, shown: bytes) -> int | None:
        """Which key was shown, None for none of them; every key is compared, whatever the result."""
        digest, found = hashlib.sha256(shown).digest(), None
        for number, known in enumerate(self._digests):
            found = number if hmac.compare_digest(digest, known) else found
        return found


def shown_key(headers: dict[bytes, bytes]) -> bytes:
    """The key of a request: a bearer's, the X-API-Key header's, or the password that a browser asked for."""
    kind, _, value = headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer":
        return value.strip()
    if kind.lower() == b"basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return headers.get(b"x-api-key", b"")


class Guard:
    """ASGI: lets a request through to the routes, or answers it; gives every answer its security headers."""

    def __init__(self, app: Any, service: Service):
        self.app, self.service = app, service
        self.limits = service.settings.limits
        self.keys = Keys(service.settings.keys)
        self.rates, self.failures = Buckets(self.limits.rate), Buckets(self.limits.failures)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        try:
            self.admit(scope)
        except Refusal as refusal:
            return await self._refuse(refusal, scope, receive, send)
        if scope["type"] == "websocket":
            return await self.app(scope, receive, send)
        counted = scope["path"] not in OPEN
        self.service.running += counted
        try:
            await self._answer(scope, receive, send)
        finally:
            self.service.running -= counted

    def admit(self, scope: Any) -> None:
        """Refusal where a request may not go on: stopping, foreign page, no key, too often, too large."""
        if scope["path"] in OPEN:
            return
        if self.service.draining:
            raise Refusal(503, "the server is about to stop", code="shutting_down", wait=5)
        headers = dict(scope["headers"])
        self._check_origin(headers)
        address = (scope.get("client") or ("unknown",))[0]
        client = address
        if self.keys:
            if wait := self.failures.wait(address, 0):
                raise Refusal(429, "too many wrong keys from this address: try again later", wait=wait)
            holder = self.keys.holder(shown_key(headers))
            if holder is None:
                self.failures.wait(address)
                raise Refusal(401, "a valid API key is needed: send it as 'Authorization: Bearer KEY'")
            client = f"key {holder}"
        if wait := self.rates.wait(client):
            raise Refusal(429, f"more than {self.limits.rate:g} requests a minute: try again later", wait=wait)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > (most := self._most(scope)):
            raise _too_large(most)

    def _check_origin(self, headers: dict[bytes, bytes]) -> None:
        """Pages of other sites must not use a visitor's browser as their way in (nor rebind a name to us)."""
        host = headers.get(b"host", b"").decode("latin-1")
        settings = self.service.settings
        if settings.local and not self.keys and urlsplit(f"//{host}").hostname not in (*LOOPBACK, None):
            raise Refusal(403, f"this server is for this machine only, not for {host!r}: use --api-key for others")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin not in settings.origins and urlsplit(origin).netloc != host:
            raise Refusal(403, f"pages of {origin} may not call this server: start it with --origin {origin}")

    def _most(self, scope: Any) -> int:
        """Bytes that a body may have: more where a file is brought."""
        brought = scope.get("method") == "PUT" and scope["path"].startswith(BRINGING)
        return self.limits.upload if brought else self.limits.body

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        begun = False

        async def sent(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _dress(message, scope["path"])
            await send(message)

        try:
            await self.app(scope, self._patient(receive, self._most(scope)), sent)
        except (Left, ClientDisconnect):
            return
        except Exception as error:
            refusal = refusal_of(error, f"{scope['method']} {scope['path']}")
            if begun:
                raise  # half an answer: closing the connection is all that is left
            await refusal.response(scope, receive, sent)

    def _patient(self, receive: Any, most: int) -> Any:
        """`receive` that counts a body's bytes, `most` at most, and loses patience with a slow one."""
        seconds = self.limits.body_seconds * max(1.0, most / self.limits.body)
        size, whole, deadline = 0, False, time.monotonic() + seconds

        async def received() -> Any:
            nonlocal size, whole
            if whole:
                return await receive()  # the client's leaving, whenever it is
            try:
                async with asyncio.timeout(min(self.limits.idle_seconds, max(0.0, deadline - time.monotonic()))):
                    message = await receive()
            except TimeoutError:
                raise Refusal(408, "the body took too long to arrive", code="timeout") from None
            size += len(message.get("body", b""))
            if size > most:
                raise _too_large(most)
            whole = not message.get("more_body", False)
            return message

        return received

    async def _refuse(self, refusal: Refusal, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008, "reason": str(refusal)[:100]})

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                _dress(message, scope["path"])
            await send(message)

        answer = refusal.response
        if refusal.status == 401:
            page = b"text/html" in dict(scope["headers"]).get(b"accept", b"")
            answer.headers["www-authenticate"] = (
                'Basic realm="conjure, any name, key as password"' if page else "Bearer"
            )
        await answer(scope, receive, sent)


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the body is larger than the {most:,} bytes that are taken")


def _dress(message: Any, path: str) -> None:
    """Add security headers that a route has not set itself."""
    there = {name.lower() for name, _ in message["headers"]}
    own = {"content-security-policy": PAGE_POLICY, "cache-control": "no-cache"} if path.startswith(PAGES) else {}
    message["headers"] = [
        *message["headers"],
        *((k.encode(), v.encode()) for k, v in (HEADERS | own).items() if k.encode() not in there),
    ]
