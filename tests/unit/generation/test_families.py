"""Families that learn texts of one's own write through the same door."""

from __future__ import annotations

import pytest
import torch

from conjure.artifact import Artifact, build_model
from conjure.core.errors import ConfigError, DataError
from conjure.domains.text.codec import TextCodec
from conjure.generation import Request, Writer
from conjure.models.decoding import Choice
from conjure.recipe import Recipe

TEXTS = ["the cat sat on the mat. naïve 日本\n" * 3, "the dog sat on the log.\n" * 3]
GREEDY = Choice(temperature=0)


def text_artifact(model: str, layout: str = "stream", units: str = "characters") -> Artifact:
    settings = {"layout": layout, "units": units, "context": 16, "vocab": 280}
    codec = TextCodec.learn(TEXTS, TextCodec.Config(**settings))  # type: ignore[arg-type]
    recipe = Recipe("text", model, "likelihood", codec=settings, model_settings={"width": 32})
    artifact = Artifact(recipe, codec, build_model(recipe, codec).eval(), {})
    torch.manual_seed(3)
    for parameter in artifact.model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return artifact


@pytest.mark.parametrize("model", ["decoder", "recurrent", "llm"])
@pytest.mark.parametrize("layout", ["stream", "documents"])
@pytest.mark.parametrize("units", ["characters", "bytes", "bpe"])
def test_greedy_is_what_sampling_at_temperature_zero_draws(model: str, layout: str, units: str):
    artifact = text_artifact(model, layout, units)
    codec = artifact.codec
    prompt = codec.units.cut("the ca").tolist()
    with Writer(artifact) as writer:
        answer = writer.answer(Request(prompt, GREEDY, limit=8))
    length = artifact.model.space.length if layout == "documents" else len(prompt) + 8
    frame = torch.tensor([*prompt, *([-1] * (length - len(prompt)))])[None]
    with torch.no_grad():
        row = artifact.model.sample(1, given=frame, choice=GREEDY)[0].tolist()[len(prompt) :][:8]
    wanted = row[: row.index(codec.end)] if codec.end in row else row
    assert answer.tokens == wanted
    assert answer.text == codec.units.join(wanted)


@pytest.mark.parametrize("model", ["decoder", "recurrent", "llm"])
def test_a_second_turn_goes_on_from_the_first(model: str):
    artifact = text_artifact(model)
    with Writer(artifact) as writer:
        first = writer.answer(Request([1, 2, 3], GREEDY, limit=4, ends=()))
        second = writer.answer(Request([1, 2, 3, *first.tokens, 5], GREEDY, limit=4, ends=()))
        assert second.cached_tokens == 6
    with Writer(artifact) as cold:
        assert cold.answer(Request([1, 2, 3, *first.tokens, 5], GREEDY, limit=4, ends=())).tokens == second.tokens


def test_documents_begin_with_nothing_and_keep_to_their_length():
    artifact = text_artifact("llm", "documents")
    longest = artifact.codec.longest
    with Writer(artifact) as writer:
        assert len(writer.answer(Request([], GREEDY, limit=3, ends=())).tokens) == 3
        assert len(writer.answer(Request([1], GREEDY, limit=999, ends=())).tokens) == longest
        with pytest.raises(DataError, match="tokens"):
            writer.answer(Request([1] * (longest + 1), GREEDY))


def test_what_writes_no_text_is_refused():
    recipe = Recipe("text", "markov", "counting")
    artifact = text_artifact("decoder")
    from conjure import catalog

    codec = artifact.codec
    found = catalog.resolve("models", "markov")
    model = found(codec.space, None, found.Config())
    with pytest.raises(ConfigError, match="writes no text"):
        Writer(Artifact(recipe, codec, model, {}))
