"""A folder of scores in, a composer out: every verb of music on the command line, and what it certifies."""

from __future__ import annotations

import json

import numpy as np
import pytest

from conjure import artifact, sampling
from conjure.domains.music import checks, corpus, leading
from conjure.domains.music.piece import PART
from tests.end_to_end.terminal import Terminal
from tests.unit.domains.music.pieces import chorale, chorales

pytest.importorskip("symusic", reason="scores are read by symusic: pip install 'conjure[music]'")
TINY = (
    "training.threads=1",
    "training.steps=60",
    "model.width=32",
    "model.hidden=48",
    "model.layers=1",
    "held_out=0.2",
)


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    return corpus.write(chorales(20), tmp_path_factory.mktemp("music") / "scores")


@pytest.fixture(scope="module")
def composer(scores, tmp_path_factory):
    from conjure.fitting import fit
    from conjure.verbs import recipe_for

    out = tmp_path_factory.mktemp("music") / "composer"
    settings = [f"{word}" for word in TINY]
    fit(recipe_for("music", settings=settings), scores, out)
    return out


def test_a_folder_is_fitted_and_samples_hold_what_was_asked(conjure, composer, tmp_path):
    out = tmp_path / "made.mid"
    asked = ("bars=3", "key=D", "meter=4/4", "end=tonic", "parallels=no", "scale=key", "range=voices", "crossing=no")
    words = [w for a in asked for w in ("--given", a)]
    code, *_ = conjure("sample", composer, "-n", 1, *words, "-o", out)
    assert code == 0
    made = corpus.read(out)[0][0]
    certificate = json.loads(out.with_name("made.certificate.json").read_text())
    assert made.end <= 3 * 96
    for rule in ("bars", "end", "parallels", "scale", "range", "crossing"):
        assert certificate[rule] == "holds", certificate
    assert not leading.parallels(made)
    assert not leading.crossings(made)
    assert {int(p) % 12 for p in made.notes[:, 2]} <= {2, 4, 6, 7, 9, 11, 1}


def test_the_same_seed_gives_the_same_music(conjure, composer, tmp_path):
    for name in ("a", "b"):
        assert conjure("sample", composer, "-n", 2, "--given", "bars=2", "-o", tmp_path / f"{name}.mid")[0] == 0
    for one, other in zip(*(corpus.read(tmp_path / name)[0] for name in ("a", "b"))):
        assert checks.same(one, other)


def test_harmonize_keeps_the_melody_and_adds_three_voices(conjure, composer, tmp_path):
    melody = chorale(77)
    corpus.write(type(melody)(melody.voice(0), melody.parts[:1]), tmp_path / "melody.mid")
    code, out, _ = conjure("music", "harmonize", composer, tmp_path / "melody.mid", "-o", tmp_path / "four.mid")
    assert code == 0
    assert "meter: holds" in out
    made = corpus.read(tmp_path / "four.mid")[0][0]
    assert len(made.parts) == 4
    assert np.array_equal(made.voice(0)[:, :3], melody.voice(0)[:, :3])


