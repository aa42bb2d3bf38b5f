"""No word of a client is a path of the server's disk: in a condition, in settings, in an artifact that is brought."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from conjure import artifact as artifacts
from conjure import catalog
from conjure.fitting import fit
from conjure.server.app import create
from conjure.server.settings import Settings
from conjure.verbs import recipe_for

QUICK = ["training.epochs=1", "training.threads=1", "model.states=2"]


@pytest.fixture(scope="module")
def forecaster() -> Any:
    return fit(recipe_for("forecasting", settings=["training.steps=2", "training.threads=1"]), "hourly")


@pytest.fixture
def client(tmp_path: Path, forecaster: Any) -> Iterator[TestClient]:
    with TestClient(create(Settings({"ahead": forecaster}, tmp_path / "root")), base_url="http://127.0.0.1") as made:
        yield made


def test_a_history_is_an_upload_and_never_a_path(client: TestClient, tmp_path: Path):
    objects, _ = catalog.part("series", "corpus").read("hourly")
    place = catalog.part("series", "corpus").write(objects, tmp_path / "mine.csv")
    for path in (str(place), "../mine.csv", "/etc/passwd"):
        refused = client.post("/artifacts/ahead/sample", json={"given": {"history": path}})
        assert refused.status_code == 400
        assert "upload's number" in refused.json()["error"]["message"]
    number = client.put("/uploads/mine.csv", content=place.read_bytes()).json()["upload"]
    assert client.post("/artifacts/ahead/sample", json={"given": {"history": number}, "seed": 1}).status_code == 200


def test_every_codec_that_reads_files_for_a_condition_says_so():
    found = {}
    for domain in catalog.DOMAINS:
        codec = catalog.codec(domain)
        text = Path(catalog.part(domain, "codec").__file__).read_text("utf-8")
        reads = "read_questions(given[" in text or "files.load(" in text
        found[domain] = (reads, getattr(codec, "FILES", ()))
    assert found["unpaired"] == (True, ("picture",))
    assert not [name for name, (reads, files) in found.items() if reads and not files and name != "series"]
    assert catalog.part("series", "codec").ForecastCodec.FILES == ("history",)
    assert catalog.codec("music").FILES == ("prompt",)


@pytest.mark.parametrize("path", ["/etc/passwd", "schema.toml"])
def test_a_fit_reads_no_schema_from_the_disk(client: TestClient, path: str):
    asked = {"app": "tables", "data": "wine", "name": "x", "settings": [f"codec.schema={path}"]}
    refused = client.post("/fits", json=asked)
    assert refused.status_code == 400
    assert "codec.schema names a file" in refused.json()["error"]["message"]
    assert client.get("/fits").json() == []


def test_a_brought_artifact_names_no_place_that_its_report_would_read(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = fit(recipe_for("tables", settings=QUICK), "breast-cancer")
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n3,4\n")
    made.recipe = replace(made.recipe, start=str(tmp_path / "weights"))
    made.card = {**made.card, "source": {**made.card["source"], "name": str(secret), "path": str(secret)}}
    folder = artifacts.save(made, tmp_path / "made")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    assert client.put("/artifacts/brought", content=packed.getvalue()).status_code == 201
    opened = client.app.state.shelf.get("brought")
    assert not opened.recipe.start
    touched = []
    whole = catalog.part("table", "corpus").read
    monkeypatch.setattr(catalog.part("table", "corpus"), "read", lambda data: touched.append(str(data)) or whole(data))
    answer = client.post("/artifacts/brought/evaluate", json={"data": "breast-cancer", "n": 60})
    assert answer.status_code == 200, answer.text
    assert "was not found again" in json.dumps(answer.json()["notes"])
    assert not [data for data in touched if str(secret) in data]
