"""Clips from end to end: a flow of whole ones, and one through an autoencoder of their frames."""

from __future__ import annotations

import numpy as np
import pytest

import conjure
from conjure.domains.video import corpus
from conjure.domains.video.clips import clips

TINY = ["training.threads=1", "training.batch=8", "training.validate_every=4", "training.steps=4", "model.width=16"]


@pytest.fixture(scope="module")
def dots():
    rng = np.random.default_rng(0)
    start, row = rng.integers(0, 12, (2, 60))
    frames = np.zeros((60, 3, 12, 12), np.uint8)
    for t in range(3):
        frames[np.arange(60), t, row, (start + t) % 12] = 255
    return clips(frames, np.where(row < 6, "up", "down"))


def test_whole_clips(dots, tmp_path):
    settings = [*TINY, "model.channels=4", "model.evaluations=2", "held_out=0.3"]
    made = conjure.fit("video", dots, tmp_path / "made", settings=settings)
    one, other = made.sample(3, seed=1), conjure.load(tmp_path / "made").sample(3, seed=1)
    assert np.array_equal(one.array(), other.array())
    assert made.sample(2, given={"label": "up"}).labels.tolist() == ["up", "up"]
    written = corpus.write(one, tmp_path / "some.gif")
    assert written.exists()
    assert len(list((tmp_path / "some").rglob("*.gif"))) == 3
    report = made.evaluate(dots, train=dots, n=20)
    assert report["motion gap"].ours >= 0


def test_frames_and_their_order_apart(dots, tmp_path):
    first = [*TINY, "model.latent=4", "model.channels=4"]
    conjure.fit("video", dots, tmp_path / "frames", recipe="frames", settings=first)
    second = [*TINY, "model.layers=1", "model.evaluations=2"]
    made = conjure.fit("video", dots, tmp_path / "made", recipe="latent", through=tmp_path / "frames", settings=second)
    assert made.artifact.codec.space.shape == (3, 4)
    drawn = conjure.load(tmp_path / "made").sample(4, given={"label": "down"})
    assert drawn.array().shape == (4, 3, 12, 12, 1)
    assert drawn.labels.tolist() == ["down"] * 4
