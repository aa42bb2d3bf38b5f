"""Grids, keys, voices, rules, voice leading, statistics and passages, against values worked out by hand."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from conjure.core.errors import ConfigError, DataError
from conjure.domains.music import checks, features, habits, leading, masks, words
from conjure.domains.music.codec import MusicCodec
from conjure.domains.music.grids import from_grid, phases, to_tokens, voiced
from conjure.domains.music.piece import TICKS, Part, Pieces, find_key, piece
from conjure.domains.music.rules import LED, Rules
from conjure.domains.music.separation import separate
from conjure.models.chords import Chords
from tests.unit.domains.music.pieces import chorale, chorales

ONE = (Part("Voice"),)


def line(pitches, length=TICKS, **facts):
    return piece([(t * length, length, p, 80, 0) for t, p in enumerate(pitches)], ONE, **facts)


def test_grid_and_piece_are_each_others_inverse():
    one = chorale(5)
    tokens = to_tokens(one, 0, 4)
    assert tokens.shape == (64, 4)
    assert np.array_equal(checks_notes(one), checks_notes(from_grid(pitches_of(tokens))))


def checks_notes(one):
    return one.notes[:, [0, 1, 2, 4]]


def pitches_of(tokens):
    found = np.full(tokens.shape, -1)
    for t, v in np.ndindex(*tokens.shape):
        found[t, v] = found[t - 1, v] if tokens[t, v] == 1 else tokens[t, v] - 2 if tokens[t, v] else -1
    return found


def test_a_frame_of_fewer_pitches_is_shared_by_the_voices_that_move_least():
    assert voiced([[72, 67, 60, 48], [72, 60, 48]]).tolist() == [[72, 67, 60, 48], [72, 72, 60, 48]]
    assert voiced([[72, 67], []]).tolist() == [[72, 67], [-1, -1]]


@pytest.mark.parametrize(
    ("pitches", "key"), [([60, 62, 64, 65, 67, 69, 71, 72], (0, 0)), ([69, 71, 72, 74, 76, 77, 80, 81, 69], (9, 1))]
)
def test_the_key_of_a_scale_is_found(pitches, key):
    assert find_key(line(pitches)) == key


def test_places_in_the_bar_follow_an_upbeat_and_a_change_of_metre():
    one = line([60] * 8, meters=((-72, 4, 4), (120, 3, 4)))
    phase, left = phases(one, 1, 8)
    assert phase.tolist() == [3, 0, 1, 2, 3, 0, 1, 2]
    assert left.tolist() == [3, 2, 2, 2, 2, 1, 1, 1]


def test_chords_of_one_part_become_voices_from_the_highest_down():
    rows = [(t, TICKS, p, 80, 0) for t in (0, TICKS) for p in (48, 60, 67)]
    found = separate(piece(rows, ONE))
    assert [found.voice(v)[:, 2].tolist() for v in range(3)] == [[67, 67], [60, 60], [48, 48]]


def test_percussion_alone_has_no_voices():
    with pytest.raises(DataError, match="percussion only"):
        separate(piece([(0, 6, 38, 90, 0)], (Part("Kit", 0, True),)))


def test_the_codec_gives_back_what_it_read_and_survives_json():
    pieces = chorales(6)
    codec = MusicCodec.learn(pieces, MusicCodec.Config())
    codec = MusicCodec.from_state(json.loads(json.dumps(codec.state())))
    encoded = codec.encode(pieces)
    assert codec.space.contains(encoded.x.long())
    assert codec.given_space.contains(encoded.given.long())
    plans = words.plans(codec.form, {"bars": 4}, len(pieces))
    for one, other in zip(codec.form.decode(encoded.x, plans), pieces):
        assert checks.same(one, other)


def test_training_sees_every_piece_in_all_keys():
    pieces = chorales(2)
    codec = MusicCodec.learn(pieces, MusicCodec.Config())
    rows = codec.encode_training(pieces)
    assert len(rows.x) == 24
    assert len({tuple(r.flatten().tolist()) for r in rows.x}) == 24
    keys = rows.given[:12, 0, 2].tolist()
    told = [key for key in keys if key]  # some rows do not say it, as nobody asks for it later
    assert len(set(told)) == len(told)
    assert 4 <= len(told) < 12
    assert 0 < (rows.given[:, 0, 4] == 0).float().mean() < 1


def test_a_long_piece_is_cut_where_bars_begin():
    one = chorale(0, bars=10)
    codec = MusicCodec.learn(Pieces((one,)), MusicCodec.Config(frames=70))
    encoded = codec.encode(Pieces((one,)))
    assert encoded.mask.any(2).sum(1).tolist() == [64, 64, 32]
    assert (encoded.given[:, 0, 0] == 1).all()


def test_sets_write_chords_down_or_up_and_come_back():
    pieces = chorales(3)
    for upwards in (False, True):
        codec = MusicCodec.learn(pieces, MusicCodec.Config(layout="sets", step=1, upwards=upwards))
        x = codec.encode(pieces).x
        assert (x[..., 1:] <= x[..., :-1]).all()
        again = codec.encode(codec.decode(x.long())).x
        assert torch.equal(again, x)


def test_words_become_plans():
    codec = MusicCodec.learn(chorales(4), MusicCodec.Config())
    plan = words.plans(codec.form, {"key": "F#m", "bars": 3, "meter": "4/4", "tempo": 72}, 1)[0]
    assert (plan.key, plan.frames, plan.meters, plan.tempo) == ((6, 1), 48, ((0, 4, 4),), 72.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key": "H"}, "keys are written like"),
        ({"bars": "many"}, "it should be a number"),
        ({"bars": 99}, "the longest section this model learnt holds 4 bars"),
        ({"meter": "4"}, "metres are written like"),
        ({"label": "bach"}, "without labels"),
        ({"keys": "D"}, "did you mean 'key'"),
        ({"density": "thin"}, "density is 'thin'"),
        ({"parallels": "some"}, "parallels is 'some'"),
        ({"range": "high"}, "it should be 'voices', or pitches"),
    ],
)
def test_a_wrong_word_gets_a_sentence(given, said):
    codec = MusicCodec.learn(chorales(4), MusicCodec.Config())
    with pytest.raises(ConfigError, match=said):
        codec.condition(given, 2)


def test_contradicting_rules_are_both_named():
    form = MusicCodec.learn(chorales(4), MusicCodec.Config()).form
    given = {"range": "61-61", "scale": "key", "key": "C"}
    with pytest.raises(ConfigError, match="range=61-61 and scale=key leave Soprano no pitch"):
        Rules.of(given).allow(form, words.plans(form, given, 1))


def two(upper, lower):
    rows = [(t * TICKS, TICKS, p, 80, v) for v, notes in enumerate((upper, lower)) for t, p in enumerate(notes)]
    return piece(rows, (Part("Upper"), Part("Lower")))


def test_parallels_crossings_and_leaps_are_found_where_they_are():
    fifths = leading.parallels(two([67, 69, 71], [60, 62, 60]))
    assert [(f.kind, f.tick) for f in fifths] == [("parallel fifths", TICKS)]
    assert [f.kind for f in leading.parallels(two([72, 74], [60, 62]))] == ["parallel octaves"]
    assert not leading.parallels(two([67, 60], [60, 65]))  # contrary motion
    assert not leading.parallels(two([67, 67], [60, 60]))  # no motion
    assert [f.tick for f in leading.crossings(two([67, 60], [60, 62]))] == [TICKS]
    assert [f.tick for f in leading.leaps(line([60, 73, 72]))] == [TICKS]
    assert leading.place(line([60] * 8), 5 * TICKS) == "bar 2, beat 2"


def test_what_training_pieces_never_do_is_a_rule_until_it_is_let_be():
    whole = chorales(40, 8)
    counts = habits.counted(whole)
    found = [fault.kind for one in whole for fault in leading.faults(one)]
    assert counts["crossing"] == found.count("crossing")
    assert counts["chords"] == sum(len(np.unique(one.notes[:, 0])) for one in whole)
    never = {**dict.fromkeys(habits.RULES, 0), "parallel fifths": 20, "chords": 1000, "chords of several": 1000}
    assert habits.avoided(never) == {"parallel octaves": 0.0, "crossing": 0.0, "leap": 0.0}
    assert not habits.avoided({**never, "chords": 100, "chords of several": 100})  # too few to know
    assert list(habits.avoided({**never, "chords of several": 0})) == ["leap"]  # one voice alone
    assert "parallel octaves (0 per 100 chords), " in habits.told(never)
    assert habits.told(never).endswith("--given parallels=yes, crossing=yes, leaps=yes lets it be")
    assert not habits.told({})
    rules = Rules.of({}, never)
    assert (rules.parallels, rules.crossing, rules.leaps) == ((0,), True, True)
    assert rules.any
    assert not rules.asked
    assert Rules.of({"parallels": "no"}, never).parallels == (0, 7)
    free = Rules.of(dict.fromkeys(LED, "yes"), never)
    assert not free.any
    assert Rules.of({}) == Rules()


@pytest.mark.parametrize("voice", [0, 1])
@pytest.mark.parametrize("upper", [67, 60])
def test_the_mask_of_parallels_is_what_is_counted_afterwards(voice, upper):
    """Two voices a fifth, an octave, a fourth, a unison apart; one has gone up: every note the other may go on with."""
    for lower in (upper - 7, upper - 12, upper - 5, upper):
        start, other = torch.tensor([[upper, lower]]), torch.tensor([(upper, lower)[1 - voice] + 2])
        at = SimpleNamespace(voice=voice, before=start)
        masked = masks.parallel(at, [(1 - voice, other)], (0, 7), 128)[0]
        for pitch in range(40, 90):
            ways = [[upper, pitch], [lower, int(other)]] if voice == 0 else [[upper, int(other)], [lower, pitch]]
            assert bool(masked[pitch]) == bool(leading.parallels(two(*ways)))


def test_rules_that_hold_unasked_are_in_the_certificate_and_in_the_notes():
    pieces = chorales(6)
    codec = MusicCodec.learn(pieces, MusicCodec.Config(transpose=False))
    assert codec.form.facts.faults == habits.counted(pieces)
    codec.form.facts.faults = {**dict.fromkeys(habits.RULES, 0), "chords": 9999, "chords of several": 9999}
    codec = MusicCodec.from_state(json.loads(json.dumps(codec.state())))
    torch.manual_seed(0)
    model = Chords(codec.space, codec.given_space, Chords.Config(width=8, hidden=8, layers=1)).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    found = {}
    for word in ("no", "unasked", "yes"):
        given = {"bars": 4} | ({} if word == "unasked" else dict.fromkeys(LED, word))
        x = model.sample(4, given=codec.condition(given, 4), **codec.limits(given, 4))
        found[word] = codec.decode(x, None, given)
    count = {word: sum(len(leading.parallels(one)) for one in made) for word, made in found.items()}
    assert count["no"] == count["unasked"] == 0 < count["yes"]
    text = [made[0].certificate["parallels"] for made in found.values()]
    assert text == [
        "holds",
        "unasked, as the training pieces have 0 parallel fifths and 0 parallel octaves per 100 chords: holds",
        "as they come: parallels=yes",
    ]


def test_statistics_against_hand_values():
    one = line([60, 62, 60, 62])
    assert features.pitch_class_entropy(one) == pytest.approx(1.0)
    assert features.scale_consistency(line([60, 62, 64, 61])) == pytest.approx(0.75)
    assert features.polyphony(two([67, 69], [60, 62])) == 2.0
    gap = piece([(0, TICKS, 60, 80, 0), (3 * TICKS, TICKS, 60, 80, 0)], ONE)
    assert features.empty_beat_rate(gap) == 0.2  # MusPy counts the beat in which a note ends
    assert features.groove_consistency(line([60] * 9)) == pytest.approx(1 - 3 / (2 * 96))
    shifted = piece([(0, 4 * TICKS, 60, 80, 0), (5 * TICKS, TICKS, 60, 80, 0)], ONE)  # one onset a bar, elsewhere
    assert features.groove_consistency(shifted) == pytest.approx(1 - 2 / 96)
    assert math.isnan(features.groove_consistency(line([60])))


def test_statistics_against_values_of_muspy():
    """Computed by MusPy 0.5.0 on the same notes at 24 ticks a quarter note."""
    rng = np.random.default_rng(4)
    columns = [rng.integers(*span, 40) for span in ((0, 600), (3, 60), (40, 80), (0, 3))]
    rows = [(int(t), int(n), int(p), 80, int(k)) for t, n, p, k in zip(*columns)]
    band = piece(rows, (Part("A"), Part("B"), Part("Kit", 0, True)), meters=((0, 3, 4),))
    far = piece([(0, 24, 60, 80, 0), (200, 10, 61, 80, 0)], ONE)
    names = ("pitch_class_entropy", "scale_consistency", "groove_consistency", "polyphony", "empty_beat_rate")
    for one, values in (
        (band, (3.069425, 0.769231, 0.880208, 1.666667, 0.037037)),
        (chorale(3), (2.155222, 1.0, 0.979167, 4.0, 0.0)),
        (chorale(5, 6, 2), (2.308640, 1.0, 0.982639, 4.0, 0.0)),
        (far, (1.0, 1.0, 0.989583, 1.0, 0.666667)),
    ):
        found = features.measures(one)
        assert [found[name] for name in names] == pytest.approx(values, abs=1e-6)


def test_bars_that_come_again_are_counted_in_any_key_and_by_rhythm():
    bar, other = [60, 64, 67, 64], [60, 62, 64, 65]
    found = features.measures(line([*bar, *other, *(p + 5 for p in bar), *(p + 1 for p in bar[:3]), 80]))
    assert found["bar_repetition"] == pytest.approx(1 / 3)
    assert found["rhythm_repetition"] == 1.0
    assert math.isnan(features.measures(line([60] * 4))["bar_repetition"])
    assert [bool(b) for b in features.bars(piece([(192, 24, 60, 80, 0)], ONE))] == [False, False, True]


def test_a_run_is_found_again_in_another_key():
    tune = [60, 62, 64, 65, 67, 69, 71, 72]
    mine, other = line(tune), line([p + 5 for p in tune])
    assert dict(checks.runs(mine, 8)).keys() == dict(checks.runs(other, 8)).keys()
    assert not dict(checks.runs(mine, 8)).keys() & dict(checks.runs(line(tune[::-1]), 8)).keys()


def test_events_come_back_with_instruments_drums_and_metre():
    pytest.importorskip("miditok", reason="events are made by miditok")
    rows = [(0, 24, 60, 79, 0), (24, 12, 64, 79, 0), (48, 48, 67, 79, 1), (0, 6, 38, 95, 2)]
    one = piece(rows, (Part("Flute", 73), Part("Bass", 33), Part("Kit", 0, True)), meters=((0, 7, 8),))
    codec = MusicCodec.learn(Pieces((one,)), MusicCodec.Config(layout="events", context=16, transpose=False))
    codec = MusicCodec.from_state(json.loads(json.dumps(codec.state())))
    stream = codec.encode(Pieces((one,))).x.long()
    again = codec.decode(stream[None])[0]
    assert again.meters == one.meters
    assert {(p.program, p.drums) for p in again.parts} == {(73, False), (33, False), (0, True)}
    assert sorted(again.notes[:, :3].tolist()) == sorted([list(r[:3]) for r in rows])


def test_bpe_makes_the_stream_shorter():
    pytest.importorskip("miditok", reason="events are made by miditok")
    lengths = []
    for vocab in (0, 700):
        codec = MusicCodec.learn(chorales(4), MusicCodec.Config(layout="events", vocab=vocab))
        lengths.append(len(codec.encode(chorales(4)).x))
        assert checks.same(codec.decode(codec.encode(chorales(1)).x.long()[None])[0], merged(chorale(0)))
    assert lengths[1] < 0.8 * lengths[0]


def merged(one):
    """All parts in one, as events have them where all play the same instrument."""
    notes = one.notes.copy()
    notes[:, 4] = 0
    return piece(notes, (Part("Piano"),))


@pytest.mark.parametrize("layout", ["melodies", "rolls"])
def test_passages_come_back_as_they_were(layout):
    codec = MusicCodec.learn(chorales(3), MusicCodec.Config(layout=layout, frames=32))
    codec = MusicCodec.from_state(json.loads(json.dumps(codec.state())))
    x = codec.encode(chorales(3)).x
    x = x if layout == "rolls" else x.long()
    assert len(x) == 6  # two passages of two bars in each piece of four
    assert codec.space.contains(x)
    assert torch.equal(codec.encode(codec.decode(x)).x.to(x.dtype), x)
    assert len(codec.encode_training(chorales(3)).x) == 72
