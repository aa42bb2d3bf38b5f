"""Clips: read, cut to one shape, written again, and what is said of those that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from conjure.core.errors import ConfigError, DataError
from conjure.domains.video import checks, corpus, files, view
from conjure.domains.video.clips import Clips, clips
from conjure.domains.video.codec import VideoCodec


def made(n=6, frames=5, side=12, channels=1, labels=None):
    rng = np.random.default_rng(n)
    return clips(rng.integers(0, 256, (n, frames, side, side + 2, channels), dtype=np.uint8), labels)


def learnt(objects, **settings):
    return VideoCodec.learn(objects, VideoCodec.Config(**settings))


@pytest.mark.parametrize("encoding", ["clips", "frames"])
@pytest.mark.parametrize("channels", [1, 3])
def test_clips_survive_the_codec(encoding, channels):
    objects = made(channels=channels)
    codec = learnt(objects, encoding=encoding)
    x = codec.encode(objects).x
    assert codec.space.contains(x)
    assert x.shape[0] == (6 if encoding == "clips" else 30)
    again = VideoCodec.from_state(codec.state()).decode(x)
    assert all(checks.same(a, b) for a, b in zip(objects, again, strict=True))


def test_labels_become_the_condition():
    codec = learnt(made(labels=["a", "b", "a", "a", "b", "a"]))
    assert codec.encode(made(labels=["a", "b", "a", "a", "b", "a"])).given.flatten().tolist() == [0, 1, 0, 0, 1, 0]
    assert codec.condition({"label": "b"}, 2).tolist() == [[1], [1]]
    assert codec.condition({}, 6).sum() == 2
    with pytest.raises(ConfigError, match="no class is called 'c'"):
        codec.condition({"label": "c"}, 1)
    with pytest.raises(DataError, match="clip 1 is of class 'z', never seen"):
        codec.encode(made(1, labels=["z"]))


def test_longer_clips_keep_their_middle_and_larger_ones_their_middle_square():
    long, short = np.zeros((9, 20, 12, 1), np.uint8), np.zeros((4, 12, 12, 1), np.uint8)
    long[:] = np.arange(9).reshape(9, 1, 1, 1)
    both = Clips([long, short])
    x = learnt(both, frames=4, size=6).encode(both).x
    assert x.shape == (2, 4, 1, 6, 6)
    assert ((x[0, :, 0, 0, 0] + 1) * 127.5).round().tolist() == [2, 3, 4, 5]
    thinned = learnt(Clips([long]), step=2).encode(Clips([long])).x
    assert ((thinned[0, :, 0, 0, 0] + 1) * 127.5).round().tolist() == [0, 2, 4, 6, 8]


def test_what_does_not_fit_is_named():
    odd = Clips([*made(2), *made(1, frames=7)], names=("a.gif", "b.gif", "c.gif"))
    with pytest.raises(DataError, match=r"c.gif is 7 frames of 14 x 12 grey where a.gif is 5 frames"):
        learnt(odd)
    with pytest.raises(DataError, match=r"c.gif is 5 frames of 10 x 8 grey where a.gif .* codec.size=32"):
        learnt(Clips([*made(2), *made(1, side=8)], names=("a.gif", "b.gif", "c.gif")))
    with pytest.raises(DataError, match="the model's clips have 6 frames"):
        learnt(made(frames=6), frames=6).encode(made(frames=5))
    with pytest.raises(DataError, match="clips have 1 frames"):
        learnt(made(frames=1))
    with pytest.raises(DataError, match="knows grey clips only"):
        learnt(made()).encode(made(channels=3))
    codec = learnt(made(), encoding="frames")
    with pytest.raises(DataError, match="7 single frames make no whole clips of 5"):
        codec.decode(codec.encode(made()).x[:7])
    with pytest.raises(ConfigError, match=r"codec.frames is 1"):
        VideoCodec.Config(frames=1)


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_folders_come_back_with_their_classes(tmp_path, suffix):
    objects, _ = corpus.read("bouncing")
    few = objects.take(np.array([0, 1, 2, 10, 11, 12]))
    for row, clip in enumerate(few):
        place = tmp_path / "data" / f"digit {few.labels[row]}"
        place.mkdir(parents=True, exist_ok=True)
        files.save(clip, place / f"{row}{suffix}", 10)
    (tmp_path / "data" / "digit 0" / f"cut{suffix}").write_bytes(b"GIF89a\x00\x10")
    again, source = corpus.read(tmp_path / "data")
    assert source.rows == len(again) == 6
    assert again.classes == ("digit 0", "digit 1", "digit 2")
    assert "1 broken clip left out" in again.notes[0]
    assert f"cut{suffix}" in again.notes[0]
    assert again.rate == pytest.approx(10)
    gaps = [
        np.abs(a.astype(int) - b).mean() for a, b in zip(again, few.take(np.array([0, 3, 1, 4, 2, 5])), strict=True)
    ]
    assert max(gaps) <= (0 if suffix == ".gif" else 4)


def test_frames_of_a_gif_that_stand_longer_count_as_often(tmp_path):
    steps = [0, 0, 50, 100, 100, 100, 150]
    clip = np.array(steps, np.uint8).reshape(-1, 1, 1, 1) + np.zeros((1, 6, 6, 1), np.uint8)
    files.save(clip, tmp_path / "a.gif", 10)
    assert files.load(tmp_path / "a.gif")[0][:, 0, 0, 0].tolist() == steps


@pytest.mark.parametrize("name", ["one.npy", "one.npz", "one.gif", "one.mp4", "one"])
def test_what_is_written_is_read(tmp_path, name):
    objects = made(4, side=16)
    written = corpus.write(objects, tmp_path / name)
    assert written.exists()
    read, _ = corpus.read(tmp_path / "one" if name.endswith(("gif", "mp4")) else written)
    assert len(read) == 4
    if not name.endswith("mp4"):
        assert all(checks.same(a, b) for a, b in zip(read, objects, strict=True))
    if name.endswith("gif"):
        assert files.load(written)[0].shape[:1] == (5,)


def test_wrong_places_and_files_are_said(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="clips are written as a folder"):
        corpus.write(made(), tmp_path / "x.avi")
    with pytest.raises(DataError, match="embedded: bouncing"):
        corpus.read("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no GIF or MP4 file"):
        corpus.read(tmp_path / "empty")
    (tmp_path / "empty" / "a.gif").write_text("no")
    with pytest.raises(DataError, match=r"none of the 1 clips .* can be read"):
        corpus.read(tmp_path / "empty")
    with pytest.raises(DataError, match=r"clip 2, has values from 0 to 300"):
        corpus.read(np.stack([np.zeros((3, 4, 4), int), np.linspace(0, 300, 48).astype(int).reshape(3, 4, 4)]))
    with pytest.raises(DataError, match=r"has shape \(3, 4, 4\); clips are"):
        corpus.read(np.zeros((3, 4, 4)))
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    (tmp_path / "empty" / "b.mp4").write_text("no")
    with pytest.raises(DataError, match=r"pip install 'conjure\[video\]'"):
        corpus.read(tmp_path / "empty")


def test_the_embedded_digits_move_as_they_should():
    objects, source = corpus.read("bouncing")
    assert source.licence == "CC-BY-4.0"
    clips_ = objects.array()[..., 0].astype(float)
    assert clips_.shape == (1797, 8, 16, 16)
    middle = (clips_ * np.arange(16)).sum((2, 3)) / clips_.sum((2, 3))
    steps = np.abs(np.diff(middle, axis=1))
    assert set(np.unique(steps.round(6))) <= {0, 1, 2}  # 0: a bounce of two pixels out and back
    assert np.array_equal(corpus.read("bouncing")[0].array(), objects.array())
    assert checks.valid(objects[0])
    assert not checks.valid(objects[0][:1])


def test_splits_do_not_overlap():
    objects = made(10, labels=list("ababababab"))
    kept, held = corpus.split(objects, 0.2, 0)
    assert (len(kept), len(held)) == (8, 2)
    assert sorted(held.labels) == ["a", "b"]
    with pytest.raises(DataError, match="one clip is too few"):
        corpus.split(made(1), 0.1, 0)


def test_views_show_frames_in_order(tmp_path):
    objects = made(3)
    assert view.strip(objects[0]).shape == (12, 5 * 15 - 1, 1)
    assert view.sheet(objects).shape[0] == 5
    assert view.to_html(objects).startswith("<img")
    assert "frame 3 of 5" in view.to_text(objects)
    (tmp_path / "a.gif").write_bytes(view.to_gif(objects))
    with Image.open(tmp_path / "a.gif") as opened:
        assert opened.n_frames == 5
