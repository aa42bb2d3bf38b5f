"""New objects: how many, under which conditions; seen as the domain shows them, and taken home."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from conjure import catalog, sampling
from conjure.server.artifacts import SUFFIX
from conjure.server.studio.house import House, told
from conjure.server.studio.shown import command, shown, words

MOST = 10_000


def page(house: House, pages: gr.Blocks, tab: gr.Tab) -> None:
    """Choose, draw, look, download."""
    with gr.Row():
        name = gr.Dropdown([], label="Artifact", interactive=True)
        n = gr.Number(8, label="How many", precision=0, minimum=1, maximum=MOST)
        seed = gr.Number(None, label="Seed (empty: a new one)", precision=0, minimum=0)
    given = gr.Dataframe(
        headers=["what", "wanted"],
        datatype=["str", "str"],
        interactive=True,
        label="Conditions: fill in what is wanted",
    )
    go = gr.Button("Draw", variant="primary")
    said = gr.Markdown()
    view = gr.HTML(label="Samples")
    take = gr.DownloadButton("Download", interactive=False)

    @told
    def asked(chosen: str | None) -> Any:
        known = words(house.shelf.get(chosen)) if chosen else []
        return gr.Dataframe(value=[[word, ""] for word in known], visible=bool(known))

    @told
    def draw(chosen: str | None, count: float, number: float | None, table: Any) -> tuple[str, str, Any]:
        if not chosen:
            raise gr.Error("choose an artifact first; the Fit page makes one")
        artifact, conditions = house.shelf.get(chosen), filled(table)
        used = secrets.randbelow(1 << 31) if number is None else int(number)
        made = sampling.sample(artifact, min(MOST, int(count)), given=conditions, seed=used)
        domain = artifact.recipe.domain
        place = Path(tempfile.mkdtemp(prefix="conjure-")) / f"{chosen}-{used}{SUFFIX.get(domain, '.json')}"
        written = catalog.part(domain, "corpus").write(made, place)
        line = f"`{command(chosen, int(count), used, conditions)} -o {place.name}`"
        return line, shown(domain, made, artifact), gr.DownloadButton(value=str(written), interactive=True)

    name.change(asked, name, given)
    go.click(draw, [name, n, seed, given], [said, view, take])
    pages.load(lambda: choices(house), None, name)
    tab.select(lambda now: choices(house, now), name, name)


def choices(house: House, now: str | None = None) -> Any:
    """The artifacts there are now, as a dropdown's."""
    names = house.shelf.names()
    return gr.Dropdown(choices=names, value=now if now in names else (names[-1] if names else None))


def filled(table: Any) -> dict[str, str]:
    """The conditions that a person filled in."""
    found = table.values.tolist() if hasattr(table, "values") else table or []
    return {str(key): str(value).strip() for key, value in found if str(value).strip() not in ("", "nan", "None")}
