"""Chat templates: how messages become the one text a model was taught to answer, in Jinja as weights carry it.

A template is data of a stranger: it runs in a sandbox that shows it the messages and nothing else.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from conjure.core.config import nearest
from conjure.core.errors import DataError
from conjure.domains.chat.tokenizer import Tokenizer

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PLAIN = (
    "{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
NO_TEMPLATE = "No chat template came with these weights: messages are written in a usual form they may not know."
ROLES = ("system", "developer", "user", "assistant", "tool")


def usual(tokenizer: Tokenizer, ends: list[int]) -> tuple[str, list[int]]:
    """A template for weights that came without one, and the ends with the token it closes an answer by.

    ChatML where the tokenizer knows its marks, names and colons otherwise.
    """
    closing = tokenizer.number("<|im_end|>")
    if closing is None or tokenizer.number("<|im_start|>") is None:
        return PLAIN, ends
    return CHATML, [*ends, *([] if closing in ends else [closing])]


def render(
    template: str,
    messages: list[dict[str, Any]],
    *,
    answer: bool = True,
    tools: list[dict[str, Any]] | None = None,
    names: dict[str, str] | None = None,
) -> str:
    """The text of messages ({"role", "content", ...} each), with the beginning of an answer where asked for.

    names: what the template calls special tokens ("bos_token", "eos_token"). DataError for messages that are no
    conversation (see `checked`), and where the template itself refuses them.
    """
    import jinja2

    told = {"messages": checked(messages), "tools": tools, "add_generation_prompt": answer}
    try:
        return _compiled(template).render(**told, **(names or {}))
    except jinja2.TemplateError as error:
        raise DataError(f"the model's chat template does not take these messages: {error}") from None
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, MemoryError, RecursionError) as error:
        raise DataError(f"the model's chat template fails on these messages: {error}") from None


def checked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with each content as one text, in the order a model is taught.

    DataError names the message that is none: without a role or content, of an unknown role, of parts that are no
    text; and a conversation that is empty or that the assistant begins.
    """
    if not messages:
        raise DataError("the conversation is empty: it needs at least one message")
    made = []
    for at, message in enumerate(messages, 1):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            raise DataError(f"message {at} has role {role!r}: {nearest(str(role), ROLES)}")
        made.append({**message, "content": _text(message.get("content"), at, bool(message.get("tool_calls")))})
    first = next((at for at, message in enumerate(made) if message["role"] not in ("system", "developer")), None)
    if first is not None and made[first]["role"] != "user":
        raise DataError(
            f"message {first + 1} is the {made[first]['role']}'s: a conversation begins with a message of the user "
            "(one of the system may come before it)"
        )
    return made


def _text(content: Any, at: int, calls: bool) -> str:
    """A message's text; content may be text, parts of type "text", or nothing beside calls of tools."""
    if isinstance(content, str):
        return content
    if content is None and calls:
        return ""
    if isinstance(content, list):
        parts = [p.get("text") if isinstance(p, dict) and p.get("type", "text") == "text" else None for p in content]
        if all(isinstance(part, str) for part in parts):
            return "".join(parts)  # type: ignore[arg-type]
        raise DataError(f"message {at} has content that is no text; this model reads text alone")
    raise DataError(f"message {at} has no text as its content")


@lru_cache(8)
def _compiled(template: str) -> Any:
    try:
        from jinja2 import TemplateSyntaxError, nodes
        from jinja2.ext import Extension
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        raise DataError("chat templates need jinja2: pip install 'conjure[language]'") from None

    class Generation(Extension):
        """{% generation %} marks, for training, what the assistant wrote; here its inside stands as it is."""

        tags = {"generation"}

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
    )
    sandbox.filters["tojson"] = _to_json
    sandbox.globals |= {"raise_exception": _refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
    try:
        return sandbox.from_string(template)
    except TemplateSyntaxError as error:
        raise DataError(f"the model's chat template is not valid Jinja: {error}") from None


def _to_json(x: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, **options)


def _refuse(reason: str) -> None:
    import jinja2

    raise jinja2.TemplateError(reason)
