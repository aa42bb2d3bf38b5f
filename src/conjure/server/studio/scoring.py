"""How typical each object of somebody's data is to a model, in nats."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from conjure import catalog, scoring
from conjure.screen import describe_scores, write_scores
from conjure.server.studio.bringing import Brought
from conjure.server.studio.house import House, told


def page(house: House, pages: gr.Blocks, tab: gr.Tab) -> None:
    """Choose an artifact with a likelihood, bring data; see how typical it is, and take a number a row home."""
    brought = Brought(house, "Data to score", lambda artifact: bool(artifact.score_kind))
    go = gr.Button("Score", variant="primary")
    said = gr.Textbox(label="log P in nats: higher is more typical", lines=3, interactive=False)
    take = gr.DownloadButton("Download a number for each", interactive=False)

    @told
    def score(chosen: str | None, files: Any, example: str | None) -> tuple[str, Any]:
        artifact = brought.opened(chosen)
        data = house.brought(files, example, artifact.recipe.domain)
        nats = scoring.score(artifact, catalog.part(artifact.recipe.domain, "corpus").read(data)[0])
        place = write_scores(nats, Path(tempfile.mkdtemp(prefix="conjure-")) / f"{chosen}-scores.csv")
        return describe_scores(nats, artifact.score_kind), gr.DownloadButton(value=str(place), interactive=True)

    go.click(score, brought.parts, [said, take])
    brought.follow(pages, tab)
