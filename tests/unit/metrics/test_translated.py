"""The judge of translations: best for the references, worse for noise, baselines that mean what they say."""

from __future__ import annotations

import pytest

from conjure.metrics.judged import Judged
from conjure.metrics.translated import judge, most_repeated, nearest_targets, overlaps

HELD_OUT = [
    ("ein Hund läuft im Garten", "a dog runs in the garden"),
    ("zwei Katzen schlafen auf dem Sofa", "two cats sleep on the sofa"),
    ("eine Frau liest ein altes Buch", "a woman reads an old book"),
]
TRAIN = [("ein Hund läuft", "a dog runs"), ("zwei Katzen", "two cats"), ("eine Frau liest", "a woman reads")]


def test_references_score_a_hundred_and_noise_less():
    texts = [target for _, target in HELD_OUT]
    perfect = overlaps(texts, texts)
    worse = overlaps([" ".join(reversed(t.split())) for t in texts], texts)
    assert perfect["BLEU"][0].value == pytest.approx(100)
    assert perfect["chrF"][0].value == pytest.approx(100)
    assert worse["BLEU"][0].value < 50
    assert worse["chrF"][0].value < 90
    assert "tok:13a" in perfect["BLEU"][1]


def test_the_nearest_source_gives_its_target():
    assert nearest_targets(TRAIN, [s for s, _ in HELD_OUT]) == [t for _, t in TRAIN]


def test_runs_of_four_words_are_counted():
    assert most_repeated("a b c") == 0
    assert most_repeated("a b c d e") == 1
    assert most_repeated("a b c d a b c d a b c d") == 3


def test_a_report_has_both_baselines_and_says_how_it_counted():
    made = [(s, t) for s, t in HELD_OUT[:2]] + [("", "a a a a a a a")]
    report = judge(Judged(held_out=HELD_OUT, synthetic=made, train=TRAIN))
    assert report["BLEU"].ours > report["BLEU"].baseline
    assert report["chrF"].ours > report["chrF"].baseline > 10
    assert report["texts in circles"].ours == pytest.approx(1 / 3)
    assert report["doubled words"].ours > report["doubled words"].ceiling == 0
    assert report.tables[0].rows[0][0] == "made"
    assert len(report.tables[0].rows) == 3
    assert any("tok:13a" in note for note in report.notes)
