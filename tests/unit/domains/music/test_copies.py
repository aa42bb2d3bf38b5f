"""What is copied is found in any key and said; what must not be copied is drawn again; forms and instruments hold."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from conjure.core.errors import ConfigError
from conjure.domains.music import checks, copies, instruments, sections, words
from conjure.domains.music.codec import MusicCodec
from conjure.domains.music.copies import Prints
from conjure.domains.music.piece import TICKS, Part, Pieces, piece
from conjure.domains.music.rules import Rules
from tests.unit.domains.music.pieces import chorale, chorales


def tune(pitches, name="tune"):
    return piece([(t * TICKS, TICKS, int(p), 80, 0) for t, p in enumerate(pitches)], (Part("Voice"),), name=name)


def walk(seed, n):
    return 60 + np.random.default_rng(seed).integers(0, 12, n)


def of(*pieces):
    return Prints.of(pieces, lambda one: one)


def test_a_run_in_another_key_is_found_with_its_bars_in_both():
    theirs = walk(1, 40)
    mine = np.concatenate([walk(2, 8), theirs[4:24] + 3, walk(3, 8)])
    found = of(tune(walk(9, 30), "other"), tune(theirs, "theirs")).passages(tune(mine))[0]
    assert (found.notes, found.name, found.start // TICKS, found.end // TICKS, found.bar) == (20, "theirs", 8, 28, 2)


def test_fifteen_notes_are_no_copy_and_sixteen_are():
    theirs = walk(1, 60)
    for notes, said in (
        (15, "holds: no run of 16 notes of any training piece, in any key; nearest: 15 notes"),
        (16, ""),
    ):
        mine = tune(np.concatenate([walk(2, 8), theirs[10 : 10 + notes], walk(4, 8)]))
        prints = of(tune(theirs, "theirs"))
        text = prints.certified(mine, False).certificate["copies"]
        assert prints.copied(mine) == (notes == 16)
        assert text.startswith(said or "bars 3-6 of Voice are those of theirs from bar 3 on (16 notes)")
        assert (
            prints.certified(mine, True).certificate["copies"].startswith("holds" if notes == 15 else "does not hold")
        )


def test_runs_of_sixteen_agree_with_those_found_without_hashes():
    train = chorales(8, bars=12)
    prints = Prints.of(train, lambda one: one)
    known = {run for one in train for run, _ in checks.runs(one, copies.RUN)}
    seen = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows = train[int(rng.integers(8))].transposed(int(rng.integers(-5, 6))).notes
        one = piece(np.delete(rows, rng.integers(len(rows), size=rng.integers(1, 25)), axis=0), train[0].parts)
        seen.append(any(run in known for run, _ in checks.runs(one, copies.RUN)))
        assert prints.copied(one) == seen[-1]
    assert 0 < sum(seen) < 40


def test_what_was_given_is_no_copy_of_the_models():
    theirs = tune(walk(1, 30), "theirs")
    prints = of(theirs)
    assert not prints.copied(theirs, theirs)
    assert prints.certified(theirs, True, theirs).certificate["copies"].endswith("those notes were given")


def test_drums_are_no_melodies():
    one = piece([(t * 6, 6, 38, 90, 0) for t in range(64)], (Part("Kit", 0, True),))
    assert not of(one).passages(one)


@pytest.mark.parametrize("layout", ["voices", "sets", "melodies", "rolls", "events"])
def test_fingerprints_travel_in_the_state_of_every_layout_and_find_training_pieces(layout):
    if layout == "events":
        pytest.importorskip("miditok", reason="events are made by miditok")
    train = chorales(4, bars=20)
    codec = MusicCodec.learn(train, MusicCodec.Config(layout=layout, step=4, frames=320))
    codec = MusicCodec.from_state(json.loads(json.dumps(codec.state())))
    x = codec.encode(train).x
    rows = x[None].long() if layout == "events" else x if layout == "rolls" else x.long()
    for made in codec.decode(rows):
        assert "are those of chorale" in made.certificate["copies"]


def test_a_piano_piece_is_found_again_though_the_model_writes_voices():
    rows = [(t * TICKS, TICKS, p + d, 80, 0) for t, p in enumerate(walk(5, 40).tolist()) for d in (0, 12)]
    one = piece(rows, (Part("Piano"),), name="study")
    codec = MusicCodec.learn(Pieces((one, chorale(1))), MusicCodec.Config())
    assert "are those of study" in codec.compared(codec.form.heard(one)).certificate["copies"]


def test_a_model_without_fingerprints_says_so_and_refuses_the_rule():
    codec = MusicCodec.learn(chorales(4), MusicCodec.Config(prints=False))
    assert "prints" not in codec.state()
    assert codec.compared(chorale(0)).certificate["copies"].startswith("not compared")
    with pytest.raises(ConfigError, match="keeps no fingerprints"):
        codec.condition({"copies": "no"}, 1)


def test_damaged_fingerprints_are_refused():
    state = of(tune(walk(1, 30))).state()
    with pytest.raises(ValueError, match="damaged"):
        Prints.from_state({**state, "rows": [[0, 3]]})


def test_copied_rows_are_told_from_others_and_only_these_are_drawn_anew():
    from conjure import sampling
    from conjure.artifact import Artifact
    from conjure.recipe import Recipe

    train = chorales(4, bars=12)
    codec = MusicCodec.learn(train, MusicCodec.Config())
    stolen, fresh = codec.encode(train).x.long()[:1], torch.randint(2, 20, (1, 192, 4))
    draws = []

    class Model:
        def sample(self, n, **how):
            draws.append(n)
            return torch.cat([fresh, stolen]) if len(draws) == 1 else stolen if len(draws) == 2 else fresh

    artifact = Artifact(Recipe("music", "chords", "infilling"), codec, Model())  # type: ignore[arg-type]
    made = sampling.sample(artifact, 2, given={"bars": 12, "copies": "no"})
    assert draws == [2, 1, 1]
    assert all(one.certificate["copies"].startswith("holds") for one in made)


def test_comparing_a_piece_takes_milliseconds():
    import time

    train = [tune(walk(seed, 400), str(seed)) for seed in range(500)]
    prints, mine = of(*train), tune(walk(777, 400))
    prints.copied(mine)
    start = time.process_time()
    for _ in range(10):
        prints.copied(mine)
    assert (time.process_time() - start) / 10 < 0.1


@pytest.mark.parametrize("text", ["AABA", "ABAC", "AaBA", "AA'BA"])
def test_a_form_is_written_and_certified(text):
    codec = MusicCodec.learn(chorales(4, bars=12), MusicCodec.Config())
    plan = words.plans(codec.form, {"form": text, "bars": 8, "end": "tonic", "key": "C"}, 1)[0]
    assert plan.form is not None
    assert (len(plan.form.text), plan.form.bars) == (4, 2)
    assert sections.parse_form(text) == plan.form.text
    noise = torch.randint(0, codec.form.vocab, (192, 4), generator=torch.Generator().manual_seed(1))
    x = torch.zeros(1, 192, 4, dtype=torch.long)
    allow = Rules().allow(codec.form, [plan])

    class At:
        first, now = 0, torch.zeros(1, 4, dtype=torch.long)
        before = now

    for At.frame in range(128):
        for At.voice in range(4):
            At.x = x
            masks = allow(At)
            may = masks[0][0].nonzero().flatten()
            wanted = noise[At.frame, At.voice]
            x[0, At.frame, At.voice] = wanted if wanted in may else may[-1]
    made = Rules().certified(codec.form.decode(x, [plan])[0], plan)
    assert made.certificate["form"].startswith(f"holds: {plan.form.text} in sections of 2 bars")
    assert ("vary" in made.certificate["form"]) == (plan.form.text == "AaBA")
    broken = replace(made, notes=np.delete(made.notes, -1, axis=0))
    if text != "ABAC":
        assert "does not hold: bars 7-8 are not bars 1-2" in Rules().certified(broken, plan).certificate["form"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"form": "AABA", "bars": 10}, "bars=10 and form=AABA contradict each other: 10 bars are not 4 equal"),
        ({"form": "A1"}, "forms are written in capital letters"),
        ({"form": "aB"}, "the varied 'a' has no 'A' before it"),
        ({"form": "ABCDEFGHIJ"}, "ask for a shorter form"),
        ({"instrument": "fluet"}, "did you mean 'flute'"),
        ({"instrument": "flute,oboe"}, "instrument names 2 instruments"),
        ({"instrument": "drums"}, "fit with --recipe events"),
        ({"copies": "yes"}, "copies is 'yes'"),
    ],
)
def test_a_wrong_form_or_instrument_gets_a_sentence(given, said):
    codec = MusicCodec.learn(chorales(4), MusicCodec.Config())
    with pytest.raises(ConfigError, match=said):
        codec.condition(given, 2)


def test_instruments_become_programs_of_the_parts():
    form = MusicCodec.learn(chorales(4), MusicCodec.Config()).form
    for asked, found in (("flute", [73] * 4), ("violin,violin,viola,cello", [40, 40, 41, 42])):
        plan = words.plans(form, {"instrument": asked}, 1)[0]
        made = form.decode(torch.zeros(1, form.facts.frames, 4, dtype=torch.long), [plan])[0]
        assert [part.program for part in made.parts] == found
    assert len(instruments.NAMES) == 128
    assert (instruments.NAMES[0], instruments.NAMES[19], instruments.NAMES[110]) == (
        "acoustic piano",
        "church organ",
        "fiddle",
    )


@pytest.mark.parametrize("vocab", [0, 600])
def test_events_bar_the_instruments_that_are_not_asked_for(vocab):
    pytest.importorskip("miditok", reason="events are made by miditok")
    rows = [(24 * t, 24, 60 + t % 5, 79, t % 3) for t in range(60)]
    band = piece(rows, (Part("Flute", 73), Part("Bass", 33), Part("Kit", 0, True)))
    codec = MusicCodec.learn(Pieces((band,) * 4), MusicCodec.Config(layout="events", context=16, vocab=vocab))
    allow = codec.limits({"instrument": "flute,drums"}, 1)["allow"]
    assert allow.shape == (codec.space.vocab,)
    assert allow[-1]
    names = codec.form.tokenizer.vocab
    if not vocab:
        assert allow[names["Program_73"]]
        assert allow[names["Program_-1"]]
        assert not allow[names["Program_33"]]
    assert not allow.all()
    made = codec.form.certified(band, {"instrument": "flute,drums"})
    assert made.certificate["instrument"] == "does not hold: fingered bass plays too"
    with pytest.raises(ConfigError, match="no training piece has violin; they have: drums, fingered bass, flute"):
        codec.limits({"instrument": "violin"}, 1)
