"""Chord symbols: parsed, spelt, written out as notes and heard in notes again; lead sheets in files."""

from __future__ import annotations

import numpy as np
import pytest

from conjure.core.errors import ConfigError
from conjure.domains.music import corpus, harmony
from conjure.domains.music.codec import MusicCodec
from conjure.domains.music.harmony import Symbol, parse, spell
from conjure.domains.music.piece import Part, Piece, Pieces, piece
from tests.unit.domains.music.pieces import chorale

pytest.importorskip("symusic", reason="scores are read by symusic: pip install 'conjure[music]'")


def lead(seed: int, bars: int = 4, tonic: int = 0) -> Piece:
    """A melody with the chords of its chorale."""
    whole = chorale(seed, bars, tonic)
    symbols = harmony.heard_in(whole, "half")
    return Piece(whole.voice(0), (Part("Melody"),), symbols=symbols, name=f"lead {seed}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Am", (9, "m", 9)), ("F#m7b5", (6, "m7b5", 6)), ("Bb/D", (10, "", 2)), ("Dmaj7", (2, "maj7", 2)),
        ("G+", (7, "aug", 7)), ("C-7", (0, "m7", 0)), ("E7alt", (4, "7", 4)), ("Gsus", (7, "sus4", 7)),
        ("B♭m", (10, "m", 10)), ("N.C.", None), ("slowly", None), ("Allegro", None), ("D.C.", None), ("Fine", None),
        ("Coda", None), ("Cm(maj7)", (0, "m", 0)),
    ],
)  # fmt: skip
def test_a_symbol_is_read_and_a_remark_is_not(text, found):
    symbol = parse(text)
    assert (symbol and (symbol.root, symbol.kind, symbol.bass)) == found


def test_symbols_are_spelt_as_in_the_key():
    assert spell(Symbol(0, 10, "7", 2), (5, 0)) == "Bb7/D"
    assert spell(Symbol(0, 10, "", 10), (4, 0)) == "A#"
    assert [spell(Symbol(0, pc, "", pc)) for pc in (3, 6, 10)] == ["Eb", "F#", "Bb"]


def test_every_chord_is_heard_in_its_own_block_chord():
    for kind in harmony.KINDS:
        for root in range(12):
            symbol = Symbol(0, root, kind, root)
            one = Piece(np.array([[0, 96, 72, 80, 0]], np.int32), (Part("M"),), symbols=(symbol,))
            again = harmony.collected(harmony.realised(one, apart=True))
            assert again.symbols == (symbol,)
            assert len(again.parts) == 1


def test_chords_move_with_the_notes():
    one = lead(1).transposed(3)
    assert [s.root for s in one.symbols] == [(s.root + 3) % 12 for s in lead(1).symbols]


def test_chords_are_heard_where_they_change():
    rows = [(0, 96, p, 80, v) for v, p in enumerate((64, 60, 55, 48))]
    rows += [(96, 48, p, 80, v) for v, p in enumerate((65, 62, 57, 50))]
    rows += [(144, 48, p, 80, v) for v, p in enumerate((65, 62, 59, 43))]
    found = harmony.heard_in(piece(rows, tuple(map(Part, "SATB"))))
    assert [(s.tick, spell(s)) for s in found] == [(0, "C"), (96, "Dm"), (144, "G7")]
    assert [(s.tick, spell(s)) for s in harmony.heard_in(piece(rows[:4], tuple(map(Part, "SATB"))), "beat")] == [
        (0, "C")
    ]


def test_the_share_of_the_melody_on_its_chords():
    notes = np.array([[0, 24, 60, 80, 0], [24, 24, 61, 80, 0], [48, 48, 67, 80, 0]], np.int32)
    one = Piece(notes, (Part("M"),), symbols=(Symbol(0, 0, "", 0), Symbol(72, 2, "m", 2)))
    assert harmony.agreement(one) == pytest.approx(48 / 96)


@pytest.mark.parametrize("suffix", [".abc", ".musicxml", ".mxl"])
def test_a_lead_sheet_reads_back_with_its_symbols(suffix, tmp_path):
    if suffix != ".abc":
        pytest.importorskip("music21", reason="MusicXML is read by music21")
    one = lead(3, tonic=2)
    again = corpus.read(corpus.write(one, tmp_path / f"a{suffix}"))[0][0]
    assert again.symbols == one.symbols
    assert np.array_equal(again.notes[:, :3], one.notes[:, :3])


