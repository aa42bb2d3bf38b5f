"""The queue of fits in a PostgreSQL store: what SQLite does, found again by a server that is started anew."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
from conjure.server.jobs import FINISHED, Jobs, Order
from tests.unit.postgres import postgres  # noqa: F401 (a fixture)


def test_a_fit_is_queued_run_and_found_again_by_another_server(url: str, tmp_path: Path):
    settings = ["training.epochs=1", "training.threads=1", "model.states=2"]
    order = Order("tables", "wine", str(tmp_path / "small"), {"settings": settings}, None, 0)
    jobs = Jobs(tmp_path, url)
    number = jobs.submit("small", order, {"app": "tables"})["number"]
    jobs.close()
    again = Jobs(tmp_path, url)
    try:
        until = time.monotonic() + 120
        while again.get(number)["status"] != FINISHED and time.monotonic() < until:
            time.sleep(0.2)
        assert again.get(number)["status"] == FINISHED, again.get(number)
        assert [job["number"] for job in again.all()] == [number]
        assert not (tmp_path / "jobs.db").exists()
    finally:
        again.close()
