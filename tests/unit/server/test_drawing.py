"""Requests that come together are drawn together, and one that is alone waits for nobody."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi")

from conjure.server import drawing
from conjure.server.drawing import Drawer

TEXT: Any = SimpleNamespace(recipe=SimpleNamespace(domain="text"))


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many objects each draw was asked for; one takes a hundredth of a second."""
    found: list[int] = []

    def sample(artifact: Any, n: int, *, given: dict[str, Any], seed: int) -> list[str]:
        found.append(n)
        time.sleep(0.01)
        return [f"{seed} {row}" for row in range(n)]

    monkeypatch.setattr(drawing.sampling, "sample", sample)
    return found


def test_clients_that_come_back_together_are_drawn_together(draws: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drawing, "LINGER", 200.0)  # two seconds: more than the slowest machine needs to come back
    drawer, got = Drawer(TEXT), []

    def client() -> None:
        for _ in range(4):
            got.extend(drawer.ask(1, {}, None).result(30).objects)

    clients = [threading.Thread(target=client) for _ in range(12)]
    for one in clients:
        one.start()
    for one in clients:
        one.join(60)
    drawer.close()
    assert len(got) == len(set(got)) == 48  # nobody got what another did
    assert len(draws) <= 9
    assert max(draws) >= 11


def test_one_that_is_alone_never_waits(draws: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drawing, "LINGER", 1e6)
    drawer = Drawer(TEXT)
    for _ in range(5):
        assert drawer.ask(3, {}, None).result(5).total == 3
    drawer.close()
    assert draws == [3] * 5


def test_a_crowd_that_went_is_waited_for_once(draws: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drawing, "LINGER", 20.0)
    drawer = Drawer(TEXT)
    for wanted in [drawer.ask(1, {}, None) for _ in range(8)]:
        wanted.result(5)
    begun = time.monotonic()
    for _ in range(3):
        drawer.ask(1, {}, None).result(5)
    assert time.monotonic() - begun < 3  # a wait of 0.2 s, and not one more
    assert drawer._crowd == 1
    drawer.close()
