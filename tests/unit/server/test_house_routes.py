"""The verbs over HTTP: what a client brings, fits, draws and takes home."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from conjure import artifact as artifacts
from conjure import sampling
from conjure.fitting import fit
from conjure.server.app import create
from conjure.server.child import looks
from conjure.server.settings import Limits, Settings
from conjure.verbs import recipe_for

QUICK = ["training.epochs=1", "training.threads=1", "model.states=4"]


@pytest.fixture(scope="module")
def cells() -> Any:
    return fit(recipe_for("tables", settings=QUICK), "breast-cancer")


@pytest.fixture
def client(tmp_path: Path, cells: Any) -> Iterator[TestClient]:
    settings = Settings({"cells": cells}, tmp_path, limits=Limits(upload=1 << 20))
    with TestClient(create(settings), base_url="http://127.0.0.1") as made:
        yield made


def until_over(client: TestClient, number: str, seconds: float = 60) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = client.get(f"/fits/{number}").json()
        if told["status"] not in ("queued", "running"):
            return told
        time.sleep(0.1)
    raise AssertionError(told)


def test_a_table_goes_in_and_more_of_it_comes_out(client: TestClient, tmp_path: Path):
    frame = pd.DataFrame({"a": range(300), "b": ["x", "y", "z"] * 100})
    brought = client.put("/uploads/mine.csv", content=frame.to_csv(index=False))
    assert brought.status_code == 201
    asked = {"app": "tables", "data": brought.json()["upload"], "name": "mine", "settings": QUICK, "seed": 3}
    begun = client.post("/fits", json=asked)
    assert begun.status_code == 201, begun.text
    told = until_over(client, begun.json()["number"])
    assert told["status"] == "finished", told
    assert told["progress"]["fraction"] == 1
    heard = client.get(f"/fits/{told['number']}/events").text
    assert '"status":"finished"' in heard
    assert '"fraction"' in heard
    made = client.post("/artifacts/mine/sample", json={"n": 50, "seed": 4, "given": {"b": "y"}})
    again = pd.read_csv(io.StringIO(made.text))
    assert len(again) == 50
    assert set(again["b"]) == {"y"}
    opened = artifacts.load(tmp_path / "artifacts" / "mine")
    pd.testing.assert_frame_equal(again, sampling.sample(opened, 50, given={"b": "y"}, seed=4), check_dtype=False)
    nats = client.post("/artifacts/mine/score", json={"data": brought.json()["upload"]}).json()
    assert nats["kind"] == "exact"
    assert len(nats["nats"]) == 300


def test_what_a_fit_has_learnt_so_far_is_shown_by_the_view_of_its_data(client: TestClient, tmp_path: Path):
    asked = {
        "app": "tables",
        "data": "wine",
        "name": "shown",
        "preview": 0.1,
        "settings": [*QUICK, "training.epochs=60"],
    }
    number = client.post("/fits", json=asked).json()["number"]
    assert until_over(client, number)["status"] == "finished"
    look = client.get(f"/fits/{number}/preview").json()
    assert look["n"] == 8
    assert look["step"] == client.get(f"/fits/{number}").json()["progress"]["step"]
    assert '<table class="rows">' in look["html"]
    (tmp_path / "runs" / number / "preview.json").unlink()
    refused = client.get(f"/fits/{number}/preview")
    assert refused.status_code == 404
    assert "shown nothing yet" in refused.json()["error"]["message"]
    assert client.get("/fits/0123456789abcdef/preview").status_code == 404


def test_a_private_fit_shows_nothing_before_its_end(tmp_path: Path):
    private = recipe_for("tables", settings=["privacy.epsilon=5.0"])
    assert looks(tmp_path / "preview.json", private, 1.0) is None
    assert looks(tmp_path / "preview.json", recipe_for("tables"), 0.0) is None
    assert looks(tmp_path / "preview.json", recipe_for("tables"), 1.0) is not None


def test_an_artifact_goes_out_and_comes_in_again(client: TestClient):
    packed = client.get("/artifacts/cells/download").content
    assert client.put("/artifacts/twin", content=packed).status_code == 201
    one, two = (client.post(f"/artifacts/{n}/sample", json={"n": 9, "seed": 1}).text for n in ("cells", "twin"))
    assert one == two
    assert {a["name"] for a in client.get("/artifacts").json()} == {"cells", "twin"}
    assert client.put("/artifacts/twin", content=packed).status_code == 409
    assert client.delete("/artifacts/twin").status_code == 204
    assert client.get("/artifacts/twin").status_code == 404


def test_what_was_drawn_can_be_drawn_again(client: TestClient, cells: Any):
    made = client.post("/artifacts/cells/sample", json={"n": 5})
    seed, rows = int(made.headers["x-conjure-seed"]), made.headers["x-conjure-rows"]
    first, last, total = (int(v) for v in rows.replace(" of ", "-").split("-"))
    again = sampling.sample(cells, total, seed=seed)[first:last]
    assert made.text == again.to_csv(index=False)


def test_the_report_comes_as_a_page_and_as_numbers(client: TestClient):
    page = client.post("/artifacts/cells/evaluate", json={"data": "breast-cancer", "format": "html", "n": 200})
    assert page.status_code == 200, page.text
    assert "<html" in page.text.lower()
    numbers = client.post("/artifacts/cells/evaluate", json={"data": "breast-cancer", "n": 200}).json()
    assert numbers["figures"]


def test_forms_follow_the_settings_of_each_recipe(client: TestClient):
    groups = {g["name"]: g for g in client.get("/apps/tables/form?recipe=vae").json()}
    fields = {f["path"]: f for f in groups["model"]["fields"]}
    assert fields["model.latent"]["kind"] == "whole"
    assert set(groups) == {"codec", "model", "objective", "training"}
    assert {a["name"] for a in client.get("/apps").json()} >= {"tables", "text", "images"}


BAD = [
    ({"app": "tabels", "data": "wine", "name": "x"}, "tables"),
    ({"app": "tables", "data": "../../etc/passwd", "name": "x"}, "upload"),
    ({"app": "tables", "data": "wine", "name": "../x"}, "name"),
    ({"app": "tables", "data": "wine", "name": "cells"}, "taken"),
    ({"app": "tables", "data": "wine", "name": "x", "settings": ["model.stats=3"]}, "states"),
    ({"app": "tables", "data": "wine", "name": "x", "minutes": -1}, "minutes"),
    ({"app": "tables", "data": "0123456789abcdef", "name": "x"}, "no upload"),
    ({"app": "tables", "data": "wine", "name": "x", "recipe": "/etc/x.toml"}, "recipe"),
    ({"app": "tables", "data": "wine", "name": "x", "extra": 1}, "extra"),
]


@pytest.mark.parametrize(("asked", "told"), BAD)
def test_a_wrong_fit_is_refused_in_one_sentence(client: TestClient, asked: dict[str, Any], told: str):
    answer = client.post("/fits", json=asked)
    assert 400 <= answer.status_code < 500
    assert told in answer.json()["error"]["message"]
    assert client.get("/fits").json() == []


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_archives_stay_inside_and_do_not_explode(client: TestClient, tmp_path: Path):
    for members, status in (
        ({"../../out.txt": b"x"}, 400),
        ({"/out.txt": b"x"}, 400),
        ({"artifact.json": b"{}"}, 400),
        ({"artifact.json": b"0" * (300 << 20)}, 413),
        ({"evil.py": b"x"}, 400),
    ):
        assert client.put("/artifacts/bad", content=zipped(members)).status_code == status, list(members)
    for name in ("pictures.zip",):
        assert client.put(f"/uploads/{name}", content=zipped({"../a.png": b"x"})).status_code == 400
    assert client.put("/uploads/a.csv", content=b"").status_code == 400
    assert client.put("/uploads/..%2Fa.csv", content=b"x").status_code in (400, 404)
    assert client.put("/uploads/a.csv", content=b"x" * (2 << 20)).status_code == 413
    left = [p for p in tmp_path.rglob("*") if p.is_file() and "jobs.db" not in p.name]
    assert left == []


def test_a_damaged_artifact_is_refused_and_never_opened_half(client: TestClient):
    packed = zipfile.ZipFile(io.BytesIO(client.get("/artifacts/cells/download").content))
    members = {name: packed.read(name) for name in packed.namelist()}
    manifest = json.loads(members["artifact.json"])
    manifest["card"]["metrics"] = {"changed": 1}
    for changed in (
        {"artifact.json": json.dumps(manifest).encode()},
        {"model.safetensors": members["model.safetensors"][:-3]},
        {"codec.json": b"[]"},
    ):
        answer = client.put("/artifacts/bad", content=zipped(members | changed))
        assert answer.status_code == 400
        assert "artifact" in answer.json()["error"]["message"]
        assert client.get("/artifacts/bad").status_code == 404


def test_a_fit_is_cancelled_and_resumed(client: TestClient):
    settings = [*QUICK[1:], "training.epochs=4000", "training.checkpoint_seconds=0.5"]
    asked = {"app": "tables", "data": "wine", "name": "long", "settings": settings}
    number = client.post("/fits", json=asked).json()["number"]
    second = client.post("/fits", json={**asked, "name": "next"}).json()["number"]
    assert client.get(f"/fits/{second}").json()["status"] == "queued"
    assert client.post(f"/fits/{second}/cancel").json()["status"] == "cancelled"
    step_of(client, number, 1)
    client.post(f"/fits/{number}/cancel")
    told = until_over(client, number)
    assert told["status"] == "cancelled"
    assert "kept" in told["message"]
    assert client.post("/artifacts/long/sample", json={"n": 2}).status_code == 200
    assert client.post(f"/fits/{number}/resume").json()["status"] in ("queued", "running")
    client.post(f"/fits/{number}/cancel")
    assert until_over(client, number)["status"] == "cancelled"


def test_a_server_that_ended_finds_its_fits_again(tmp_path: Path):
    settings = [*QUICK[1:], "training.epochs=100000", "training.checkpoint_seconds=0.5"]
    asked = {"app": "tables", "data": "wine", "name": "long", "settings": settings}
    with TestClient(create(Settings(root=tmp_path)), base_url="http://127.0.0.1") as client:
        number = client.post("/fits", json=asked).json()["number"]
        step_of(client, number, 1)
    with TestClient(create(Settings(root=tmp_path)), base_url="http://127.0.0.1") as client:
        assert client.get(f"/fits/{number}").json()["status"] == "running"  # its process went on
        os.kill(int((tmp_path / "runs" / number / "lock").read_text()), signal.SIGKILL)
        assert until_over(client, number)["status"] == "interrupted"
        before = client.get(f"/fits/{number}").json()["progress"]["step"]
        client.post(f"/fits/{number}/resume")
        step_of(client, number, before + 1)
        client.post(f"/fits/{number}/cancel")
        assert until_over(client, number)["status"] == "cancelled"


def test_many_ask_at_once_and_are_drawn_together(client: TestClient):
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: client.post("/artifacts/cells/sample", json={"n": 2}), range(24)))
    assert {a.status_code for a in answers} == {200}
    draws = {a.headers["x-conjure-seed"] for a in answers}
    rows = {(a.headers["x-conjure-seed"], a.headers["x-conjure-rows"]) for a in answers}
    assert len(rows) == 24  # no two got the same rows
    assert len(draws) < 24


def test_a_full_disk_keeps_nothing_and_says_so(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    packed = client.get("/artifacts/cells/download").content
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        answer = client.put("/uploads/a.csv", content=b"a,b\n1,2\n")
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["error"]["message"]
    assert not list((tmp_path / "uploads").iterdir())
    assert client.put("/artifacts/twin", content=packed).status_code == 201


def step_of(client: TestClient, number: str, least: int) -> None:
    end = time.monotonic() + 60
    while ((client.get(f"/fits/{number}").json()["progress"] or {}).get("step") or 0) < least:
        assert time.monotonic() < end
        time.sleep(0.1)