def test_in_midi_the_symbols_are_block_chords(tmp_path):
    one = lead(3)
    again = corpus.read(corpus.write(one, tmp_path / "a.mid"))[0][0]
    assert [part.name for part in again.parts] == ["Melody", "Chords"]
    first = again.notes[(again.notes[:, 4] == 1) & (again.notes[:, 0] == 0)]
    assert sorted({int(p) % 12 for p in first[:, 2]}) == sorted(set(harmony.tones(one.symbols[0])))


def test_the_engraved_lead_sheet_shows_its_symbols(tmp_path):
    pytest.importorskip("verovio", reason="scores are engraved by verovio")
    text = corpus.write(lead(3), tmp_path / "a.svg").read_text("utf-8")
    assert text.count('class="harm"') == len(lead(3).symbols)


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ('K:Dm\nM:6/8\nA|"Dm"d2f "A7"e>fg|"Gm"(3Bcd g3 |1 "C/E"[ce]3- [ce]2A:|2 "F"f6|]',
         "12 Dm 48 A7 84 Gm 144 C/E 228 Dm 264 A7 300 Gm 360 F"),
        ('K:G\n|:"G"G2B2|"C"c4:|\n|:"D"d4|[1"G"g4:|[2"Em"e4||', "0 G 96 C 192 G 288 C 384 D 480 G 576 D 672 Em"),
        ('K:G\n"G"G2B2|"C"c4:|"D"d4|"G"g4::"C"c4|"Am"z2"D"A2:|',
         "0 G 96 C 192 G 288 C 384 D 480 G 576 D 672 G 768 C 864 Am 912 D 960 C 1056 Am 1104 D"),
    ],
)  # fmt: skip
def test_symbols_in_abc_stand_where_they_are_played(tune, said, tmp_path):
    unit = "1/8" if "6/8" in tune else "1/4"
    (tmp_path / "a.abc").write_text(f"X:1\nT:a\nL:{unit}\n{tune}\n")
    one = corpus.read(tmp_path / "a.abc")[0][0]
    assert " ".join(f"{s.tick} {spell(s)}" for s in one.symbols) == said
    assert len(one.parts) == 1  # no accompaniment of the parser's own


def test_symbols_that_cannot_be_placed_are_left_out_and_said(tmp_path):
    (tmp_path / "a.abc").write_text('X:1\nT:a\nL:1/4\nK:C\n[V:1]"C"CDEF|\n[V:2]"G"G4|\n')
    found, _ = corpus.read(tmp_path / "a.abc")
    assert not found[0].symbols
    assert "chord symbols are left out" in found.notes[0]


def test_of_a_lead_sheet_of_several_voices_the_first_has_the_symbols(tmp_path):
    one = Piece(chorale(1).notes, chorale(1).parts, symbols=lead(1).symbols)
    again = corpus.read(corpus.write(one, tmp_path / "a.abc"))[0][0]
    assert again.symbols == one.symbols
    assert np.array_equal(again.notes[:, [0, 1, 2, 4]], one.notes[:, [0, 1, 2, 4]])


def test_lead_sheets_are_learnt_as_a_melody_with_four_voices_of_chords_and_come_back():
    pieces = Pieces(tuple(lead(seed, 8) for seed in range(4)))
    codec = MusicCodec.learn(pieces, MusicCodec.Config())
    assert [name for name, _ in codec.form.facts.parts] == ["Melody", *harmony.VOICES]
    plans = codec.decode(codec.encode(pieces).x.long(), None, {"bars": 8})
    for made, one in zip(plans, pieces):
        assert [part.name for part in made.parts] == ["Melody"]
        assert np.array_equal(made.notes[:, :3], one.notes[:, :3])
        assert [(s.tick, s.root) for s in made.symbols] == [(s.tick, s.root) for s in one.symbols]


def test_a_melody_is_given_chords(tmp_path):
    from conjure import composing, fit

    small = ["training.steps=40", "model.width=24", "model.hidden=32", "model.layers=1", "training.threads=1"]
    chorales = [chorale(seed, 4) for seed in range(8)]
    for pieces in (chorales, [lead(seed) for seed in range(8)]):
        made = fit("music", pieces, settings=small)
        melody = Piece(chorale(50).voice(0), (Part("Tune"),))
        for every, step in (("half", 48), ("bar", 96)):
            sheet = composing.lead_sheet(made.artifact, melody, every, {"end": "tonic"})
            assert np.array_equal(sheet.notes[:, :3], melody.notes[:, :3])
            assert sheet.symbols
            assert not [s for s in sheet.symbols if s.tick % step]
            assert "symbols" in sheet.certificate["chords"]
            assert sheet.certificate["end"].startswith(("holds", "does not hold: the last chord is"))
        with pytest.raises(ConfigError, match="parallels is said of voices"):
            composing.lead_sheet(made.artifact, melody, "half", {"parallels": "no"})
