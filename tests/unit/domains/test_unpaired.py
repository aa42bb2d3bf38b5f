"""Two styles of picture: what is read, what is asked for, and by which words."""

import numpy as np
import pytest
import torch
from PIL import Image

from conjure.core.errors import ConfigError, DataError
from conjure.domains.unpaired import corpus
from conjure.domains.unpaired.codec import UnpairedCodec

RNG = np.random.default_rng(0)


def picture(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Five pictures of day and three of night."""
    for name, count in (("day", 5), ("night", 3)):
        (tmp_path / "all" / name).mkdir(parents=True)
        for k in range(count):
            Image.fromarray(picture(8, 10)).save(tmp_path / "all" / name / f"{k}.png")
    return tmp_path / "all"


def codec_of(folder):
    found, _ = corpus.read(folder)
    return UnpairedCodec.learn(found, UnpairedCodec.Config()), found


def test_a_folder_of_two_and_two_arrays_say_the_same(folder, tmp_path):
    found, source = corpus.read(folder)
    assert source.rows == 8
    arrays = {name: found.take(np.flatnonzero(found.labels == name)).array() for name in ("day", "night")}
    np.savez(tmp_path / "both.npz", **arrays)
    for other in (corpus.read(arrays)[0], corpus.read(tmp_path / "both.npz")[0]):
        assert other.labels.tolist() == found.labels.tolist()
        assert other.classes == ("day", "night")
        assert np.array_equal(other.array(), found.array())


def test_one_folder_only_is_refused(folder):
    with pytest.raises(DataError, match="one style; two styles are a folder with two sub-folders"):
        corpus.read(folder / "day")


def test_three_are_refused_by_name(folder):
    (folder / "dusk").mkdir()
    Image.fromarray(picture(8, 10)).save(folder / "dusk" / "0.png")
    with pytest.raises(DataError, match="3 sets: day, dusk, night"):
        corpus.read(folder)


def test_a_broken_file_is_named_and_counted(folder):
    (folder / "day" / "broken.png").write_bytes(b"no picture")
    found, _ = corpus.read(folder)
    assert len(found) == 8
    assert "1 broken picture file left out" in found.notes[0]
    assert "broken.png" in found.notes[0]
    codec = UnpairedCodec.learn(found, UnpairedCodec.Config())
    assert codec.notes == list(found.notes)


def test_sizes_that_differ_are_named_or_brought_to_one(folder):
    Image.fromarray(picture(9, 10)).save(folder / "night" / "odd.png")
    found, _ = corpus.read(folder)
    with pytest.raises(DataError, match=r"odd\.png is 10 x 9 grey where .*codec\.size"):
        UnpairedCodec.learn(found, UnpairedCodec.Config())
    assert UnpairedCodec.learn(found, UnpairedCodec.Config(size=8)).space.shape == (1, 8, 8)


def test_every_picture_has_one_of_the_other_style_beside_it(folder):
    codec, found = codec_of(folder)
    encoded = codec.encode(found)
    assert codec.space.contains(encoded.x)
    assert codec.given_space.contains(encoded.given)
    night = torch.from_numpy(found.labels == "night")
    assert torch.equal(encoded.given[:, -1, 0, 0] > 0, night)
    for rows, others in ((night, ~night), (~night, night)):
        beside = (encoded.given[rows, None, :-1] == encoded.x[None, others]).all((2, 3, 4))
        assert (beside.sum(1) == 1).all()
        assert beside.sum(0).max() - beside.sum(0).min() <= 1  # none is left out in favour of another
    assert [p.tolist() for p in codec.decode(encoded.x)] == [p.tolist() for p in found]


def test_partners_by_transport_are_alike_where_there_are_alike_ones():
    light = RNG.integers(100, 200, (30, 8, 8), dtype=np.uint8)
    order = RNG.permutation(30)
    both = {"a": light, "b": light[order] + 20}
    found, _ = corpus.read(both)
    codec = UnpairedCodec.learn(found, UnpairedCodec.Config(partners="transport"))
    encoded = codec.encode(found)
    away = (encoded.given[:, :-1] - encoded.x).flatten(1).std(1)
    assert away.max() < 1e-6  # each stands beside itself, twenty steps lighter or darker
    again = UnpairedCodec.from_state(codec.state())
    assert torch.equal(again.encode(found).given, encoded.given)


def test_a_style_alone_cannot_be_learnt_from(folder):
    codec, found = codec_of(folder)
    with pytest.raises(DataError, match="all 5 pictures are day; both styles are needed"):
        codec.encode(found.take(np.flatnonzero(found.labels == "day")))


def test_state_survives(folder):
    codec, found = codec_of(folder)
    again = UnpairedCodec.from_state(codec.state())
    assert again.styles == ("day", "night")
    assert torch.equal(again.encode(found).given, codec.encode(found).given)


def test_a_picture_becomes_the_other_style_than_its_folder(folder):
    codec, _ = codec_of(folder)
    assert (codec.evidence(corpus.read_questions(folder / "night"))[:, -1] == -1).all()
    one = corpus.read_questions(folder / "day" / "2.png")
    assert (codec.evidence(one)[:, -1] == 1).all()
    assert codec.complete(one, torch.zeros(1, 1, 8, 10)).labels.tolist() == ["night"]


def test_of_unknown_style_the_wish_must_be_said(folder, tmp_path):
    codec, found = codec_of(folder)
    (folder / "day").rename(tmp_path / "mixed")
    mixed = corpus.read_questions(tmp_path / "mixed")
    with pytest.raises(ConfigError, match="say what to make, --given to=day or to=night"):
        codec.evidence(mixed)
    assert (codec.evidence(mixed, {"to": "day"})[:, -1] == -1).all()
    with pytest.raises(ConfigError, match="did you mean 'night'"):
        codec.evidence(mixed, {"to": "nihgt"})
    with pytest.raises(ConfigError, match="is day already"):
        codec.evidence(found, {"to": "day"})


def test_a_condition_is_a_picture_and_a_wish(folder):
    codec, found = codec_of(folder)
    given = {"picture": str(folder / "day" / "0.png"), "to": "night"}
    condition = codec.condition(given, 3)
    assert codec.given_space.contains(condition)
    assert torch.equal(condition[0], condition[2])
    assert codec.condition({"picture": found[0], "to": "night"}, 1).shape == (1, 2, 8, 10)
    assert codec.decode(condition[:, :1], None, given).labels.tolist() == ["night"] * 3
    with pytest.raises(ConfigError, match="6 translations are asked for, of 5 pictures"):
        codec.condition({"picture": folder / "day"}, 6)
    with pytest.raises(ConfigError, match="a picture to translate is needed"):
        codec.condition({"to": "night"}, 1)
    with pytest.raises(ConfigError, match="did you mean 'picture'"):
        codec.condition({"pictur": "x"}, 1)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"x\.png cannot be read as a picture"):
        corpus.read_questions(tmp_path / "x.png")


def test_cutting_and_joining_undo_each_other(folder):
    found, _ = corpus.read(folder)
    again = corpus.join([corpus.cut(found, 0, 3), corpus.cut(found, 3, 99)])
    assert np.array_equal(again.array(), found.array())
    assert again.labels.tolist() == found.labels.tolist()
    assert again.names == found.names