def test_form_instruments_and_copies_are_asked_for_and_certified(conjure, composer, tmp_path):
    asked = ("form=AABA", "bars=4", "instrument=violin,violin,viola,cello", "copies=no", "end=tonic")
    out = tmp_path / "made.mxl"
    assert conjure("sample", composer, *(w for a in asked for w in ("--given", a)), "-n", 1, "-o", out)[0] == 0
    certificate = json.loads(out.with_name("made.certificate.json").read_text())
    assert certificate["form"] == "holds: AABA in sections of 1 bar; bar 2 is bar 1; bar 4 is bar 1"
    assert certificate["instrument"] == "holds: violin, viola, cello"
    assert certificate["copies"].startswith("holds: no run of 16 notes of any training piece")
    made = corpus.read(out)[0][0]
    bars = [made.notes[made.notes[:, 0] // 96 == bar][:, :3] - [96 * bar, 0, 0] for bar in range(4)]
    assert np.array_equal(bars[0], bars[1])
    assert np.array_equal(bars[0], bars[3])
    assert [part.program for part in made.parts] == [40, 40, 41, 42]


def test_harmonize_as_chords_writes_a_lead_sheet(conjure, composer, tmp_path):
    pytest.importorskip("music21", reason="MusicXML is read by music21")
    melody = chorale(77)
    corpus.write(type(melody)(melody.voice(0), melody.parts[:1]), tmp_path / "melody.mid")
    outs = f"{tmp_path / 'lead.mxl'},{tmp_path / 'lead.abc'},{tmp_path / 'lead.mid'}"
    words = ("--as", "chords", "--every", "bar", "-o", outs)
    code, out, _ = conjure("music", "harmonize", composer, tmp_path / "melody.mid", *words)
    assert code == 0
    assert "of its time" in out
    sheets = [corpus.read(tmp_path / f"lead.{suffix}")[0][0] for suffix in ("mxl", "abc")]
    assert sheets[0].symbols == sheets[1].symbols != ()
    assert np.array_equal(sheets[0].notes[:, :3], melody.voice(0)[:, :3])
    assert len(corpus.read(tmp_path / "lead.mid")[0][0].parts) == 2


def test_what_reading_a_score_loses_is_said(conjure, composer, tmp_path):
    symusic = pytest.importorskip("symusic")
    score = symusic.Score.from_file(str(corpus.write(chorale(5, bars=2), tmp_path / "a.mid")))
    score.tracks[0].pitch_bends.append(symusic.PitchBend(0, 2048))
    score.dump_midi(str(tmp_path / "bent.mid"))
    code, _, err = conjure("music", "convert", tmp_path / "bent.mid", "-o", tmp_path / "b.krn")
    assert code == 0
    assert "note: 1 piece: pitch bends are left out" in err


def test_fill_writes_the_voice_that_is_named_and_no_other(conjure, composer, tmp_path):
    whole = chorale(78)
    corpus.write(whole, tmp_path / "whole.mid")
    words = ("--voice", "alto", "-o", tmp_path / "filled.mid", "--given", "parallels=no")
    assert conjure("music", "fill", composer, tmp_path / "whole.mid", *words)[0] == 0
    made = corpus.read(tmp_path / "filled.mid")[0][0]
    for voice in (0, 2, 3):
        assert np.array_equal(made.voice(voice)[:, :3], whole.voice(voice)[:, :3])
    assert len(made.voice(1))


def test_continue_keeps_what_is_there_and_adds_whole_bars(conjure, composer, tmp_path):
    start = chorale(79, bars=2)
    corpus.write(start, tmp_path / "start.mid")
    words = ("--bars", 2, "-o", tmp_path / "on.mid")
    assert conjure("music", "continue", composer, tmp_path / "start.mid", *words)[0] == 0
    made = corpus.read(tmp_path / "on.mid")[0][0]
    kept = made.notes[made.notes[:, 0] < 2 * 96 - 24]
    there = start.notes[start.notes[:, 0] < 2 * 96 - 24]
    assert np.array_equal(kept[:, [0, 2, PART]], there[:, [0, 2, PART]])
    assert made.end == 4 * 96


def test_vary_keeps_some_and_interpolate_joins_two(conjure, composer, tmp_path):
    one, other = chorale(80, bars=1), chorale(81, bars=1)
    corpus.write(one, tmp_path / "one.mid")
    corpus.write(other, tmp_path / "other.mid")
    assert conjure("music", "vary", composer, tmp_path / "one.mid", "-o", tmp_path / "varied.mid")[0] == 0
    assert corpus.read(tmp_path / "varied.mid")[0][0].end == one.end
    files = (tmp_path / "one.mid", tmp_path / "other.mid")
    assert conjure("music", "interpolate", composer, *files, "--bars", 2, "-o", tmp_path / "way.mid")[0] == 0
    made = corpus.read(tmp_path / "way.mid")[0][0]
    assert np.array_equal(made.notes[made.notes[:, 0] >= 3 * 96][:, 2], other.notes[:, 2])


def test_a_rule_polishes_the_composer(conjure, composer, scores, tmp_path):
    steps = (
        "training.steps=10",
        "training.rate=0.005",
        "training.batch=32",
        "training.threads=1",
        "objective.kl=0.02",
        "objective.mix=0.1",
    )
    words = [w for s in steps for w in ("--set", s)]
    asked = ("--given", "bars=1", "-n", 64, "--remember", scores)
    code, out, err = conjure("music", "align", composer, "-o", tmp_path / "polished", *asked, *words)
    assert code == 0, err
    assert "held-out reward" in out
    made = {}
    for name, folder in (("before", composer), ("after", tmp_path / "polished")):
        drawn = artifact.load(folder)
        pieces = sampling.sample(drawn, 60, given={"bars": 1}, seed=5)
        made[name] = np.mean([leading.rate(p) for p in pieces])
    assert made["after"] < 0.7 * made["before"]
    code, _, err = conjure("music", "align", composer, "-o", tmp_path / "polished", *asked)
    assert code == 2
    assert "already holds an artifact" in err
    code, _, err = conjure("music", "align", composer, "-o", tmp_path / "more", "--given", "bars=900")
    assert code == 2
    assert "bars is 900" in err
    code, _, err = conjure("music", "align", composer, "-o", tmp_path / "more", "--given", "parallels=no")
    assert code == 2
    assert "parallels is a rule" in err


def test_the_report_judges_statistics_faults_and_copies(conjure, composer, scores, tmp_path):
    code, *_ = conjure("evaluate", composer, scores, "-n", 10, "-o", tmp_path / "report.html")
    assert code == 0
    found = json.loads((tmp_path / "report.json").read_text())
    names = {figure["name"] for figure in found["figures"]}
    assert {"overlap of pitch_class_entropy", "parallel fifths per 100 chords", "pieces with a copied run"} <= names
    assert {"nats a frame", "overlap of bar_repetition"} <= names
    assert len(found["tables"][0]["rows"]) == 10
    values = {figure["name"]: figure["ours"] for figure in found["figures"]}
    assert values["nats a frame"] == pytest.approx(-values["log-probability (nats)"] / 64)  # all pieces have 64 frames
    lags = {row[0]: [float(cell) for cell in row[1:] if cell != "-"] for row in found["tables"][2]["rows"][:2]}
    assert all(0 <= share <= 1 for shares in lags.values() for share in shares)


def test_copies_of_training_pieces_are_found_in_another_key():
    from conjure.domains.music.codec import MusicCodec
    from conjure.metrics.judged import Judged
    from conjure.metrics.musical import judge

    train, held = chorales(8, bars=12), chorales(16, bars=12)[8:]
    stolen = type(train)(tuple(one.transposed(3) for one in train))
    codec = MusicCodec.learn(train, MusicCodec.Config())
    found = {
        name: judge(Judged(held_out=held, synthetic=made, train=train, facts=codec.judging))["pieces with a copied run"]
        for name, made in (("stolen", stolen), ("held", held))
    }
    assert found["stolen"].ours == 1.0
    assert found["held"].ours < 1.0


def test_scores_are_of_pieces_and_real_ones_score_higher_than_noise(conjure, composer, tmp_path):
    import conjure as package

    loaded = package.load(composer)
    real = loaded.score(chorales(3))
    shuffled = []
    for one in chorales(3):
        notes = one.notes.copy()
        notes[:, 2] = np.random.default_rng(0).permutation(notes[:, 2])
        shuffled.append(type(one)(notes, one.parts))
    assert real.mean() > loaded.score(shuffled).mean()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sample", "-n", 1, "--given", "key=X"), "keys are written like"),
        (("music", "fill", "FILE", "--voice", "viola", "-o", "OUT"), "no voice is called 'viola'"),
        (("music", "continue", "FILE", "--bars", 99, "-o", "OUT"), "the model can write"),
        (("music", "vary", "FILE", "--given", "bars=3", "-o", "OUT"), "--given bars and the piece contradict"),
        (("music", "fill", "FILE", "--voice", "1", "--given", "form=AB", "-o", "OUT"), "--given form and the piece"),
        (("music", "harmonize", "FILE", "--as", "song", "-o", "OUT"), "--as is 'song'"),
        (
            ("sample", "-n", 1, "--given", "form=AABA", "--given", "bars=3"),
            "bars=3 and form=AABA contradict each other",
        ),
    ],
)
def test_mistakes_get_a_sentence_and_exit_code_2(words, said, conjure, composer, tmp_path):
    corpus.write(chorale(5, bars=2), tmp_path / "a.mid")
    named = {"FILE": tmp_path / "a.mid", "OUT": tmp_path / "out.mid"}
    head = 2 if words[0] == "music" else 1
    code, _, err = conjure(*words[:head], composer, *(named.get(w, w) for w in words[head:]))
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("events", ("model.layers=1", "model.heads=2", "codec.vocab=600", "codec.context=64", "codec.length=60")),
        ("recurrent", ("codec.vocab=0", "codec.context=64", "codec.length=60")),
        ("melodies", ("codec.frames=32", "model.latent=4")),
        ("gan", ("codec.frames=32", "model.channels=8", "model.latent=8")),
        ("roll", ("model.hidden=16",)),
    ],
)
def test_every_recipe_fits_saves_and_samples(recipe, settings, scores, tmp_path):
    import conjure as package

    if recipe in ("events", "recurrent"):
        pytest.importorskip("miditok", reason="events are made by miditok")
    small = ["training.threads=1", "training.steps=3", "training.batch=8", "model.width=16", *settings]
    package.fit("music", scores, tmp_path / "out", recipe=recipe, settings=small)
    made = package.load(tmp_path / "out").sample(2, seed=1)
    assert len(made) == 2
    if recipe == "melodies":
        way = package.load(tmp_path / "out").interpolate(scores, (0, 5), steps=3)
        assert len(way) == 3
