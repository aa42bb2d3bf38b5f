"""Whole reports: what every judge says, and that the page stands alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from conjure.core.errors import DataError
from conjure.metrics import pictorial, tabular, textual
from conjure.metrics.figure import Report
from conjure.metrics.judged import Judged
from tests.unit.metrics.tables import KINDS, table

LINE = "the quick brown fox jumps over the lazy dog and then sits down to think about it\n"


def judge_table(**changes: object) -> Report:
    parts = {
        "held_out": table(150, 0),
        "synthetic": table(200, 1, 0.2),
        "train": table(300, 2),
        "baseline": table(200, 3, 1.0),
        "facts": {"kinds": KINDS},
        "target": "won",
    }
    return tabular.judge(Judged(**parts | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def report() -> Report:
    return judge_table(scores=np.linspace(-5, -3, 150), score_kind="exact")


def test_every_figure_of_a_table_has_an_interval_a_baseline_and_a_ceiling(report: Report):
    names = [figure.name for figure in report.figures]
    wanted = ["detection AUC (XGBoost)", "utility AUC", "column shapes", "column pair trends", "alpha-precision"]
    wanted += ["beta-recall", "exact copies", "near copies", "log-probability (nats)"]
    assert set(wanted) <= set(names)
    for figure in report.figures:
        assert figure.low <= figure.ours <= figure.high, figure.name  # type: ignore[operator]
        if figure.name != "log-probability (nats)":
            assert figure.baseline is not None, figure.name
            assert figure.ceiling is not None, figure.name
    assert report["column shapes"].saturated
    assert report["detection AUC (logistic)"].saturated
    assert "0.5 = it cannot" in report.summary[0]


def test_the_page_needs_nothing_else(report: Report, tmp_path: Path):
    page, numbers = report.write(tmp_path / "report.html")
    html = re.sub(r"base64,[^\"]+", "", page.read_text("utf-8"))
    assert not re.search(r"https?://|<script|@import|src=\"(?!data:)", html)
    assert "viewport" in html
    assert "prefers-color-scheme: dark" in html
    found = json.loads(numbers.read_text("utf-8"))
    assert found["figures"][0]["name"] == "detection AUC (XGBoost)"
    assert all(f"{figure['ours']:.3f}" in html for figure in found["figures"])
    with pytest.raises(DataError, match=r"\.html"):
        report.write(tmp_path / "report.pdf")


def test_the_same_seed_gives_the_same_report(report: Report):
    again = judge_table(scores=np.linspace(-5, -3, 150), score_kind="exact")
    assert again.to_json() == report.to_json()
    assert again.to_html() == report.to_html()


def test_without_training_data_the_report_says_what_is_missing():
    found = judge_table(train=None)
    assert any("Not measured: copies" in note for note in found.notes)
    assert "exact copies" not in [figure.name for figure in found.figures]
    assert found["utility AUC"].ceiling is None


def test_mistakes_are_named():
    with pytest.raises(DataError, match="no column 'team'"):
        judge_table(synthetic=table(200, 1).drop(columns="team"))
    with pytest.raises(DataError, match="held-out table has 5 rows"):
        judge_table(held_out=table(5, 0))


def test_values_are_escaped_on_the_page():
    frame = table(150, 0)
    frame = frame.rename(columns={"team": "<script>alert(1)</script>"})
    parts = {"held_out": frame, "synthetic": frame, "train": None, "baseline": None, "facts": {}}
    assert "<script>" not in judge_table(**parts).to_html()


def test_text_is_judged_with_and_without_training():
    rng = np.random.default_rng(0)
    train = [LINE * 30]
    fresh = [" ".join(f"w{k}" for k in rng.integers(500, size=200)) for _ in range(3)]
    parts = {"held_out": fresh, "synthetic": [LINE * 2, fresh[0]], "scores": np.full(10, -70.0)}
    found = textual.judge(Judged(**parts, train=train))  # type: ignore[arg-type]
    assert found["bits per byte"].ceiling is None
    assert found["copied text"].ours == pytest.approx(0.5, abs=0.26)
    assert found["copied text"].ceiling == 0.0
    assert found["longest copy"].ours == len(LINE * 2)
    alone = textual.judge(Judged(**parts))  # type: ignore[arg-type]
    assert any("Not measured" in note for note in alone.notes)


def test_images_are_judged_on_named_features():
    """Blobs: made ones of the same kind come near the ceiling, pixels drawn one by one do not."""
    rng = np.random.default_rng(0)

    def blobs(n: int) -> np.ndarray:
        at = rng.integers(1, 7, (n, 2))
        y, x = np.mgrid[:8, :8]
        far = (y - at[:, :1, None]) ** 2 + (x - at[:, 1:, None]) ** 2
        return (200 * np.exp(-far / 4) + rng.integers(0, 20, far.shape)).astype(np.uint8)[..., None]

    found = pictorial.judge(Judged(held_out=blobs(200), synthetic=blobs(200), train=blobs(300)))
    distance = found["FD(pca64)"]
    assert distance.ceiling < distance.baseline / 3  # type: ignore[operator]
    assert distance.ours < distance.baseline / 3  # type: ignore[operator]
    assert found["coverage"].ours > 0.8 > found["coverage"].baseline  # type: ignore[operator]
    assert found.plots[0].image.startswith("data:image/png;base64,")
    with pytest.raises(DataError, match="too few"):
        pictorial.judge(Judged(held_out=blobs(5), synthetic=blobs(5)))
