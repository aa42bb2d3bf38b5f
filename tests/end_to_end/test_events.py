"""What models of events, Transformer and LSTM, do with a score: go on, write bars anew, learn from a reward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("symusic", reason="scores are read by symusic: pip install 'conjure[music]'")
pytest.importorskip("miditok", reason="events are made by miditok")

from conjure import artifact, composing, sampling, verbs
from conjure.core.errors import ConfigError
from conjure.domains.music import corpus, leading
from conjure.domains.music.piece import START, Part, Piece, Pieces, piece
from tests.end_to_end.terminal import Terminal
from tests.unit.domains.music.pieces import chorale, chorales

BAR = 96  # ticks
SMALL = ("training.threads=1", "training.steps=60", "training.batch=8", "codec.context=96", "codec.length=48")
RECIPES = {
    "events": ("model.layers=1", "model.heads=2", "model.width=32", "codec.vocab=600"),
    "recurrent": ("codec.vocab=0", "training.rate=0.02", "model.width=64"),
}


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module", params=RECIPES)
def writer(request, tmp_path_factory) -> Path:
    """A model of bands: chorales with a drum on every beat."""
    out = tmp_path_factory.mktemp("events") / request.param
    bands = Pieces(tuple(map(banded, chorales(20))))
    verbs.fit("music", bands, out, recipe=request.param, settings=[*SMALL, *RECIPES[request.param]])
    return out


def banded(one: Piece) -> Piece:
    beats = [(tick, 12, 36, 90, len(one.parts)) for tick in range(0, one.end, 24)]
    return piece(np.concatenate([one.notes, beats]), (*one.parts, Part("Drums", 0, True)))


def rows(one: Piece) -> set[tuple[int, ...]]:
    """Start, length and pitch of every note."""
    return {tuple(row[:3]) for row in one.notes.tolist()}


def test_a_score_is_gone_on_with_and_stays_as_it_is(conjure, writer, tmp_path):
    whole = banded(chorale(50, bars=2))
    corpus.write(whole, tmp_path / "two.mid")
    said = conjure.works("music", "continue", writer, tmp_path / "two.mid", "--bars", 2, "-o", tmp_path / "four.mid")
    made = corpus.read(tmp_path / "four.mid")[0][0]
    assert "bars: holds: 2 more" in said.out
    assert "copies: " in said.out
    assert rows(whole) < rows(made)
    new = made.notes[made.notes[:, START] > 2 * BAR - 24]
    assert len(new)
    assert new[:, START].max() < 4 * BAR
    assert len({tuple(p.name for p in one.parts) for one in (whole, made)}) == 1
    again = tmp_path / "again.mid"
    conjure.works("music", "continue", writer, tmp_path / "two.mid", "--bars", 2, "-o", again)
    assert again.read_bytes() == (tmp_path / "four.mid").read_bytes()


def test_only_the_instruments_asked_for_go_on(writer):
    whole = banded(chorale(50, bars=2))
    made = composing.go_on(artifact.load(writer), whole, 2, {"instrument": "drums"}, seed=2)
    new = made.notes[made.notes[:, START] > whole.notes[:, START].max()]
    assert made.certificate["instrument"].startswith("holds: drum") or not len(new)
    assert all(made.parts[part].drums for part in np.unique(new[:, 4]))


def test_bars_are_written_anew_and_the_others_stay(conjure, writer, tmp_path):
    whole = banded(chorale(51))
    corpus.write(whole, tmp_path / "a.mid")
    out = tmp_path / "b.mid"
    said = conjure.works("music", "vary", writer, tmp_path / "a.mid", "--share", 0.3, "--seed", 1, "-o", out)
    made = corpus.read(out)[0][0]
    told = int(said.out.split("bars: ")[1].split(" of 4 written anew")[0])
    bars = [{row for row in rows(one) if row[0] // BAR == k} for one in (whole, made) for k in range(4)]
    kept = sum(a == b for a, b in zip(bars[:4], bars[4:]))
    assert 1 <= told <= 3
    assert kept >= 4 - told
    assert kept < 4


def test_a_reward_makes_it_write_fewer_drums(conjure, writer, tmp_path):
    (tmp_path / "calm.py").write_text(
        "def calm(wishes, pieces):\n"
        "    return [-sum(p.parts[k].drums for k in p.notes[:, 4]) / max(1, len(p.notes)) for p in pieces]\n"
    )
    steps = ("training.steps=10", "training.rate=0.01", "training.batch=24", "training.threads=1", "objective.kl=0.01")
    words = [w for s in steps for w in ("--set", s)]
    reward = ("--reward", f"{tmp_path / 'calm.py'}:calm", "-n", 48)
    said = conjure.works("music", "align", writer, "-o", tmp_path / "calmer", *reward, *words)
    assert "held-out reward" in said.out
    shares = []
    for folder in (writer, tmp_path / "calmer"):
        made = sampling.sample(artifact.load(folder), 60, seed=5)
        notes = sum(len(one.notes) for one in made)
        shares.append(sum(one.parts[k].drums for one in made for k in one.notes[:, 4]) / notes)
    assert shares[1] < 0.7 * shares[0]


def test_the_usual_rule_hears_voices_that_one_instrument_plays(writer):
    form: Any = artifact.load(writer).codec.form
    found = chorales(6)
    heard = [form.heard(one) for one in found]
    assert all(len(one.parts) == 1 for one in heard)
    np.testing.assert_allclose(leading.reward([], heard), leading.reward([], list(found)), atol=12)
    assert leading.STILL not in leading.reward([], heard)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("harmonize", "FILE"), "knows no voices: it can continue and vary"),
        (("fill", "FILE", "--voice", "1"), "knows no voices: it can continue and vary"),
        (("interpolate", "FILE", "FILE"), "knows no voices: it can continue and vary"),
        (("continue", "FILE", "--bars", "0"), "bars is 0"),
        (("continue", "FILE", "--given", "length=9"), "--given length and the piece contradict each other"),
        (("continue", "FILE", "--given", "instrument=flute"), "no training piece has flute"),
        (("vary", "FILE", "--given", "key=D"), "takes no --given 'key' here: known: copies, instrument"),
        (("vary", "FILE", "--share", "2"), "share is 2"),
        (("align", "--given", "instrument=drums"), "--given instrument cannot be learnt"),
        (("align", "--given", "length=9"), "objective.tokens says how many"),
        (("align", "--given", "bars=2"), "takes no --given 'bars'"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(words, says, conjure, writer, tmp_path):
    corpus.write(chorale(5, bars=2), tmp_path / "a.mid")
    verb, *rest = (tmp_path / "a.mid" if word == "FILE" else word for word in words)
    conjure.refused("music", verb, writer, *rest, "-o", tmp_path / "out.mid", naming=(says,), remarks=True)


@pytest.mark.parametrize(("recipe", "layout"), [("melodies", "melodies"), ("gan", "rolls"), ("roll", "sets")])
def test_models_of_other_layouts_say_what_they_are_for(recipe, layout, tmp_path):
    small = ["training.threads=1", "training.steps=1", "training.batch=8", "model.width=16"]
    small += ["codec.frames=32"] if recipe != "roll" else ["model.hidden=16"]
    made = verbs.fit("music", chorales(12), recipe=recipe, settings=small).artifact
    for verb in (lambda: composing.go_on(made, chorale(1), 2), lambda: composing.vary(made, chorale(1), 0.5)):
        with pytest.raises(ConfigError, match=rf"a model of {layout} .*this needs a model of voices"):
            verb()


def test_scores_are_gone_on_with_over_http(writer, tmp_path):
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from conjure.server.app import create
    from conjure.server.settings import Settings

    app = create(Settings({"band": artifact.load(writer)}, tmp_path / "root"))
    corpus.write(banded(chorale(5, bars=2)), tmp_path / "a.mid")
    with TestClient(app, base_url="http://127.0.0.1") as client:
        upload = client.put("/uploads/a.mid", content=(tmp_path / "a.mid").read_bytes()).json()["upload"]
        for verb, asked in (("continue", {"bars": 1}), ("vary", {"share": 0.5})):
            answer = client.post(f"/artifacts/band/music/{verb}", json={"data": upload, **asked})
            assert answer.status_code == 200, answer.text
            assert answer.content[:4] == b"MThd"
            assert "bars" in json.loads(answer.headers["x-conjure-certificate"])
        answer = client.post("/artifacts/band/music/harmonize", json={"data": upload})
        assert answer.status_code == 400
        assert "knows no voices" in answer.json()["error"]["message"]
