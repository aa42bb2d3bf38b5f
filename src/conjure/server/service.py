"""What all routes share: the settings, the counts, and whether the server is about to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conjure.server.metrics import Metrics
from conjure.server.settings import Settings


@dataclass
class Service:
    """One running server, `app.state.service` to its routes.

    running: requests being answered, beside those of health. draining: new ones are refused. closers: what is called,
    in order, when the server ends.
    """

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)
    running: int = 0
    draining: bool = False
    closers: list[Any] = field(default_factory=list)

    def close(self) -> None:
        """Let go of threads and files."""
        while self.closers:
            self.closers.pop()()
