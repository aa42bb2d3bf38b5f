"""Ctrl-C in the middle of a run."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from conjure.training.trainer import Trainer


@contextlib.contextmanager
def interruptible(trainer: Trainer) -> Iterator[None]:
    """Ctrl-C asks the run to end cleanly; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: Any) -> None:
        trainer.stop()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
