"""The judge of clips: statistics by hand, and an order among real, disordered and still ones."""

from __future__ import annotations

import numpy as np
import pytest

from conjure.core.errors import DataError
from conjure.metrics import moving
from conjure.metrics.judged import Judged


def dots(n, seed, speed=1):
    """A bright dot that crosses a field that closes upon itself, uint8 (N, 6, 8, 8, 1)."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(0, 8, (2, n))
    out = np.zeros((n, 6, 8, 8, 1), np.uint8)
    for t in range(6):
        out[np.arange(n), t, rows, (columns + speed * t) % 8] = 255
    return out


def test_motion_and_jolts_by_hand():
    clip = np.zeros((1, 3, 1, 4, 1), np.uint8)
    clip[0, [0, 1, 2], 0, [0, 1, 2]] = 255  # two pixels of four change at each step
    assert moving.motion(clip)[0] == pytest.approx(0.5)
    assert moving.jolts(clip)[0] == pytest.approx((1 + 2 + 1) / 4 / 0.5)  # changes -1 +1 0 0, then 0 -1 +1 0
    still = np.zeros((2, 3, 2, 2, 1), np.uint8)
    assert moving.jolts(still).tolist() == [0, 0]


def test_real_clips_are_best_and_frames_in_no_order_worse():
    report = moving.judge(Judged(held_out=dots(600, 0), synthetic=dots(600, 1), train=dots(700, 2)))
    motion = next(f for f in report.figures if f.name.startswith("FD(motion"))
    assert motion.ours < 0.5 * motion.baseline
    assert motion.ceiling < 0.5 * motion.baseline
    assert report["motion gap"].ours < 0.05
    assert report["FD(frames, pca64)"].saturated
    table = report.tables[0]
    assert [row[0] for row in table.rows] == ["ours", "shuffled frames", "still", "real"]
    gap = table.header.index("motion gap")
    assert table.rows[2][gap] == 1
    assert "<img" in report.to_html()


def test_a_wrong_speed_is_seen():
    right = moving.judge(Judged(held_out=dots(600, 0), synthetic=dots(600, 1), train=dots(700, 2)))
    wrong = moving.judge(Judged(held_out=dots(600, 0), synthetic=dots(600, 1, speed=3), train=dots(700, 2)))
    name = next(f.name for f in right.figures if f.name.startswith("FD(motion"))
    assert wrong[name].ours > 3 * right[name].ours


def test_too_few_are_refused():
    with pytest.raises(DataError, match="5 clips on a side"):
        moving.judge(Judged(held_out=dots(600, 0), synthetic=dots(5, 1)))
