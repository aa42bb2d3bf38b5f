"""Guessing ahead changes how often the model is asked, never what is written."""

from __future__ import annotations

import pytest
import torch

from conjure.artifact import Artifact
from conjure.core.errors import ConfigError
from conjure.generation import Request, Writer
from conjure.generation.lookup import Lookup
from conjure.models.decoding import Choice
from tests.unit.generation.tiny import tiny_artifact


def repetitive() -> Artifact:
    """A model that says again what it has said: its weights are small beside its vectors of tokens."""
    artifact = tiny_artifact(context=400, scale=0.05)
    torch.manual_seed(1)
    torch.nn.init.normal_(artifact.model.embed.weight, std=1.0)  # type: ignore[union-attr,arg-type]
    return artifact


def test_a_run_seen_before_is_guessed_to_go_on():
    lookup = Lookup(4)
    lookup.add([1, 2, 3, 4, 5, 6, 9, 1, 2, 3])
    assert lookup.guess(8) == [4, 5]
    lookup.learn(2, 2)
    assert lookup.guess(8) == [4, 5, 6, 9]
    assert lookup.guess(1) == [4]
    lookup.learn(4, 1)
    assert lookup.guess(8) == [4, 5]
    lookup.add([7, 7, 7])
    assert lookup.guess(8) == [7, 7]
    lookup.add([8])
    assert lookup.guess(8) == []
    assert (lookup.guessed, lookup.confirmed) == (6, 3)


@pytest.mark.parametrize("made", [repetitive, lambda: tiny_artifact(context=400)])
@pytest.mark.parametrize("choice", [Choice(temperature=0), Choice(0.5), Choice(temperature=0, repetition=1.2)])
def test_the_answer_is_the_same(made: object, choice: Choice):
    rng = torch.Generator().manual_seed(5)
    part = torch.randint(200, (12,), generator=rng).tolist()
    with Writer(made()) as plain, Writer(made()) as guessing:  # type: ignore[operator]
        for seed in range(4):
            prompt = [*part, *torch.randint(200, (seed,), generator=rng).tolist(), *part[:6]]
            words = {"choice": choice, "limit": 60, "seed": seed, "ends": ()}
            wanted = plain.answer(Request(prompt, **words))  # type: ignore[arg-type]
            found = guessing.answer(Request(prompt, **words, lookup=6))  # type: ignore[arg-type]
            assert found.tokens == wanted.tokens
            assert found.text == wanted.text
            assert wanted.guessed == 0
            assert 0 <= found.confirmed <= found.guessed


def test_guesses_that_are_right_save_readings():
    artifact = repetitive()
    calls = []
    whole = artifact.model.trunk.forward  # type: ignore[union-attr]
    artifact.model.trunk.forward = lambda *a, **k: calls.append(1) or whole(*a, **k)  # type: ignore[union-attr]
    with Writer(artifact) as writer:
        answer = writer.answer(Request([5, 6, 5, 6, 5], Choice(temperature=0), limit=100, ends=(), lookup=8))
    assert answer.confirmed > 70
    assert len(calls) < 30
    assert len(answer.tokens) == 100


def test_guesses_within_a_grammar_keep_to_it():
    from conjure.generation import Grammar

    artifact = repetitive()
    with Writer(artifact) as writer:
        grammar = Grammar.regex("(ab|cd){10,20}", artifact.codec.tokenizer)
        words = {"choice": Choice(), "limit": 50, "seed": 2, "grammar": grammar}
        assert writer.answer(Request([1], **words)).text == writer.answer(Request([1], **words, lookup=5)).text  # type: ignore[arg-type]


def test_near_ties_are_read_again_by_themselves():
    artifact = tiny_artifact(context=400)
    with torch.no_grad():
        artifact.model.embed.weight[9] = artifact.model.embed.weight[8]  # the same logit for ever
    with Writer(artifact) as writer:
        for seed in range(3):
            prompt = [seed, 8, 9, 8, 9, 8, 9, 8]
            one = writer.answer(Request(prompt, Choice(temperature=0), limit=40, ends=()))
            other = writer.answer(Request(prompt, Choice(temperature=0), limit=40, ends=(), lookup=4))
            assert one.tokens == other.tokens


def test_families_without_a_memory_to_roll_back_refuse():
    from tests.unit.generation.test_families import text_artifact

    with Writer(text_artifact("recurrent")) as writer, pytest.raises(ConfigError, match="lookup needs"):
        writer.answer(Request([1], lookup=3))
