"""All pages of the studio, and how they are mounted: offline, in one look, at phone width, dark and light."""

from __future__ import annotations

from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from conjure.server.studio import completing, composing, drawing, fitting, gallery, judging, scoring, talking
from conjure.server.studio.house import House

PATH = "/studio"
FONTS = ["system-ui", "sans-serif"]
RATING = (
    '<p><a href="{place}" target="_blank">On a page of its own</a></p>'
    '<iframe title="rating" src="{place}" loading="lazy" style="width:100%;height:80vh;border:0"></iframe>'
)
CSS = (
    ".gradio-container{max-width:min(1100px,100vw)!important;margin:auto}footer{display:none!important}"
    ".tab-wrapper,.tab-container[role=tablist]{height:auto!important;flex-wrap:wrap}"  # tabs in lines, at phone width
    ".tab-container.visually-hidden{max-width:100%;overflow:hidden}"
    ".gradio-container,.gradio-container .main,.gradio-container .wrap,.contain,.contain .column,.tabs,.tab-wrapper"
    "{min-width:0;max-width:100%}"
)


def build(house: House) -> gr.Blocks:
    """The studio of a server."""
    with gr.Blocks(title="conjure studio", analytics_enabled=False) as pages:
        gr.Markdown("# conjure\nLearn the distribution of your data, make more in its likeness, judge it honestly.")
        kept = talking.memory()
        with gr.Tabs():
            with gr.Tab("Gallery", id="gallery"):
                gallery.page(house, pages)
            with gr.Tab("Fit", id="fit"):
                fitting.page(house, pages)
            with gr.Tab("Sample", id="sample") as tab:
                drawing.page(house, pages, tab)
            with gr.Tab("Evaluate", id="evaluate") as tab:
                judging.page(house, pages, tab)
            with gr.Tab("Score", id="score") as tab:
                scoring.page(house, pages, tab)
            with gr.Tab("Complete", id="complete") as tab:
                completing.page(house, pages, tab)
            with gr.Tab("Compose", id="compose") as tab:
                composing.page(house, pages, tab)
            if house.talkers:
                with gr.Tab("Chat", id="chat"):
                    talking.page(house, pages, kept)
            if house.rating:
                with gr.Tab("Rate", id="rate"):
                    gr.HTML(RATING.format(place=f"..{house.rating}"))
    return pages


def mount(app: FastAPI, house: House) -> None:
    """Put the studio at /studio of an application."""
    theme: Any = gr.themes.Base(font=FONTS, font_mono=["ui-monospace", "monospace"])
    pages = build(house).queue(max_size=64, default_concurrency_limit=4)
    app.add_api_route("/", lambda: RedirectResponse(f"{PATH}/"), include_in_schema=False)
    gr.mount_gradio_app(app, pages, path=PATH, theme=theme, css=CSS, ssr_mode=False, show_error=True, footer_links=[])
