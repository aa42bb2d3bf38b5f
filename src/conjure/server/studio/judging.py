"""The report on data the model never saw, as the command line writes it."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from conjure import catalog, evaluation
from conjure.server.studio.bringing import Brought
from conjure.server.studio.house import House, told

LABEL = "Data the model never saw (or what it was fitted with: the held-out part is taken)"


def page(house: House, pages: gr.Blocks, tab: gr.Tab) -> None:
    """Choose an artifact and held-out data; see the report and take it home."""
    brought = Brought(house, LABEL, lambda artifact: artifact.recipe.domain in catalog.REPORTS)
    go = gr.Button("Evaluate", variant="primary")
    view = gr.HTML(label="Report")
    take = gr.DownloadButton("Download the report", interactive=False)

    @told
    def judge(chosen: str | None, files: Any, example: str | None) -> tuple[str, Any]:
        artifact = brought.opened(chosen)
        report = evaluation.evaluate(artifact, house.brought(files, example, artifact.recipe.domain))
        place = Path(tempfile.mkdtemp(prefix="conjure-")) / f"{chosen}-report.html"
        page, _ = report.write(place)
        inside = html.escape(report.to_html(), quote=True)
        frame = f'<iframe title="report" sandbox style="width:100%;height:80vh;border:0" srcdoc="{inside}"></iframe>'
        return frame, gr.DownloadButton(value=str(page), interactive=True)

    go.click(judge, brought.parts, [view, take])
    brought.follow(pages, tab)
