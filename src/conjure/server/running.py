"""Running the application: a port of its own, and an end in which running answers are finished."""

from __future__ import annotations

import errno
import gc
import socket
import sys
import time
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from conjure.core.errors import ConfigError
from conjure.server.app import create
from conjure.server.connection import patient
from conjure.server.service import Service
from conjure.server.settings import Settings

TURN = 5e-4  # seconds a thread may keep others from Python: answers are many short turns beside a draw's long one
TRIED = 20  # ports beyond the wanted one that are looked at for one to offer


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; ConfigError offers another port where this one is taken."""
    try:
        return _bound(host, port)
    except socket.gaierror:
        raise ConfigError(f"--host {host} is no name or address of this machine") from None
    except PermissionError:
        raise ConfigError(f"port {port} is for administrators: try --port 8000") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} of {host} is in use by another program: try --port {_free(host, port)}"
            ) from None
        raise ConfigError(f"cannot listen on {host}, port {port}: {(error.strerror or str(error)).lower()}") from None


def _bound(host: str, port: int) -> socket.socket:
    known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    family, kind, proto, _, address = known
    found = socket.socket(family, kind, proto)  # said to be TCP, asyncio sends small answers at once (TCP_NODELAY)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(1024)
    except OSError:
        found.close()
        raise
    return found


def _free(host: str, port: int) -> int:
    for other in range(port + 1, min(port + TRIED, 1 << 16)):
        try:
            _bound(host, other).close()
        except OSError:
            continue
        return other
    return 0


class Server(uvicorn.Server):
    """uvicorn, except that it goes on listening while it drains, so that newcomers hear 503 and not silence."""

    def __init__(self, app: FastAPI, log: str = "info"):
        self.service: Service = app.state.service
        self.limits = self.service.settings.limits
        self._until: float | None = None
        super().__init__(
            uvicorn.Config(
                app,
                http=patient(self.limits),
                log_level=log,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=self.limits.connections,
                timeout_keep_alive=75,  # longer than clients keep theirs, or the two ends would close at one moment
                timeout_graceful_shutdown=2,  # what is left after draining is cut off
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the drain, a second one ends it."""
        self.force_exit = self.should_exit = self.service.draining
        self.drain()

    def drain(self) -> None:
        """Refuse newcomers; end when the last running answer has, or the limit is reached."""
        self.service.draining = True
        self._until = self._until or time.monotonic() + self.limits.drain_seconds

    async def on_tick(self, counter: int) -> bool:
        over = self._until is not None and (not self.service.running or time.monotonic() > self._until)
        return await super().on_tick(counter) or over


def serve(settings: Settings, said: Any = print) -> None:
    """Serve until a signal comes; `said` is told where, once it can be reached."""
    place = listen(settings.host, settings.port)
    try:
        app = create(settings)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        silent = [name for name in settings.artifacts if name not in app.state.talkers.known]
        if silent:
            said(f"not under /v1, since they do not write text on from text: {', '.join(silent)}")
        said(f"serving {', '.join(settings.artifacts) or 'nothing yet'} on http://{host}:{place.getsockname()[1]}")
        if not settings.local and not settings.keys:
            said("anyone who can reach this address may use it: --api-key KEY asks for a key")
        gc.freeze()  # what is there stays there, and need not be looked through
        gc.enable()
        sys.setswitchinterval(TURN)
        Server(app).run(sockets=[place])
    finally:
        place.close()
