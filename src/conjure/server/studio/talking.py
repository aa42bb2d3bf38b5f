"""A conversation with an artifact that can talk, word by word."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from conjure.generation.request import Request
from conjure.models.decoding import Choice
from conjure.server.studio.house import House

PACE = 0.15  # seconds from one look at an answer to the next: a page drawn anew for each token hears no click
KEPT = "conjure-chat"  # where a browser keeps the conversation, which is its owner's and lies there in the open


def memory() -> gr.BrowserState:
    """What the browser keeps of the conversation; to be made outside of tabs, which come to life only when opened."""
    return gr.BrowserState([], storage_key=KEPT, secret=KEPT)


def page(house: House, pages: gr.Blocks, kept: gr.BrowserState) -> None:
    """One chat; the artifact and how it writes can be changed between answers. A reload finds it again."""
    with gr.Row():
        name = gr.Dropdown(list(house.talkers), value=next(iter(house.talkers)), label="Who answers")
        heat = gr.Slider(0, 2, value=0.7, step=0.05, label="Temperature")
        limit = gr.Slider(16, 2048, value=256, step=16, label="Tokens at most")

    def answer(message: str, before: list[Any], who: str, temperature: float, most: float) -> Iterator[str]:
        talker = house.talkers[who]
        messages = [{"role": m["role"], "content": _text(m["content"])} for m in before]
        prompt = talker.codec.prompt([*messages, {"role": "user", "content": message}])
        written, shown = "", 0.0
        for piece in talker.writer.stream(Request(prompt, Choice(temperature=temperature), int(most))):
            written += piece.text
            if (now := time.monotonic()) - shown >= PACE:
                shown = now
                yield written
        yield written

    named = {"submit_btn": "Send", "stop_btn": "Stop"}  # pictures alone would have no name to a screen reader
    chat = gr.ChatInterface(answer, additional_inputs=[name, heat, limit], fill_height=False, **named)
    quietly: Any = {"show_progress": "hidden", "queue": False}
    # A page that opens begins with nothing said, which is not to be kept in the place of what was.
    chat.chatbot.change(lambda said: said or gr.skip(), chat.chatbot, kept, trigger_mode="always_last", **quietly)
    chat.chatbot.clear(lambda: [], None, kept, **quietly)
    pages.load(lambda said: (said, said), kept, [chat.chatbot, chat.chatbot_state], **quietly)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
