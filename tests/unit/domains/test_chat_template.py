"""Templates of strangers render as transformers renders them, see nothing of the machine, and refuse in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("jinja2", reason="jinja2 is in the language extra")
from conjure.core.errors import DataError
from conjure.domains.chat.template import CHATML, PLAIN, render

NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "2 < 3 & 'so'?"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "naïve 😀"},
]
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
TEMPLATES = {
    "chatml": CHATML,
    "plain": PLAIN,
    "turns": """{{ bos_token }}{% for m in messages %}
    {% if m.role == 'user' %}[INST] {{ m['content'] | trim }} [/INST]{% elif m.role == 'assistant' %}
        {%- generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}
    {% endif %}
{% endfor %}""",
    "tools": """{%- set ns = namespace(n=0) %}{%- if tools %}{{ tools | tojson(indent=2) }}{% endif %}
{%- for m in messages %}{% if loop.index0 == 0 and m.role == 'system' %}{% continue %}{% endif %}
{%- set ns.n = ns.n + 1 %}{{ ns.n }} {{ m | tojson }}
{% endfor %}{% if add_generation_prompt %}A:{% endif %}""",
}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.filterwarnings("ignore")  # transformers' own
def test_text_is_that_of_transformers(name: str):
    pytest.importorskip("transformers", reason="transformers is in the dev extra")
    from transformers.utils.chat_template_utils import render_jinja_template

    for answer in (True, False):
        told = {"tools": TOOLS, "add_generation_prompt": answer}
        wanted = render_jinja_template([TALK], chat_template=TEMPLATES[name], **told, **NAMES)[0][0]
        assert render(TEMPLATES[name], TALK, answer=answer, tools=TOOLS, names=NAMES) == wanted


def test_parts_of_text_are_joined_and_calls_may_stand_alone():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert "user\nab<|im_end|>" in render(CHATML, [{"role": "user", "content": parts}])
    calls = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "look", "arguments": {}}}]}
    assert "assistant\n<|im_end|>" in render(CHATML, [TALK[1], calls, {"role": "tool", "content": "nothing"}])


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "empty"),
        ([{"role": "assistant", "content": "hi"}], "message 1 is the assistant's: a conversation begins with"),
        ([TALK[0], {"role": "tool", "content": "hi"}], "message 2 is the tool's"),
        ([{"role": "usr", "content": "hi"}], "message 1 has role 'usr': did you mean 'user'"),
        ([{"content": "hi"}], "message 1 has role None"),
        (["hi"], "message 1 has role None"),
        ([TALK[1], {"role": "user"}], "message 2 has no text"),
        ([{"role": "user", "content": 3}], "message 1 has no text"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "message 1 has content that is no"),
    ],
)
def test_what_is_no_conversation_is_refused(messages: list[Any], said: str):
    with pytest.raises(DataError, match=said):
        render(CHATML, messages)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('roles must alternate') }}", "does not take these messages: roles must alternate"),
        ("{% if %}", "not valid Jinja"),
        ("{{ messages[0].content.nothing.more }}", "does not take these messages"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "does not take these messages"),
        ("{{ messages.append(1) }}", "does not take these messages"),
        ("{{ range(10 ** 9) | list }}", "fails on these messages"),
        ("{{ 'a' + 1 }}", "fails on these messages"),
        ("{% include '/etc/passwd' %}", "does not take|fails on"),
    ],
)
def test_a_template_is_data_in_a_sandbox(template: str, said: str):
    with pytest.raises(DataError, match=said):
        render(template, TALK)
