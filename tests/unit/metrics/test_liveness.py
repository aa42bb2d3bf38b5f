"""The bench for detectors: figures counted by hand, species left out, scores that cannot be judged."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from conjure import presenting
from conjure.core.errors import DataError

SCORES = pd.DataFrame(
    {
        "score": [0.9, 0.8, 0.7, 0.2, 0.6, 0.1, 0.3, 0.1],
        "species": ["bona fide"] * 3 + ["Bona_Fide"] + ["print"] * 2 + ["mask"] * 2,
    }
)


def test_figures_at_a_threshold_and_where_errors_are_equal():
    report = presenting.bench(SCORES, threshold=0.5)
    assert report["APCER, print"].ours == 0.5
    assert report["APCER, mask"].ours == 0.0
    assert report["BPCER"].ours == 0.25
    assert report["ACER"].ours == pytest.approx(0.375)
    assert report["D-EER"].ours == pytest.approx(0.125)
    assert report["D-EER"].low <= 0.125 <= report["D-EER"].high
    assert "print" in report.summary[0]
    assert presenting.bench(SCORES)["BPCER"].ours == 0.25


def test_a_species_is_left_out_of_the_threshold_or_of_the_detector():
    alone = presenting.bench(SCORES)
    assert alone["APCER, print left out"].ours == 0.0  # masks alone set the threshold at 0.7: 0.6 stays out
    lacking = pd.concat(
        [
            SCORES.assign(left_out=""),
            pd.DataFrame({"score": [0.9, 0.1, 0.8, 0.95], "species": ["bona fide", "mask", "print", "print"]}).assign(
                left_out="print"
            ),
        ]
    )
    report = presenting.bench(lacking)
    assert report["APCER, print left out"].ours == 0.5
    assert "never saw" in report["APCER, print left out"].meaning


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (SCORES.rename(columns={"species": "kind"}), "no column 'species'"),
        (SCORES.assign(score="high"), "holds words"),
        (SCORES.assign(left_out="print"), "saw all"),
        (SCORES.iloc[4:], "no BPCER"),
    ],
)
def test_scores_that_cannot_be_judged(table, says):
    with pytest.raises(DataError, match=says):
        presenting.bench(table.reset_index(drop=True))


def test_a_report_warns_of_few_presentations(tmp_path):
    report = presenting.bench(SCORES)
    assert any("hardly known" in note for note in report.notes)
    page, numbers = report.write(tmp_path / "bench.html")
    assert "The trade-off" in page.read_text()
    assert np.isfinite([f["ours"] for f in json.loads(numbers.read_text())["figures"]]).all()
