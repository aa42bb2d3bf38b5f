"""The rating page in the server of all else: its own tokens for raters, the server's key before it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("alembic")
from starlette.testclient import TestClient

from conjure.core.errors import ConfigError
from conjure.feedback.opinions import Candidate
from conjure.feedback.store import Store
from conjure.server.app import create
from conjure.server.settings import Settings

RATER = {"X-Rater": "ann", "X-Token": "secret"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    made = Store(tmp_path / "feedback.db")
    made.add(made.open_round("first", (), 7), "ask", [Candidate("yes"), Candidate("no")])
    made.close()
    return tmp_path / "feedback.db"


def visiting(**settings) -> TestClient:
    return TestClient(create(Settings(**settings)), base_url="http://127.0.0.1")


def test_a_store_in_the_root_is_rated_and_its_raters_have_tokens_of_their_own(store: Path, tmp_path: Path):
    with visiting(root=tmp_path) as client:
        page = client.get("/rating/")
        assert "pages/rating.js" in page.text
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert client.get("/rating/pages/rating.js").status_code == 200
        assert client.get("/rating/pages/..%2Frating.py").status_code == 404
        assert client.get("/rating/api/task").status_code == 401
        client.post("/rating/api/raters", json={"name": "ann", "token": "secret"})
        task = client.get("/rating/api/task", headers=RATER).json()["task"]
        assert task["prompt"] == "ask"
        ranks = {str(c["id"]): place for place, c in enumerate(task["completions"], 1)}
        said = client.post(f"/rating/api/judgement/{task['prompt_id']}", json={"ranks": ranks}, headers=RATER)
        assert said.json()["done"] == 1
        wrong = client.post(f"/rating/api/judgement/{task['prompt_id']}", json={"ranks": {"9999": 1}}, headers=RATER)
        assert wrong.status_code == 400
        assert isinstance(wrong.json()["error"], str)  # as the page reads it


def test_the_servers_key_and_its_guard_stand_before_it(store: Path):
    with visiting(feedback=str(store), keys=("open",)) as client:
        assert client.get("/rating/").status_code == 401
        assert client.get("/rating/", headers={"x-api-key": "open"}).status_code == 200
        assert (
            client.get("/rating/", headers={"x-api-key": "open", "origin": "https://evil.example"}).status_code == 403
        )


def test_without_a_store_there_is_no_page_and_a_wrong_place_is_told(tmp_path: Path):
    with visiting(root=tmp_path) as client:
        assert client.get("/rating/").status_code == 404
    with pytest.raises(ConfigError, match=r"no feedback store .*nowhere\.db"):
        create(Settings(feedback=str(tmp_path / "nowhere.db")))
    (tmp_path / "words.txt").write_text("no store")
    with pytest.raises(ConfigError, match="cannot be opened as a store"):
        create(Settings(feedback=str(tmp_path / "words.txt")))
    assert not (tmp_path / "nowhere.db").exists()
