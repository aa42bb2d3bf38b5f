"""What only music can do, over HTTP: a score brought as an upload, its harmony taken home with a certificate."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("symusic", reason="scores are read by symusic: pip install 'conjure[music]'")
from starlette.testclient import TestClient

from conjure.domains.music import corpus, files
from conjure.domains.music.piece import Piece
from conjure.fitting import fit
from conjure.server.app import create
from conjure.server.settings import Limits, Settings
from conjure.verbs import recipe_for
from tests.unit.domains.music.pieces import chorale, chorales

TINY = ["training.threads=1", "training.steps=10", "model.width=16", "model.hidden=16", "model.layers=1"]


@pytest.fixture(scope="module")
def composer() -> Any:
    return fit(recipe_for("music", settings=[*TINY, "held_out=0.2"]), chorales(8))


@pytest.fixture(scope="module")
def client(composer: Any, tmp_path_factory: Any) -> Iterator[TestClient]:
    settings = Settings({"composer": composer}, tmp_path_factory.mktemp("root"), limits=Limits(upload=1 << 20))
    with TestClient(create(settings), base_url="http://127.0.0.1") as made:
        yield made


def brought(client: TestClient, one: Piece, tmp_path: Path) -> str:
    corpus.write(one, tmp_path / "score.mid")
    return client.put("/uploads/score.mid", content=(tmp_path / "score.mid").read_bytes()).json()["upload"]


def asked(client: TestClient, verb: str, **body: Any) -> Any:
    return client.post(f"/artifacts/composer/music/{verb}", json=body)


def read(answer: Any, tmp_path: Path) -> Piece:
    assert answer.status_code == 200, answer.text
    (tmp_path / "made.mid").write_bytes(answer.content)
    return corpus.read(tmp_path / "made.mid")[0][0]


def test_a_melody_comes_back_with_its_other_voices_and_a_certificate(client: TestClient, tmp_path: Path):
    whole = chorale(77)
    upload = brought(client, type(whole)(whole.voice(0), whole.parts[:1]), tmp_path)
    answer = asked(client, "harmonize", data=upload, given={"parallels": "no"}, seed=3)
    made = read(answer, tmp_path)
    assert len(made.parts) == 4
    assert np.array_equal(made.voice(0)[:, :3], whole.voice(0)[:, :3])
    certificate = json.loads(answer.headers["x-conjure-certificate"])
    assert certificate["meter"] == "holds: 4 bars of 4/4"
    assert "parallels" in certificate
    assert asked(client, "harmonize", data=upload, given={"parallels": "no"}, seed=3).content == answer.content


def test_a_melody_comes_back_as_a_lead_sheet(client: TestClient, tmp_path: Path):
    whole = chorale(77)
    upload = brought(client, type(whole)(whole.voice(0), whole.parts[:1]), tmp_path)
    answer = asked(client, "harmonize", data=upload, format="abc", **{"as": "chords"})
    assert answer.status_code == 200, answer.text
    assert '"' in answer.text.split("K:")[1]  # symbols stand in quotes among the notes
    assert asked(client, "harmonize", data=upload, **{"as": "feathers"}).status_code == 400


def test_every_verb_has_a_route(client: TestClient, tmp_path: Path):
    whole = chorale(5, bars=1)
    upload = brought(client, whole, tmp_path)
    filled = read(asked(client, "fill", data=upload, voice=["alto"]), tmp_path)
    assert [np.array_equal(filled.voice(v)[:, :3], whole.voice(v)[:, :3]) for v in (0, 2, 3)] == [True] * 3
    assert read(asked(client, "continue", data=upload, bars=2), tmp_path).end == 3 * 96
    assert read(asked(client, "vary", data=upload, share=0.3), tmp_path).end <= 96
    joined = read(asked(client, "interpolate", data=upload, other=upload, bars=1), tmp_path)
    assert np.array_equal(joined.notes[joined.notes[:, 0] >= 2 * 96][:, 2], whole.notes[:, 2])


def test_an_archive_holds_the_score_its_certificate_and_the_command_line(client: TestClient, tmp_path: Path):
    answer = asked(client, "fill", data=brought(client, chorale(5, 1), tmp_path), voice=["2", "bass"], format="zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["command.txt", "samples.certificate.json", "samples.mid"]
        words = archive.read("command.txt").decode()
    assert "conjure music fill composer score.mid --voice 2 --voice bass --seed 0 -o samples.mid" in words


@pytest.mark.parametrize("data", ["/etc/passwd", "chorales", "../score.mid", "", "0" * 15])
def test_no_path_of_a_clients_is_taken(client: TestClient, data: str):
    answer = asked(client, "harmonize", data=data)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "data"
    assert asked(client, "interpolate", data="0" * 16, other=data).json()["error"]["param"] == "other"


def test_mistakes_are_told_in_one_sentence(client: TestClient, tmp_path: Path):
    assert asked(client, "harmonize", data="0" * 16).status_code == 404
    upload = brought(client, chorale(5, 1), tmp_path)
    for body, said in (
        ({"given": {"bars": 9}}, "its own bars stand"),
        ({"given": {"prompt": "/etc/passwd"}}, "an upload's number"),
        ({"colour": "red"}, "colour"),
    ):
        answer = asked(client, "harmonize", data=upload, **body)
        assert answer.status_code == 400, answer.text
        assert said in answer.json()["error"]["message"]
    broken = client.put("/uploads/b.mid", content=b"MThd and no more").json()["upload"]
    answer = asked(client, "vary", data=broken)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("b.mid is not a readable score")
    assert asked(client, "fill", data=upload, voice=["fiddle"]).status_code == 400


def test_a_zipped_score_that_unpacks_without_end_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "UNPACKED", 1000)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.musicxml", b"<a/>" * 1000)
    upload = client.put("/uploads/bomb.mxl", content=bomb.getvalue()).json()["upload"]
    answer = asked(client, "harmonize", data=upload)
    assert answer.status_code == 400
    assert "would unpack to more than" in answer.json()["error"]["message"]
