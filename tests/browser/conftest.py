"""A browser that never answers fails its test, instead of holding up all others."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

SECONDS = 300


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """At most five minutes a test."""

    def over(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the browser did not answer within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
