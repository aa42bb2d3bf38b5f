"""Scores from and to files: what is written reads back, and what is wrong is said in a sentence."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from conjure.core.errors import ConfigError, DataError
from conjure.domains.music import corpus, files
from conjure.domains.music.piece import TICKS, Part, piece
from tests.unit.domains.music.pieces import chorale, chorales

symusic = pytest.importorskip("symusic", reason="scores are read by symusic: pip install 'conjure[music]'")


@pytest.mark.parametrize("suffix", [".mid", ".abc", ".mxl", ".musicxml", ".krn"])
def test_what_is_written_reads_back_note_for_note(suffix, tmp_path):
    if suffix not in (".mid", ".abc"):
        pytest.importorskip("music21", reason="MusicXML is read by music21")
    one = chorale(3)
    again = corpus.read(corpus.write(one, tmp_path / f"a{suffix}"))[0][0]
    assert np.array_equal(again.notes[:, [0, 1, 2, 4]], one.notes[:, [0, 1, 2, 4]])
    assert again.meters == ((0, 4, 4),)
    assert [part.name for part in again.parts] == ["Soprano", "Alto", "Tenor", "Bass"]


ODD = [(t * 12, 12, 60 + t % 7, 80, 0) for t in range(28)] + [(336 + t * 24, 24, 64, 80, 0) for t in range(6)]


@pytest.mark.parametrize("suffix", [".mid", ".abc", ".mxl", ".musicxml", ".krn"])
def test_seven_eighths_and_a_change_of_metre_survive_every_format(suffix, tmp_path):
    if suffix not in (".mid", ".abc"):
        pytest.importorskip("music21", reason="MusicXML and humdrum are read by music21")
    one = piece(ODD, (Part("Voice"),), meters=((0, 7, 8), (336, 3, 4)))
    again = corpus.read(corpus.write(one, tmp_path / f"a{suffix}"))[0][0]
    assert again.meters == one.meters
    assert np.array_equal(again.notes[:, :3], one.notes[:, :3])


@pytest.mark.parametrize("suffix", [".abc", ".mxl", ".krn"])
def test_several_notes_of_a_part_at_once_survive_ties_and_all(suffix, tmp_path):
    pytest.importorskip("music21", reason="MusicXML and humdrum are read by music21")
    rows = [(0, 48, 60, 80, 0), (0, 96, 64, 80, 0), (48, 96, 62, 80, 0), (0, 192, 48, 80, 1), (150, 6, 73, 80, 0)]
    one = piece(rows, (Part("Flute", 73), Part("Cello", 42)))
    again = corpus.read(corpus.write(one, tmp_path / f"a{suffix}"))[0][0]
    assert np.array_equal(again.notes[:, [0, 1, 2, 4]], one.notes[:, [0, 1, 2, 4]])


def test_a_score_in_humdrum_by_another_hand_is_read(tmp_path):
    pytest.importorskip("music21", reason="humdrum is read by music21")
    lines = [
        "**kern\t**kern",
        '*I"Bass\t*I"Soprano',
        "*k[f#]\t*k[f#]",
        "*M3/4\t*M3/4",
        "=1-\t=1-",
        "2.GG\t4g",
        ".\t8a#",
    ]
    lines += [".\t8b-", ".\t[4dd", "=2\t=2", "4D 4F#\t2dd]", "2r\t.", ".\t4r", "==\t==", "*-\t*-"]
    (tmp_path / "a.krn").write_text("\n".join(lines) + "\n")
    one = corpus.read(tmp_path / "a.krn")[0][0]
    assert [part.name for part in one.parts] == ["Soprano", "Bass"]
    assert one.meters == ((0, 3, 4),)
    rows = [[0, 24, 67, 0], [0, 72, 43, 1], [24, 12, 70, 0], [36, 12, 70, 0], [48, 72, 74, 0]]
    assert one.notes[:, [0, 1, 2, 4]].tolist() == [*rows, [72, 24, 50, 1], [72, 24, 54, 1]]


def test_instruments_drums_tempo_and_changes_of_metre_survive_midi(tmp_path):
    rows = [(0, 24, 60, 80, 0), (84, 24, 62, 90, 0), (0, 6, 38, 100, 1)]
    parts = (Part("Flute", 73), Part("Kit", 0, True))
    one = piece(rows, parts, meters=((0, 7, 8), (84, 3, 4)), tempos=((0, 90.0), (84, 120.0)))
    again = corpus.read(corpus.write(one, tmp_path / "a.mid"))[0][0]
    assert again.meters == one.meters
    assert [round(t, 2) for _, t in again.tempos] == [90.0, 120.0]
    assert {(p.program, p.drums) for p in again.parts} == {(73, False), (0, True)}
    assert sorted(map(tuple, again.notes[:, :4].tolist())) == sorted(row[:4] for row in rows)


def test_a_tune_book_holds_many_pieces(tmp_path, capfd):
    tunes = "\n\n".join(f"X:{n}\nT:Tune {n}\nM:3/4\nL:1/4\nK:G\nG A B|c d e|\n" for n in (1, 2, 3))
    (tmp_path / "book.abc").write_text(tunes)
    found, _ = corpus.read(tmp_path / "book.abc")
    assert len(found) == 3
    assert found[0].meters == ((0, 3, 4),)
    assert found[0].notes[:, 2].tolist() == [67, 69, 71, 72, 74, 76]
    assert capfd.readouterr().out == ""


def test_an_upbeat_is_known_from_a_short_first_bar(tmp_path):
    pytest.importorskip("music21", reason="MusicXML is read by music21")
    one = piece([(0, 24, 67, 80, 0), (24, 96, 72, 80, 0)], (Part("Voice"),), meters=((-72, 4, 4),))
    again = corpus.read(corpus.write(one, tmp_path / "a.musicxml"))[0][0]
    assert again.meters == ((-72, 4, 4),)


def test_a_wrong_suffix_does_no_harm(tmp_path):
    corpus.write(chorale(1), tmp_path / "a.mid").rename(tmp_path / "a.abc")
    assert len(files.load(tmp_path / "a.abc")[0].notes) == len(chorale(1).notes)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.mid", b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\xff\xff", "not a readable score"),
        ("a.mid", b"nothing of the kind", "begins with none of that format's marks"),
        ("a.txt", b"nothing of the kind", "no score that can be read"),
        ("a.mxl", b"PK\3\4 broken", "not a readable score"),
        ("a.musicxml", b"<score-partwise><part", "not a readable score"),
        ("a.json", b'{"train": 3}', "no grid of voices"),
    ],
)
def test_a_broken_file_is_named_in_one_sentence(name, content, said, tmp_path):
    if name.startswith(("a.mx", "a.mus")):
        pytest.importorskip("music21", reason="MusicXML is read by music21")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        corpus.read(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_without_notes_says_so(tmp_path):
    corpus.write(piece(np.zeros((0, 5)), (Part("Empty"),)), tmp_path / "a.mid")
    with pytest.raises(DataError, match="holds no notes"):
        corpus.read(tmp_path / "a.mid")


def test_an_empty_folder_and_an_unknown_name_say_what_is_looked_for(tmp_path):
    with pytest.raises(DataError, match="holds no score: MIDI, MusicXML"):
        corpus.read(tmp_path)
    with pytest.raises(DataError, match="embedded: chorales, folk"):
        corpus.read(tmp_path / "nowhere")


def test_broken_files_of_a_folder_are_left_out_and_noted(tmp_path):
    corpus.write(chorales(3), tmp_path / "all")
    (tmp_path / "all" / "broken.mid").write_bytes(b"MThd broken")
    found, _ = corpus.read(tmp_path / "all")
    assert len(found) == 3
    assert "1 of 4 files left out" in found.notes[0]
    assert "broken.mid" in found.notes[0]


def test_folders_are_labels(tmp_path):
    for name in ("bach", "zelter"):
        corpus.write(chorales(2), tmp_path / name)
    found, _ = corpus.read(tmp_path)
    assert found.labels == ("bach", "zelter")
    kept, held = corpus.split(found, 0.5, 0)
    assert sorted(p.label for p in kept) == sorted(p.label for p in held) == ["bach", "zelter"]


@pytest.mark.parametrize("whole", [True, False])
def test_microtones_are_rounded_and_said_of_a_folder_and_of_a_file(whole, tmp_path):
    pytest.importorskip("music21", reason="MusicXML is read by music21")
    one = files.to_musicxml(chorale(0, 1), compressed=False).decode()
    at = one.index("<octave>")
    (tmp_path / "a.musicxml").write_text(one[:at] + "<alter>0.5</alter>" + one[at:])
    found, _ = corpus.read(tmp_path if whole else tmp_path / "a.musicxml")
    assert found.notes == ("1 piece: microtones are rounded to the nearest semitone",)


def test_bent_pitches_in_midi_are_said(tmp_path):
    score, track = symusic.Score(480), symusic.Track("Sax", 65, False)
    track.notes.append(symusic.Note(0, 480, 60, 80))
    track.pitch_bends.append(symusic.PitchBend(0, 2048))
    score.tracks.append(track)
    score.dump_midi(str(tmp_path / "a.mid"))
    found, _ = corpus.read(tmp_path / "a.mid")
    assert found.notes == ("1 piece: pitch bends are left out: notes are whole semitones",)


@pytest.mark.parametrize(("ticks", "late", "found"), [(24, 25, 25), (480, 489, 24), (480, 495, 25), (100, 99, 24)])
def test_a_note_of_no_length_keeps_one_tick_and_times_are_rounded(ticks, late, found, tmp_path):
    score = symusic.Score(ticks)
    for name in "ab":
        track = symusic.Track(name, 0, False)
        for time, length in ((0, 0), (late, ticks)):
            track.notes.append(symusic.Note(time, length, 60, 80))
        score.tracks.append(track)
    score.dump_midi(str(tmp_path / "a.mid"))
    notes = files.load(tmp_path / "a.mid")[0].notes
    assert notes[:, [0, 1, 4]].tolist() == [[0, 1, 0], [0, 1, 1], [found, 24, 0], [found, 24, 1]]


def hours(count):
    rows = [(t * TICKS, TICKS, 60 + t % 12, 80, 0) for t in range(count * 60 * 100)]
    return piece(rows, (Part("Long"),), name="long")


def test_three_hours_are_read_and_learnt_in_sections(tmp_path):
    from conjure.domains.music.codec import MusicCodec

    corpus.write(hours(3), tmp_path / "a.mid")
    found, _ = corpus.read(tmp_path / "a.mid")
    assert len(found[0].notes) == 18_000
    codec = MusicCodec.learn(found, MusicCodec.Config())
    assert codec.encode(found).x.shape == (113, 640, 1)  # 40 bars each


@pytest.mark.parametrize(
    ("suffix", "said"),
    [(".wav", "lasts 180 minutes; sound is written up to 60"), (".svg", "has 4500 bars; at most 1000")],
)
def test_three_hours_are_too_long_to_hear_or_to_engrave_and_it_is_said(suffix, said, tmp_path):
    if suffix == ".svg":
        pytest.importorskip("verovio", reason="scores are engraved by verovio")
    with pytest.raises(ConfigError, match=said):
        corpus.write(hours(3), tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 1000)
    corpus.write(hours(1), tmp_path / "a.mid")
    with pytest.raises(DataError, match="MB; scores of at most"):
        corpus.read(tmp_path / "a.mid")


def test_a_time_that_only_a_broken_file_has_is_refused(tmp_path):
    score, track = symusic.Score(1), symusic.Track("Far", 0, False)
    track.notes.append(symusic.Note(2_000_000, 1, 60, 80))
    score.tracks.append(track)
    score.dump_midi(str(tmp_path / "a.mid"))
    with pytest.raises(DataError, match="it is broken"):
        corpus.read(tmp_path / "a.mid")


@pytest.mark.parametrize("layout", ["voices", "sets", "melodies", "rolls"])
def test_percussion_alone_is_left_out_of_a_folder_and_refused_by_itself(layout):
    from conjure.domains.music.codec import MusicCodec
    from conjure.domains.music.piece import Pieces

    kit = piece([(t * 12, 6, 38, 90, 0) for t in range(64)], (Part("Kit", 0, True),), name="beat")
    config = MusicCodec.Config(layout=layout, frames=32)
    codec = MusicCodec.learn(Pieces((kit, *chorales(4))), config)
    assert codec.notes == ["1 of 5 pieces left out: percussion only"]
    assert len(codec.encode(Pieces((kit, *chorales(4)))).x) == len(codec.encode(chorales(4)).x)
    with pytest.raises(DataError, match="beat is percussion only, and voices need pitches: use --recipe events"):
        MusicCodec.learn(Pieces((kit,) * 3), config)


def test_an_unknown_suffix_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ConfigError, match="music is written as"):
        corpus.write(chorale(0), tmp_path / "a.ogg")
    assert not list(tmp_path.iterdir())


def test_mxl_is_a_zip_with_a_container(tmp_path):
    with zipfile.ZipFile(corpus.write(chorale(0), tmp_path / "a.mxl")) as file:
        assert file.namelist() == ["META-INF/container.xml", "score.musicxml"]


def test_sound_is_as_long_as_the_piece_and_in_tune(tmp_path, monkeypatch):
    import io
    import wave

    from conjure.domains.music import sound

    monkeypatch.setattr(sound, "FONTS", ())
    monkeypatch.delenv("CONJURE_SOUNDFONT", raising=False)
    one = piece([(0, 4 * TICKS, 69, 100, 0)], (Part("A"),), tempos=((0, 120.0),))
    with wave.open(io.BytesIO(sound.to_wav(one))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert file.getframerate() == 44_100
    assert len(samples) / 44_100 == pytest.approx(2.0 + sound.RELEASE, abs=0.01)
    heard = np.abs(np.fft.rfft(samples[:44_100]))
    assert int(heard.argmax()) == pytest.approx(440, abs=2)


def test_the_engraved_score_is_an_svg(tmp_path):
    pytest.importorskip("verovio", reason="scores are engraved by verovio")
    text = corpus.write(chorale(0), tmp_path / "a.svg").read_text("utf-8")
    assert text.count('class="note"') >= len(chorale(0).notes)


def test_a_page_shows_the_score_or_without_verovio_a_roll(monkeypatch):
    from conjure.domains.music import view

    def missing(one):
        raise ConfigError("an engraved score needs verovio")

    monkeypatch.setattr(view, "to_svg", missing)
    assert view.to_html(chorale(0)).count("<rect") == len(chorale(0).notes)
    assert "4 bars of 4/4 in C" in view.to_text(chorales(1))
