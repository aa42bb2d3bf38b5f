"""Beams of a language model: one is greedy, enough of them find the best there is."""

from __future__ import annotations

import pytest
import torch

from conjure.core.errors import ConfigError
from conjure.generation import Request, Writer
from conjure.generation.beams import likeliest
from conjure.models.beam import Beam
from conjure.models.decoding import Choice
from tests.unit.generation.test_families import text_artifact
from tests.unit.generation.tiny import tiny_artifact


def nats(artifact, prompt: list[int], tokens: list[int]) -> float:
    with torch.no_grad():
        whole = artifact.model.log_prob(torch.tensor([[*prompt, *tokens]]))
        return float(whole - (artifact.model.log_prob(torch.tensor([prompt])) if len(prompt) > 1 else 0.0))


def test_one_beam_is_greedy():
    artifact = tiny_artifact()
    found = likeliest(artifact, [1, 2, 3], 12, Beam(1, 0.0, 0))
    with Writer(artifact) as writer:
        assert found.tokens == writer.answer(Request([1, 2, 3], Choice(temperature=0), limit=12)).tokens


def test_enough_beams_find_the_best_of_all():
    artifact, prompt = tiny_artifact(), [1, 2, 3]
    vocab, end = artifact.model.space.vocab, artifact.codec.end
    found = likeliest(artifact, prompt, 2, Beam(300, 0.0, 0))
    with torch.no_grad():
        reading = artifact.model.begin(vocab)
        first = artifact.model.read(torch.tensor([prompt]).expand(vocab, -1), reading)[0].log_softmax(-1)
        second = artifact.model.read(torch.arange(vocab)[:, None], reading).log_softmax(-1)
    every = first[:, None] + second
    every[end] = first[end]  # what ends at once has no second token
    one, two = divmod(int(every.argmax()), vocab)
    wanted = [] if one == end else [one] if two == end else [one, two]
    assert found.tokens == wanted


def test_wider_beams_find_nothing_less_probable():
    artifact, prompt = tiny_artifact(), [9, 8]
    worth = [nats(artifact, prompt, likeliest(artifact, prompt, 6, Beam(w, 0.0, 0)).tokens) for w in (1, 4, 64)]
    assert worth[0] <= worth[-1] + 1e-4


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ConfigError, match="with an llm"):
        likeliest(text_artifact("recurrent"), [1])
    for prompt in ([], [1] * 127):
        with pytest.raises(ConfigError, match="it may have 1 to 124"):
            likeliest(tiny_artifact(), prompt, 4)
