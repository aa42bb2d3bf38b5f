"""The image codec's laws: exact round trips, plain state, named refusals."""

import json

import numpy as np
import pytest
import torch

from conjure.core.errors import ConfigError, DataError
from conjure.domains.image import corpus
from conjure.domains.image.codec import ImageCodec
from conjure.domains.image.pictures import Images, images

RNG = np.random.default_rng(0)
GREY = images(RNG.integers(0, 256, (6, 5, 7), dtype=np.uint8))
COLOUR = images(RNG.integers(0, 256, (4, 5, 7, 3), dtype=np.uint8), ["a", "b", "a", "a"])


def learnt(objects, **settings):
    return ImageCodec.learn(objects, ImageCodec.Config(**settings))


@pytest.mark.parametrize("objects", [GREY, COLOUR])
@pytest.mark.parametrize("encoding", ["dense", "tokens"])
def test_bytes_come_back_exactly(objects, encoding):
    codec = learnt(objects, encoding=encoding)
    encoded = codec.encode(objects)
    assert codec.space.contains(encoded.x)
    assert np.array_equal(codec.decode(encoded.x).array(), objects.array())


@pytest.mark.parametrize("levels", [2, 3, 16, 17, 200])
def test_levels_are_kept_after_one_round_trip(levels):
    codec = learnt(GREY, encoding="tokens", levels=levels)
    once = codec.decode(codec.encode(GREY).x)
    assert np.array_equal(codec.decode(codec.encode(once).x).array(), once.array())
    worst = np.abs(once.array().astype(int) - GREY.array()).max()
    assert worst <= 255 / (levels - 1) / 2 + 0.5


def test_seventeen_levels_lose_nothing_of_the_digits():
    digits, _ = corpus.read("digits")
    codec = learnt(digits, encoding="tokens", levels=17)
    assert np.array_equal(codec.decode(codec.encode(digits).x).array(), digits.array())


def test_the_bytes_of_each_level_have_probability_one():
    every = images(np.arange(256, dtype=np.uint8).reshape(256, 1, 1))
    codec = learnt(every, encoding="tokens", levels=10)
    chance = np.exp(codec.log_density(every))
    code = codec.encode(every).x.flatten().numpy()
    assert np.allclose([chance[code == level].sum() for level in range(10)], 1)
    assert not learnt(every).log_density(every).any()


def test_state_survives_json():
    codec = learnt(COLOUR, encoding="tokens", levels=9)
    again = ImageCodec.from_state(json.loads(json.dumps(codec.state())))
    assert again.space == codec.space
    assert again.given_space == codec.given_space
    assert torch.equal(again.encode(COLOUR).x, codec.encode(COLOUR).x)
    assert torch.equal(again.condition({}, 9), codec.condition({}, 9))


def test_labels_are_the_condition():
    codec = learnt(COLOUR)
    assert codec.given_space.sizes == (2,)
    assert codec.encode(COLOUR).given.tolist() == [[0], [1], [0], [0]]
    assert codec.condition({"label": "b"}, 2).tolist() == [[1], [1]]
    assert codec.condition({"label": ["b", "a"]}, 2).tolist() == [[1], [0]]
    made = codec.decode(torch.zeros(2, 3, 5, 7), given={"label": "b"})
    assert made.labels.tolist() == ["b", "b"]
    assert learnt(COLOUR, labels=False).given_space is None


def test_without_a_label_classes_come_as_often_as_in_training():
    codec = learnt(COLOUR)
    codes = codec.condition({}, 100)
    assert abs(codes.float().mean() - 0.25) < 0.02
    labels = codec.decode(torch.zeros(100, 3, 5, 7), given={}).labels
    assert labels.tolist() == ["ab"[c] for c in codes.flatten()]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"lable": "a"}, "did you mean 'label'"),
        ({"label": "z"}, "no class is called 'z'"),
        ({"label": ["a"]}, "1 labels for 3 samples"),
    ],
)
def test_impossible_conditions_are_named(given, sentence):
    with pytest.raises(ConfigError, match=sentence):
        learnt(COLOUR).condition(given, 3)


def test_a_condition_without_classes_is_refused():
    with pytest.raises(ConfigError, match="without class labels"):
        learnt(GREY).condition({"label": "a"}, 1)


def test_foreign_pictures_are_named():
    codec = learnt(GREY)
    with pytest.raises(DataError, match=r"image 1 is 7 x 5 RGB, but the model knows grey"):
        codec.encode(COLOUR)
    with pytest.raises(DataError, match=r"image 1 is 4 x 4 grey; the model's images are 7 x 5"):
        codec.encode(images(np.zeros((1, 4, 4), np.uint8)))
    with pytest.raises(DataError, match="no class labels"):
        learnt(COLOUR).encode(GREY)
    with pytest.raises(DataError, match=r"image 2 is of class 'c', never seen"):
        learnt(COLOUR).encode(images(COLOUR.array()[:2], ["a", "c"]))


def test_different_sizes_need_a_size_which_scales_and_cuts_the_middle():
    wide = np.zeros((8, 16, 1), np.uint8)
    wide[:, 4:12] = 200  # the middle square
    mixed = Images([wide, np.full((4, 4, 1), 50, np.uint8)], names=("wide.png", "small.png"))
    with pytest.raises(DataError, match=r"small\.png is 4 x 4 grey where wide\.png is 16 x 8 grey; codec\.size=32"):
        learnt(mixed)
    codec = learnt(mixed, size=4)
    back = codec.decode(codec.encode(mixed).x).array()
    assert back.shape == (2, 4, 4, 1)
    assert (back[0] == 200).all()
    assert (back[1] == 50).all()


def test_grey_among_colours_becomes_colour():
    both = Images([GREY[0], COLOUR[0]])
    codec = learnt(both)
    back = codec.decode(codec.encode(both).x)
    assert np.array_equal(back[0], GREY[0].repeat(3, 2))


def test_huge_pictures_and_odd_settings_are_refused():
    with pytest.raises(DataError, match=r"set codec\.size to at most 256"):
        learnt(images(np.zeros((1, 300, 300), np.uint8)))
    with pytest.raises(ConfigError, match=r"codec\.levels is 1"):
        ImageCodec.Config(levels=1)
    with pytest.raises(ConfigError, match=r"codec\.size is 2"):
        ImageCodec.Config(size=2)
