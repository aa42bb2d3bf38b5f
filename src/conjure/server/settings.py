"""What a server is told when it starts: whom it serves, where, to whom, and how much it takes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from conjure.artifact import Artifact
from conjure.core.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Limits:
    """How much one client, and all of them together, may ask for.

    body: bytes of a request; upload: of a file that is brought. header_seconds, idle_seconds, body_seconds: to send
    its headers, between two parts of its body, and all of it. stall_seconds: how long a client may leave an answer
    unread. rate: requests a minute of one key (without keys: of one address), 0 = any number. failures: wrong keys a
    minute from one address. waiting: requests that wait for a slot before more are refused. drain_seconds: what
    running answers are given at the end. connections: held at once, at most half of them by one address.
    """

    body: int = 16 << 20
    upload: int = 1 << 30
    header_seconds: float = 10.0
    idle_seconds: float = 10.0
    body_seconds: float = 60.0
    stall_seconds: float = 60.0
    rate: float = 0.0
    failures: float = 30.0
    waiting: int = 64
    drain_seconds: float = 30.0
    connections: int = 1000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 or (value == 0 and name not in ("rate", "waiting", "drain_seconds")):
                raise ConfigError(f"the limit {name} is {value}; it should be above zero")


@dataclass(frozen=True)
class Settings:
    """`artifacts` by the names clients know them by; `keys` of which a client must hold one (none: all are let in).

    root: the folder that jobs, uploads and their artifacts live in. store: the SQLAlchemy URL of the jobs' database,
    SQLite below the root without it. slots: answers written at once by each language model. weights: how its numbers
    are kept (fp32, bf16, int8). origins: other sites whose pages may call, such as https://a.example. studio: whether
    the pages of the studio are there too, at /studio. preview: seconds from one look at what a fit has learnt to the
    next, 0 for none. feedback: the store (a file, or an SQLAlchemy URL) of what people are asked to rate at /rating;
    without it the root's feedback.db, where there is one.
    """

    artifacts: dict[str, Artifact] = field(default_factory=dict)
    root: Path | None = None
    store: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    keys: tuple[str, ...] = ()
    slots: int = 8
    weights: str = "fp32"
    origins: tuple[str, ...] = ()
    studio: bool = False
    preview: float = 5.0
    feedback: str = ""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port < 1 << 16:
            raise ConfigError(f"port {self.port} is not one: ports go from 0 (any that is free) to 65535")
        if not 0 <= self.preview < float("inf"):
            raise ConfigError(f"preview is {self.preview}; it is so many seconds, or 0 for none")
        if self.slots < 1:
            raise ConfigError(f"slots is {self.slots}; at least one answer is written at a time")
        if any(not key.strip() or not key.isprintable() for key in self.keys):
            raise ConfigError("an API key is empty or holds characters that a header cannot carry")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK
