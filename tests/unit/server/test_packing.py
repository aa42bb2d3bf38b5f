"""Whatever is taken home, of any kind of data, carries the command line that makes it again, bit for bit."""

from __future__ import annotations

import io
import shlex
import zipfile
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("fastapi")
from starlette.testclient import TestClient

import conjure
from conjure import artifact as artifacts
from conjure import cli
from conjure.domains.music import corpus
from conjure.fitting import fit
from conjure.server.app import create
from conjure.server.settings import Settings
from conjure.verbs import recipe_for
from tests.unit.domains.music.pieces import chorales

FEW = ["training.steps=2", "training.threads=1", "training.batch=8"]
KINDS = {  # app -> data, recipe, settings, what is given
    "tables": (
        "wine",
        "circuit",
        ["training.epochs=1", "training.threads=1", "model.states=2"],
        {"cultivar": "class_1"},
    ),
    "text": ("python-docs", "recurrent", [*FEW, "model.width=16"], {"length": "20"}),
    "images": ("digits", "flow", [*FEW, "model.width=16", "model.evaluations=2"], {"label": "3"}),
    "series": ("hourly", "flow", FEW, {}),
    "video": ("bouncing", "flow", FEW, {}),
    "translation": ("phrases", "small", FEW, {"source": "die Frau sieht den Hund"}),
    "music": ("", "chords", [*FEW, "model.width=32", "model.hidden=48", "model.layers=1"], {"bars": "2"}),
}


@pytest.mark.parametrize("app", KINDS)
def test_the_command_line_in_the_archive_makes_the_same_files(
    app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data, recipe, settings, given = KINDS[app]
    if app == "music":
        pytest.importorskip("symusic")
        data = str(corpus.write(chorales(20), tmp_path / "scores"))
    made = fit(recipe_for(app, recipe=recipe, settings=settings), data)
    artifacts.save(made, tmp_path / "root" / "artifacts" / "mine")
    with TestClient(create(Settings(root=tmp_path / "root")), base_url="http://127.0.0.1") as client:
        asked = {"n": 2, "seed": 5, "given": given, "format": "zip"}
        answer = client.post("/artifacts/mine/sample", json=asked)
        assert answer.status_code == 200, answer.text
    (tmp_path / "taken.zip").write_bytes(answer.content)
    with zipfile.ZipFile(tmp_path / "taken.zip") as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    line = found.pop("command.txt").decode().splitlines()[0]
    assert "--seed 5" in line
    (tmp_path / "again").mkdir()
    monkeypatch.chdir(tmp_path / "again")
    monkeypatch.setattr("sys.argv", shlex.split(line.replace("mine", str(tmp_path / "root" / "artifacts" / "mine"), 1)))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)
    again = {
        str(p.relative_to(tmp_path / "again")): p.read_bytes() for p in (tmp_path / "again").rglob("*") if p.is_file()
    }
    assert again == found


def test_linked_tables_go_out_and_in_and_are_drawn_whole(tmp_path: Path):
    shops = pd.DataFrame({"shop_id": range(60), "size": ["small", "large"] * 30})
    sales = pd.DataFrame(
        {"sale_id": range(180), "shop_id": [k % 60 for k in range(180)], "amount": [1.5, 2.5, 4.0] * 60}
    )
    settings = ["training.epochs=1", "training.threads=1", "model.states=2"]
    made = conjure.fit("tables", {"shops": shops, "sales": sales}, settings=settings)
    made.save(tmp_path / "root" / "artifacts" / "mine")
    with TestClient(create(Settings(root=tmp_path / "root")), base_url="http://127.0.0.1") as client:
        packed = client.get("/artifacts/mine/download").content
        brought = client.put("/artifacts/twin", content=packed)
        assert brought.status_code == 201, brought.text
        answers = [client.post(f"/artifacts/{name}/sample", json={"n": 5, "seed": 2}) for name in ("mine", "twin")]
    found = [tables(answer.content) for answer in answers]
    assert found[0] == found[1]
    assert set(found[0]) == {"shops.csv", "sales.csv"}
    assert len(pd.read_csv(io.BytesIO(found[0]["shops.csv"]))) == 5


def tables(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
