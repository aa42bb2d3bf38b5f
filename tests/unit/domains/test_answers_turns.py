"""Prompts that are whole dialogues become turns where a chat template asks for them."""

from __future__ import annotations

import pytest

from conjure.domains.answers.spelling import turns


def test_a_dialogue_in_one_text_is_its_turns():
    text = "\n\nHuman: What is it?\n\nAssistant: A cat.\n\nIt purrs.\n\nHuman: Why?\n\nAssistant:"
    assert turns(text) == [
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": "A cat.\n\nIt purrs."},
        {"role": "user", "content": "Why?"},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "What is it?",
        "Write a scene.\n\nHuman: hello\n\nAssistant:",  # speaks before anybody is named
        "\n\nHuman: What is it?",
        "\n\nHuman: What is it?\n\nAssistant: A cat.",  # already answered: nothing is left to write
        "\n\nAssistant:",
    ],
)
def test_any_other_text_is_what_a_user_says(text):
    assert turns(text) == [{"role": "user", "content": text}]
