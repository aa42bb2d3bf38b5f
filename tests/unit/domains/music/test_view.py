"""A piece is shown in one way: score, sound of a bounded length, files, certificate; alike at each look."""

from __future__ import annotations

import base64
import io
import re
import wave
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("symusic", reason="MIDI is written by symusic: pip install 'conjure[music]'")
pytest.importorskip("verovio", reason="scores are engraved by verovio")
from conjure.domains.music import leading, sound, view
from conjure.domains.music.piece import Pieces
from tests.unit.domains.music.pieces import chorale, chorales


def sounds(page: str) -> list[float]:
    """The seconds of each player on a page."""
    found = []
    for data in re.findall(r'<audio[^>]* src="data:audio/wav;base64,([^"]*)"', page):
        with wave.open(io.BytesIO(base64.b64decode(data))) as file:
            found.append(file.getnframes() / file.getframerate())
    return found


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setattr(sound, "FONTS", ())
    monkeypatch.delenv("CONJURE_SOUNDFONT", raising=False)


def test_a_piece_has_score_sound_files_and_certificate():
    one = replace(chorale(3, bars=1), certificate={"end": "holds", "<b>": "does not hold"})
    page = view.to_html(one)
    assert page.count('class="note"') >= len(one.notes)
    assert sounds(page) == [pytest.approx(4 * 0.6 + sound.RELEASE, abs=0.01)]
    kinds = re.findall(r'download="piece\.(\w+)" href="data:([^;]+)', page)
    assert kinds == [
        ("mid", "audio/midi"),
        ("mxl", "application/vnd.recordare.musicxml"),
        ("svg", "image/svg+xml"),
    ]
    assert "<li>end: holds</li><li>&lt;b&gt;: does not hold</li>" in page
    assert page == view.to_html(one)
    assert page in one._repr_html_()


def test_a_sheet_holds_so_much_sound_and_no_more():
    long = chorale(1, bars=20)
    assert sounds(view.to_html(long)) == [pytest.approx(view.SECONDS + sound.RELEASE, abs=0.05)]
    page = view.to_html(chorales(14, bars=1))
    assert len(sounds(page)) == view.PLAYERS
    assert "2 more" in page
    assert view.to_html(Pieces(())) == ""


def test_ids_within_scores_do_not_clash_on_a_page():
    named = [set(re.findall(r' id="([^"]+)"', view.to_html(one))) for one in chorales(2, bars=1)]
    assert named[0]
    assert not named[0] & named[1]


def test_a_beginning_is_cut_at_its_second_under_changes_of_tempo():
    one = replace(chorale(1, bars=4), tempos=((0, 120.0), (96, 60.0)))  # 2 seconds, then a second a quarter note
    cut = sound.beginning(one, 4.0)
    assert cut.end == 96 + 48
    assert sound.beginning(one, 100.0) is one
    assert np.array_equal(cut.notes[cut.notes[:, 0] < 96, :3], one.notes[one.notes[:, 0] < 96, :3])


def test_a_rule_counts_joint_moves_so_that_standing_still_gains_nothing():
    from conjure.domains.music.grids import from_grid

    fifths = from_grid(np.array([[67, 60], [69, 62]] * 2), step=1)  # three moves of both, all of them parallel fifths
    apart = from_grid(np.array([[67, 60], [69, 59], [71, 57]]), step=1)
    still = from_grid(np.array([[67, 60]] * 4), step=1)
    one_moves = from_grid(np.array([[67, 60], [69, 60]]), step=1)
    assert [leading.joint(p) for p in (fifths, apart, still, one_moves)] == [3, 2, 0, 0]
    assert leading.reward([None] * 4, [fifths, apart, still, one_moves]) == [-100, 0, leading.STILL, leading.STILL]
    assert leading.rate(fifths) == pytest.approx(75)
