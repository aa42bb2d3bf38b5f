"""Whatever a client sends: an answer in one shape, nothing outside the root, no fault of ours."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("fastapi")
from hypothesis import HealthCheck, given, settings
from starlette.testclient import TestClient

from conjure import artifact as artifacts
from conjure.fitting import fit
from conjure.server.app import create
from conjure.server.settings import Limits, Settings
from conjure.verbs import recipe_for
from tests.unit.server.mutants import archive_mutants, upload_mutants

QUICK = ["training.epochs=1", "training.threads=1", "model.states=2"]
CASES = 120


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made = fit(recipe_for("tables", settings=QUICK), "wine")
    folder = artifacts.save(made, tmp_path_factory.mktemp("packed") / "wine")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return file.getvalue()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "root").mkdir()
    app = create(Settings(root=tmp_path / "root", limits=Limits(upload=4 << 20)))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


def test_mutated_artifacts_are_opened_or_refused(client: TestClient, packed: bytes, tmp_path: Path):
    opened = 0
    for number, content in enumerate(archive_mutants(packed, random.Random(0), CASES)):
        answer = client.put(f"/artifacts/m{number}", content=content)
        assert answer.status_code in (201, 400, 409, 413), answer.text
        if answer.status_code == 201:
            opened += 1
            assert client.post(f"/artifacts/m{number}/sample", json={"n": 2}).status_code in (200, 400)
    assert opened < CASES / 2
    assert {p.name for p in tmp_path.iterdir()} == {"root"}
    assert not [p for p in (tmp_path / "root" / "artifacts").iterdir() if p.name.startswith(".")]


def test_mutated_uploads_never_escape(client: TestClient, packed: bytes, tmp_path: Path):
    for name, content in upload_mutants(packed, random.Random(1), CASES):
        answer = client.put(f"/uploads/{name}", content=content)
        assert answer.status_code in (201, 400, 404, 405, 413), (name, answer.text)
        if answer.status_code == 201:
            asked = {"app": "tables", "data": answer.json()["upload"], "name": "x", "minutes": 0.01}
            assert client.post("/fits", json={**asked, "app": "nothing"}).status_code == 400
    assert {p.name for p in tmp_path.iterdir()} == {"root"}
    assert not [p for p in (tmp_path / "root" / "uploads").iterdir() if p.name.startswith(".")]


def test_what_the_openapi_page_allows_is_answered_as_it_says(client: TestClient):
    schemathesis = pytest.importorskip("schemathesis")
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    looked = set()
    for operation in schema.get_all_operations():
        found = operation.ok()
        if found.path.startswith("/v1") or found.path.endswith("/events"):
            continue  # tested by the official client; streams

        @given(case=found.as_strategy())
        @settings(
            max_examples=6, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        def answered(case: Any) -> None:
            words = {"params": case.query, "headers": {k: str(v) for k, v in (case.headers or {}).items()}}
            body = {"json": case.body} if isinstance(case.body, (dict, list, str, int, float)) else {}
            answer = client.request(case.method, quote(case.formatted_path, safe="/%"), **words, **body)
            assert answer.status_code < 500, (case.method, case.formatted_path, answer.text)
            if answer.status_code >= 400:
                assert answer.json()["error"]["message"]

        answered()
        looked.add(found.path)
    assert len(looked) >= 12
