"""Data with what it lacks: gaps of a table filled, texts translated, series gone on with, pictures restyled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from conjure import sampling
from conjure.artifact import Artifact
from conjure.server import packing
from conjure.server.studio.bringing import Brought
from conjure.server.studio.house import House, told
from conjure.server.studio.shown import Taken, players, seen


def able(artifact: Artifact) -> bool:
    """Whether an artifact completes anything."""
    return hasattr(artifact.codec, "complete") and artifact.first is None


def page(house: House, pages: gr.Blocks, tab: gr.Tab) -> None:
    """Choose an artifact, bring what is to be completed; see it and take it home."""
    brought = Brought(house, "A table with gaps, texts to translate, a series to go on with, pictures", able)
    with gr.Row():
        to = gr.Textbox(label="Style wanted (of pictures in two styles)")
        seed = gr.Number(0, label="Seed", precision=0, minimum=0)
    go = gr.Button("Complete", variant="primary")
    said = gr.Markdown()
    view, sounds = gr.HTML(label="Completed"), players()
    taken = Taken()

    @told
    def complete(chosen: str | None, files: Any, example: str | None, style: str, number: float | None) -> list[Any]:
        artifact, used = brought.opened(chosen), int(number or 0)
        if not files and not example:
            raise gr.Error("bring a file, or choose an example")
        data = house.brought(files, example, artifact.recipe.domain)
        conditions = {"to": style.strip()} if style.strip() else {}
        made = sampling.complete(artifact, sampling.read_questions(artifact, data), given=conditions, seed=used)
        line = packing.command("complete", str(chosen), Path(data).name, given=conditions, seed=used)
        line, *buttons = taken.filled(artifact, made, f"{chosen}-completed", line)
        return [f"`{line}`", *seen(artifact, made), *buttons]

    go.click(complete, [*brought.parts, to, seed], [said, view, *sounds, *taken.parts])
    brought.follow(pages, tab)
