"""A conversation with an artifact that can talk, word by word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from conjure.generation.request import Request
from conjure.models.decoding import Choice
from conjure.server.studio.house import House


def page(house: House) -> None:
    """One chat; the artifact and how it writes can be changed between answers."""
    with gr.Row():
        name = gr.Dropdown(list(house.talkers), value=next(iter(house.talkers)), label="Who answers")
        heat = gr.Slider(0, 2, value=0.7, step=0.05, label="Temperature")
        limit = gr.Slider(16, 2048, value=256, step=16, label="Tokens at most")

    def answer(message: str, before: list[Any], who: str, temperature: float, most: float) -> Iterator[str]:
        talker = house.talkers[who]
        messages = [{"role": m["role"], "content": _text(m["content"])} for m in before]
        prompt = talker.codec.prompt([*messages, {"role": "user", "content": message}])
        written = ""
        for piece in talker.writer.stream(Request(prompt, Choice(temperature=temperature), int(most))):
            written += piece.text
            yield written

    gr.ChatInterface(answer, additional_inputs=[name, heat, limit], fill_height=False)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
