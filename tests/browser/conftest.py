"""The browser of all tests here: it knows no other host, and one that never answers fails its test alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from tests.browser.pages import CHROMIUM, FLAGS, STRANGERS

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


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    """No page of any test here asks anything of another host."""
    STRANGERS.clear()
    yield
    assert STRANGERS == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()
