"""Calls are found in pieces of any size, and a call that was cut short is ended so that it fits."""

from __future__ import annotations

import json
import random

import jsonschema
import pytest

from conjure.generation import Grammar
from conjure.server.language.calls import CLOSE, OPEN, CallReader, head, rules
from conjure.server.language.closing import ending
from conjure.server.language.shapes import Tool
from tests.unit.server.tiny import tokenizer

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 2},
        "days": {"type": "array", "items": {"$ref": "#/$defs/day"}, "minItems": 1, "maxItems": 3},
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "code": {"type": "string", "pattern": "^[A-Z]{3}-\\d{2}$"},
    },
    "required": ["city", "days", "code"],
    "additionalProperties": False,
    "$defs": {"day": {"enum": ["Mon\n", 'T"ue', "日"]}},
}
GOOD = {"city": 'R"o{m\\e', "days": ["日", 'T"ue'], "share": 0.5, "code": "ABC-12"}


def tool(name: str, schema: dict | None = None) -> Tool:
    return Tool.model_validate({"type": "function", "function": {"name": name, "parameters": schema}})


def written(name: str, arguments: dict) -> str:
    return OPEN + head(name) + json.dumps(arguments, ensure_ascii=False) + "}" + CLOSE


def read(parts: list[str], must: bool = False, several: bool = True) -> tuple[str, list[list[str]]]:
    reader, text, calls = CallReader(must, several), "", []
    for at, part in enumerate(parts):
        for said in reader.feed(part, last=at == len(parts) - 1):
            text += said.text
            if said.name is not None:
                calls.append([said.name, ""])
            if said.call is not None:
                calls[said.call][1] += said.arguments
    return text, calls


@pytest.mark.parametrize("before", ["", "Let me see <tool_", "a < b\n<tool_call> is a tag. "])
def test_calls_are_found_however_the_text_is_parted(before: str):
    whole = f"{before}{written('f', GOOD)}\n{written('clock', {})}"
    rng = random.Random(0)
    expected = (before, [["f", json.dumps(GOOD, ensure_ascii=False)], ["clock", "{}"]])
    for _ in range(200):
        rest, parts = whole, []
        while rest:
            cut = rng.randint(1, 9)
            parts.append(rest[:cut])
            rest = rest[cut:]
        assert read(parts) == expected


def test_text_that_only_looks_like_a_call_is_told_at_the_end():
    assert read(["x <tool_c", "all>"]) == ("x <tool_call>", [])
    assert read(["<", "<", "b"]) == ("<<b", [])


@pytest.mark.parametrize("must", [True, False])
def test_a_call_cut_anywhere_is_ended_and_fits(must: bool):
    grammar = rules([tool("f", SCHEMA), tool("clock")], None if must else True, True)
    whole = written("f", GOOD)
    for cut in range(0 if must else len(OPEN), len(whole) + 1):
        end = ending(grammar, whole[:cut])
        assert end is not None, whole[:cut]
        text, calls = read([whole[:cut] + end])
        assert text == ""
        assert calls
        schemas = {"f": SCHEMA, "clock": {"type": "object"}}
        for name, arguments in calls:
            jsonschema.validate(json.loads(arguments), schemas[name])
        assert not whole[:cut].startswith(OPEN + head("f")) or calls[0][0] == "f"


def test_what_has_ended_needs_no_ending_and_what_cannot_end_has_none():
    grammar = rules([tool("f", SCHEMA)], None, True)
    assert ending(grammar, written("f", GOOD)) == ""
    assert ending(grammar, "something else") is None
    impossible = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a{9000}$"}}, "required": ["a"]}
    assert ending(rules([tool("f", impossible)], None, False), "") is None


def test_a_number_is_not_gone_on_with_for_ever():
    schema = {
        "type": "object",
        "properties": {"x": {"type": "number"}, "y": {"type": "integer"}},
        "required": ["x", "y"],
    }
    for begun in ("", OPEN, OPEN + head("f") + '{"x": 1', OPEN + head("f") + '{"x": -', OPEN + head("f") + '{"x": 1e'):
        end = ending(rules([tool("f", schema)], None, False), begun)
        assert end is not None
        assert len(end) < 100


def test_the_grammar_takes_tags_that_are_tokens_of_their_own():
    known, marks = tokenizer(), ("<tool_call>", "</tool_call>")
    first = known.number(marks[0])
    must = Grammar.lark(rules([tool("clock")], None, True, marks), known).begin()
    assert must.allowed(known.size).nonzero()[0].tolist() == [first]
    may = Grammar.lark(rules([tool("clock")], True, False, marks), known).begin()
    assert may.allowed(known.size).sum() > 200
    for guide in (must, may):
        for token in known.cut(written("clock", {})):
            guide.take(token)
        assert guide.complete
