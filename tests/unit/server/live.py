"""A server on a free port of loopback, in a thread, for as long as a context lasts; and raw bytes to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from conjure.server.running import Server, listen


class Live:
    """Where it listens, and the server itself."""

    def __init__(self, server: Server, port: int):
        self.server, self.port = server, port
        self.url = f"http://127.0.0.1:{port}"

    def raw(self, *parts: bytes, pause: float = 0.0, wait: float = 5.0) -> bytes:
        """All that comes back to bytes sent part by part, until the server closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as line:
            try:
                for part in parts:
                    line.sendall(part)
                    time.sleep(pause)
            except OSError:
                pass  # closed on us: what it said before is read below
            found = b""
            try:
                while more := line.recv(1 << 16):
                    found += more
            except OSError:
                pass
            return found


@contextmanager
def live(app: FastAPI) -> Iterator[Live]:
    """Serve an app until the context ends."""
    place = listen("127.0.0.1", 0)
    server = Server(app, log="critical")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Live(server, place.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        place.close()
        assert not thread.is_alive()
