"""Messages as a model's chat template takes them, tools included, and what is cut from those that are too long."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from conjure.core.errors import DataError
from conjure.server.errors import Refusal
from conjure.server.language.calls import CLOSE, OPEN
from conjure.server.language.shapes import Message, Tool
from conjure.server.language.talker import Talker

DESCRIBED = (
    "You may call functions. Each line between <tools> and </tools> describes one as JSON:\n"
    "<tools>\n{tools}\n</tools>\n"
    "To call one, write a JSON object with its name and its arguments between these tags, and nothing else:\n"
    '<tool_call>\n{{"name": "...", "arguments": {{...}}}}\n</tool_call>'
)


@dataclass(frozen=True)
class Read:
    """A prompt's tokens, and how many of its tokens were cut so that it fits."""

    tokens: list[int]
    cut: int = 0


def read_chat(talker: Talker, messages: list[Message], tools: list[Tool], kept: int | None, answer: int) -> Read:
    """Tokens of a conversation. kept: at most these many, the first turns being cut (None: refused where too long).

    answer: tokens of the context that cutting leaves for what is written.
    """
    template = getattr(talker.codec, "template", None)
    if template is None:
        raise Refusal(400, f"{talker.name} has no chat template: use /v1/completions", param="model")
    spoken = [_plain(m, f"messages[{at}]") for at, m in enumerate(messages)]
    first = next((at for at, m in enumerate(spoken) if m["role"] != "system"), None)
    if first is not None and spoken[first]["role"] != "user":
        said = f"messages[{first}] is the {spoken[first]['role']}'s: a conversation begins with the user, or the system"
        raise Refusal(400, said, param=f"messages[{first}].role")
    described = [t.model_dump(exclude_none=True) for t in tools]
    native = "<tool_call>" in template and "tools" in template
    if not native:
        spoken = [_written(m) for m in spoken]
        if described:
            spoken = _told(spoken, described)
    characters = sum(len(str(m["content"] or "")) for m in spoken)
    if kept is None:
        talker.check_length(characters, "messages")

    def tokens(some: list[dict[str, Any]]) -> list[int]:
        try:
            return talker.codec.prompt(some, described if native and described else None)  # type: ignore[attr-defined]
        except DataError as error:
            raise Refusal(400, str(error), param="messages") from None

    return fitted(talker, _shortened(spoken, tokens, room(talker, kept, answer)), "the conversation", "messages", kept)


def room(talker: Talker, kept: int | None, answer: int) -> int | None:
    """Tokens that a prompt may have, None for any number."""
    if kept is None or talker.context is None:
        return None if kept in (None, -1) else kept
    most = max(1, talker.context - min(answer, max(1, talker.context // 2)))
    return most if kept == -1 else min(kept, talker.context - 1)


@dataclass(frozen=True)
class Shortened:
    """Tokens of what is left of a prompt, and of all of it; `most` of them may stay."""

    tokens: list[int]
    whole: int
    most: int | None


def _shortened(spoken: list[dict[str, Any]], tokens: Any, most: int | None) -> Shortened:
    """Drop the oldest turns, but not what the system says, until the rest fits."""
    found = tokens(spoken)
    whole = len(found)
    if most is None or whole <= most:
        return Shortened(found, whole, most)
    head = [m for m in spoken if m["role"] in ("system", "developer")]
    starts = [at for at, m in enumerate(spoken) if m["role"] == "user"][1:]
    low, high = 0, len(starts)
    while low < high:  # the first turn from which on it fits
        middle = (low + high) // 2
        rest = [m for m in spoken[starts[middle] :] if m["role"] not in ("system", "developer")]
        if len(tokens([*head, *rest])) <= most:
            high = middle
        else:
            low = middle + 1
    if starts:
        last = starts[min(low, len(starts) - 1)]
        found = tokens([*head, *(m for m in spoken[last:] if m["role"] not in ("system", "developer"))])
    return Shortened(found, whole, most)


def fitted(talker: Talker, found: Shortened, what: str, param: str, kept: int | None) -> Read:
    """The tokens as the model will read them; Refusal 400 where they are too many and none may be cut."""
    tokens = found.tokens if found.most is None else found.tokens[-found.most :]
    if talker.context is not None and len(tokens) >= talker.context:
        raise talker.too_long(f"{what} has {len(tokens)} tokens, which with an answer", param)
    if kept == 0:
        raise Refusal(400, "truncate_prompt_tokens is 0; it should be above, or -1", param="truncate_prompt_tokens")
    return Read(tokens, found.whole - len(tokens))


def read_text(talker: Talker, prompt: str | list[int], kept: int | None, answer: int, param: str) -> Read:
    """Tokens of a text to go on with, or tokens as they are; its beginning is cut as in `read_chat`."""
    if not len(prompt):
        raise Refusal(400, f"{param} is empty: give some text to go on from", param=param)
    if isinstance(prompt, str):
        if kept is None:
            talker.check_length(len(prompt), param)
        tokens = talker.cut(prompt, param)
    else:
        tokens = talker.check(prompt, param)
    return fitted(talker, Shortened(tokens, len(tokens), room(talker, kept, answer)), param, param, kept)


def _plain(message: Message, where: str) -> dict[str, Any]:
    """A message as templates take it: arguments of calls are objects, contents are texts."""
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if isinstance(message.content, list):
        for at, part in enumerate(message.content):
            if part.get("type") not in ("text", "input_text", "refusal"):
                raise Refusal(
                    400,
                    f"content of type {part.get('type')!r} cannot be read: text can",
                    param=f"{where}.content[{at}]",
                )
        found["content"] = "".join(str(p.get("text", p.get("refusal", ""))) for p in message.content)
    if found["content"] is None:
        found["content"] = ""
    if message.role == "developer":
        found["role"] = "system"
    if message.name:
        found["name"] = message.name
    if message.tool_call_id:
        found["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        found["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": _object(c.function)}}
            for c in message.tool_calls
        ]
    return found


def _object(called: Any) -> Any:
    try:
        return json.loads(called.arguments or "{}")
    except ValueError:
        return called.arguments  # what a client made of a call that was cut short


def _written(message: dict[str, Any]) -> dict[str, Any]:
    """Calls and results as text, for templates that know neither."""
    if message["role"] == "tool":
        return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
    calls = message.pop("tool_calls", [])
    texts = [OPEN + json.dumps(call["function"], ensure_ascii=False) + CLOSE for call in calls]
    return (
        {**message, "content": "\n".join([message["content"], *texts] if message["content"] else texts)}
        if texts
        else message
    )


def _told(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the description of the tools behind what the system says."""
    text = DESCRIBED.format(tools="\n".join(json.dumps(t, ensure_ascii=False) for t in tools))
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]
