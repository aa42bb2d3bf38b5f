"""Text to tokens and back: every unit, streams and rows, prompts, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conjure.core.errors import ConfigError, DataError
from conjure.domains.text.codec import TextCodec

TEXT = "To be, or not to be:\nthat is the question.\n" * 20


def learn(documents=(TEXT,), **config):
    return TextCodec.learn(list(documents), TextCodec.Config(**config))


@pytest.mark.parametrize("units", ["characters", "bytes", "bpe"])
def test_a_text_comes_back_as_it_was(units):
    codec = learn(units=units, vocab=300)
    encoded = codec.encode([TEXT])
    assert encoded.window == 64
    assert codec.decode(encoded.x.unsqueeze(0)) == [TEXT]
    again = TextCodec.from_state(json.loads(json.dumps(codec.state())))
    assert torch.equal(again.encode([TEXT]).x, encoded.x)
    assert again.space == codec.space


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=2))
def test_bytes_and_byte_pairs_take_any_text(text):
    for units in ("bytes", "bpe"):
        codec = learn(units=units, vocab=260, context=8)
        if len(text.encode("utf-8", "surrogatepass")) > 1:
            assert codec.decode(codec.encode([text]).x.unsqueeze(0)) == [text]


def test_byte_pairs_are_fewer_than_bytes():
    assert len(learn(units="bpe", vocab=300).encode([TEXT]).x) < len(TEXT) / 2


def test_documents_are_joined_by_the_end_token():
    codec = learn(["one two", "two one"])
    x = codec.encode(["one", "two"]).x
    assert x.tolist().count(codec.end) == 1
    assert codec.decode(x.unsqueeze(0)) == ["one"]
    assert codec.decode(x[4:].unsqueeze(0)) == ["two"]
    assert codec.decode(x) == ["one", "two"]


def test_documents_as_rows_end_and_pad_with_the_end_token():
    codec = learn(["anna", "bo", "cy"], layout="documents")
    encoded = codec.encode(["anna", "bo"])
    assert encoded.window == 0
    assert encoded.x.shape == (2, 5)
    assert codec.space.contains(encoded.x)
    assert codec.decode(encoded.x) == ["anna", "bo"]
    assert codec.encode(codec.adapt(["annabo"])).x.shape == (1, 5)
    with pytest.raises(DataError, match="text 2 has 6 tokens; the longest in training had 4"):
        codec.encode(["bo", "annabo"])


def test_an_unseen_character_is_named_with_its_place():
    codec = learn()
    with pytest.raises(DataError, match=r"text 1: character 'X' at position 3"):
        codec.encode(["be X"])
    assert codec.adapt(["be X"]) == ["be ,"]  # rarest: once a line pair, and first by code point
    with pytest.raises(DataError, match="at least 2"):
        codec.encode(["b"])


def test_a_prompt_becomes_a_frame():
    codec = learn(length=7)
    frame = codec.condition({"prompt": "be"}, 3)
    assert codec.decode(frame[:, :2], given={"prompt": "be"}) == ["be"]
    assert (frame[0, 2:] == -1).sum() == 7
    assert codec.condition({"prompt": "be", "length": "3"}, 1).shape == (1, 5)
    # without a prompt the text begins after a line break, which is not shown
    frame = codec.condition({}, 1)
    assert codec.units.join(frame[0, :1].tolist()) == "\n"
    assert codec.decode(codec.encode(["\nbe"]).x.unsqueeze(0), given={}) == ["be"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"promt": "a"}, "did you mean 'prompt'"),
        ({"prompt": "X"}, "character 'X'"),
        ({"prompt": ""}, "empty"),
        ({"length": "many"}, "whole number"),
    ],
)
def test_impossible_conditions_are_refused(words, sentence):
    with pytest.raises(ConfigError, match=sentence):
        learn().condition(words, 1)


def test_bytes_are_counted_as_utf8():
    assert learn().bytes(["né", "a"]) == 4


def test_a_short_text_gets_a_shorter_window():
    assert learn().encode(["be"]).window == 1
