"""Conversations read from the forms people have them in, and what is wrong with them said by name."""

from __future__ import annotations

import json

import pytest

from conjure.core.errors import DataError
from conjure.domains.chat import corpus

TALK = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
SHARED = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]
PARTS = [{"type": "text", "text": "hi"}]
SYSTEM = [{"role": "system", "content": "be brief"}]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("openai.jsonl", json.dumps({"messages": TALK}) + "\n\n", [TALK]),
        ("openai.json", json.dumps([{"messages": SYSTEM + TALK}, {"messages": TALK}]), [SYSTEM + TALK, TALK]),
        (
            "sharegpt.json",
            json.dumps([{"id": 1, "conversations": SHARED}]),
            [TALK],
        ),
        ("sharegpt.jsonl", json.dumps({"system": "be brief", "conversations": TALK}), [SYSTEM + TALK]),
        ("pairs.jsonl", json.dumps({"prompt": "hi", "completion": "hello"}), [TALK]),
        (
            "alpaca.json",
            json.dumps([{"instruction": "say", "input": "hi", "output": "hello"}]),
            [[{"role": "user", "content": "say\n\nhi"}, TALK[1]]],
        ),
        ("parts.jsonl", json.dumps({"messages": [{"role": "user", "content": PARTS}, TALK[1]]}), [TALK]),
        ("pairs.csv", "question,answer\nhi,hello\n", [TALK]),
        ("more.csv", "id,prompt,response\n7,hi,hello\n", [TALK]),
        ("bare.tsv", "hi\thello\n", [TALK]),
        ("quoted.csv", 'prompt,completion\n"h, i",hello\n', [[{"role": "user", "content": "h, i"}, TALK[1]]]),
        (
            "chatml.txt",
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n\n"
            "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
            "<|im_start|>assistant\nhello<|im_end|>\n",
            [TALK, SYSTEM + TALK],
        ),
        ("plain.txt", "Once upon a time.\r\nThe end.", ["Once upon a time.\nThe end."]),
        ("texts.jsonl", '{"text": "one"}\n{"text": "two"}\n', ["one", "two"]),
    ],
)  # fmt: skip
def test_forms(tmp_path, name, text, wanted):
    (tmp_path / name).write_text(text, "utf-8")
    found, source = corpus.read(tmp_path / name)
    assert found == wanted
    assert source.rows == len(wanted)
    assert corpus.read(wanted)[1].sha256 == source.sha256


@pytest.mark.parametrize(
    ("name", "text", "naming"),
    [
        ("a.jsonl", json.dumps({"messages": TALK[1:] + TALK[:1]}), "line 1 starts with the assistant"),
        ("a.jsonl", json.dumps({"messages": TALK[:1]}), "no message of the assistant"),
        ("a.jsonl", "{", "line 1, is not JSON"),
        ("a.json", "{", "is not JSON"),
        ("a.jsonl", json.dumps({"messages": [{"role": "usr", "content": "x"}]}), "message 1, is of role 'usr'"),
        ("a.jsonl", json.dumps({"messages": [{"role": "user", "content": 3}]}), "no content that is text"),
        ("a.jsonl", json.dumps({"body": "x"}), "holds 'body'"),
        ("a.jsonl", json.dumps({"messages": TALK, "tools": [{}]}), '"tools"'),
        ("a.jsonl", json.dumps({"messages": TALK}) + "\n" + json.dumps({"text": "x"}), "mixes conversations"),
        ("a.csv", "a,b,c\n1,2,3\n", "name two of them prompt and completion"),
        ("a.csv", "prompt,completion\nhi\n", "line 2, has 1 columns"),
        ("a.txt", "<|im_start|>user\nhi", "without a role"),
        ("a.txt", " \n", "is empty"),
        ("a.doc", "x", "no file of conversations"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, naming):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(DataError, match=naming):
        corpus.read(tmp_path / name)


def test_bytes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "\xff"}')
    with pytest.raises(DataError, match="byte 10 is 0xff"):
        corpus.read(tmp_path / "a.jsonl")


def test_questions_need_no_answer(tmp_path):
    (tmp_path / "q.jsonl").write_text(json.dumps({"messages": TALK[:1]}) + "\n" + json.dumps({"prompt": "hi"}), "utf-8")
    assert corpus.read_questions(tmp_path / "q.jsonl") == [TALK[:1], TALK[:1]]


def test_splitting_keeps_equal_ones_together_and_writing_is_read_again(tmp_path):
    talks = [[{"role": "user", "content": str(n % 10)}, TALK[1]] for n in range(40)]
    kept, held_out = corpus.split(talks, 0.2, 0)
    assert len(held_out) == 8
    assert not [one for one in held_out if one in kept]
    assert corpus.read(corpus.write(talks, tmp_path / "t.jsonl"))[0] == talks
    assert corpus.split(["abcdefghij"], 0.2, 0) == (["abcdefgh"], ["ij"])
