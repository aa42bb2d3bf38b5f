"""The report on data the model never saw, as the command line writes it."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from conjure import catalog, evaluation
from conjure.server.studio.drawing import choices
from conjure.server.studio.house import House, told


def page(house: House, pages: gr.Blocks, tab: gr.Tab) -> None:
    """Choose an artifact and held-out data; see the report and take it home."""
    with gr.Row():
        name = gr.Dropdown([], label="Artifact", interactive=True)
        example = gr.Dropdown([], label="or an example set", interactive=True)
    files = gr.File(label="Data the model never saw (or what it was fitted with: the held-out part is taken)")
    go = gr.Button("Evaluate", variant="primary")
    view = gr.HTML(label="Report")
    take = gr.DownloadButton("Download the report", interactive=False)

    @told
    def embedded(chosen: str | None) -> Any:
        found = [] if not chosen else list(catalog.part(house.shelf.get(chosen).recipe.domain, "corpus").EMBEDDED)
        return gr.Dropdown(choices=found, value=None)

    @told
    def judge(chosen: str | None, brought: Any, set_name: str | None) -> tuple[str, Any]:
        if not chosen:
            raise gr.Error("choose an artifact first; the Fit page makes one")
        artifact = house.shelf.get(chosen)
        report = evaluation.evaluate(artifact, house.brought(brought, set_name, artifact.recipe.domain))
        place = Path(tempfile.mkdtemp(prefix="conjure-")) / f"{chosen}-report.html"
        page, _ = report.write(place)
        inside = html.escape(report.to_html(), quote=True)
        frame = f'<iframe title="report" sandbox style="width:100%;height:80vh;border:0" srcdoc="{inside}"></iframe>'
        return frame, gr.DownloadButton(value=str(page), interactive=True)

    name.change(embedded, name, example)
    go.click(judge, [name, files, example], [view, take])
    pages.load(lambda: choices(house), None, name)
    tab.select(lambda now: choices(house, now), name, name)
