"""What a grammar binds is in its language, from an untrained model too, and is ended within its limit."""

from __future__ import annotations

import json
import random
import re

import pytest

from conjure.core.errors import ConfigError
from conjure.generation import Grammar, Request, Writer
from conjure.models.decoding import Choice
from tests.unit.generation.schemas import random_schema
from tests.unit.generation.tiny import byte_tokenizer, tiny_artifact

pytest.importorskip("llguidance")
CHAOS = Choice(temperature=1.5)


def test_random_schemas_are_met_by_an_untrained_model():
    jsonschema = pytest.importorskip("jsonschema")
    artifact, rng = tiny_artifact(context=2048, layers=1), random.Random(0)
    with Writer(artifact) as writer:
        for seed in range(104):
            schema = random_schema(rng)
            grammar = Grammar.json_schema(schema, artifact.codec.tokenizer)
            request = Request([1], rng.choice([CHAOS, Choice(temperature=0)]), limit=160, seed=seed, grammar=grammar)
            answer = writer.answer(request)
            assert answer.finish == "stop", (schema, answer.text)
            jsonschema.validate(json.loads(answer.text), schema)
            if seed % 10 == 0:
                assert "".join(piece.text for piece in writer.stream(request)) == answer.text


@pytest.mark.parametrize("limit", [40, 60, 100])
def test_texts_that_would_go_on_for_ever_are_ended_in_time(limit: int):
    artifact = tiny_artifact(context=2048)
    string = {"type": "string"}
    many = {
        "type": "object",
        "properties": {"a": string, "b": {"type": "array", "items": string}},
        "required": ["a", "b"],
    }
    grammar = Grammar.json_schema(many, artifact.codec.tokenizer)
    with Writer(artifact) as writer:
        for seed in range(8):
            answer = writer.answer(Request([1], CHAOS, limit=limit, seed=seed, grammar=grammar))
            assert answer.finish == "stop"
            assert len(answer.tokens) <= limit
            assert set(json.loads(answer.text)) >= {"a", "b"}


def test_a_limit_too_short_for_any_text_is_met_as_a_length():
    artifact = tiny_artifact()
    grammar = Grammar.regex("abcdefghij", artifact.codec.tokenizer)
    with Writer(artifact) as writer:
        answer = writer.answer(Request([1], CHAOS, limit=4, seed=0, grammar=grammar))
    assert (answer.text, answer.finish) == ("abcd", "length")


def test_patterns_and_rules():
    artifact = tiny_artifact()
    tokenizer = artifact.codec.tokenizer
    pattern = r"[a-f]{3,5}-[0-9]+( the)?"
    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    rules = f'start: greeting " " %json {json.dumps(number)}\ngreeting: "hello" | "good day"'
    with Writer(artifact) as writer:
        for seed in range(10):
            answer = writer.answer(Request([1], CHAOS, limit=60, seed=seed, grammar=Grammar.regex(pattern, tokenizer)))
            assert re.fullmatch(pattern, answer.text)
            answer = writer.answer(Request([1], CHAOS, limit=90, seed=seed, grammar=Grammar.lark(rules, tokenizer)))
            assert answer.text.startswith(("hello {", "good day {"))
            assert isinstance(json.loads(answer.text[answer.text.index("{") :])["n"], int)


def test_forced_tokens_are_not_asked_for_one_by_one():
    artifact = tiny_artifact()
    steps = []
    with Writer(artifact) as writer:
        grammar = Grammar.regex("the quick brown fox [ab]", artifact.codec.tokenizer)
        steps = list(writer.stream(Request([1], CHAOS, limit=40, seed=0, grammar=grammar)))
        told = writer.answer(Request([1], CHAOS, limit=40, seed=0, grammar=grammar, logprobs=1))
    assert len(steps) <= 3
    assert re.fullmatch("the quick brown fox [ab]", "".join(piece.text for piece in steps))
    assert len(told.logprobs) == len(told.tokens)


IMPOSSIBLE = [False, {"type": "string", "enum": []}, {"type": "integer", "minimum": 5, "maximum": 3}, {"$ref": "#/no"}]


@pytest.mark.parametrize("schema", IMPOSSIBLE)
def test_schemas_that_nothing_meets_are_refused(schema: object):
    with pytest.raises(ConfigError, match="cannot be used"):
        Grammar.json_schema(schema, byte_tokenizer())  # type: ignore[arg-type]


def test_damaged_grammars_are_refused():
    for made in (lambda t: Grammar.regex("(", t), lambda t: Grammar.lark("start: nowhere", t)):
        with pytest.raises(ConfigError, match="cannot be used"):
            made(byte_tokenizer())
    with pytest.raises(ConfigError, match="JSON Schema cannot be used"):
        Grammar.json_schema("{not json", byte_tokenizer())


def test_a_bias_against_all_that_is_allowed_is_one_error():
    artifact = tiny_artifact()
    token = artifact.codec.tokenizer.cut("z")[0]
    grammar = Grammar.regex("z[xy]", artifact.codec.tokenizer)
    with Writer(artifact) as writer, pytest.raises(ConfigError, match="forbids every token"):
        writer.answer(Request([1], Choice(bias=((token, float("-inf")),)), limit=5, grammar=grammar))
