"""What there is: every artifact with its card; files in and out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from conjure.artifact import _card
from conjure.server.artifacts import about
from conjure.server.errors import Refusal
from conjure.server.studio.house import House, told
from conjure.server.uploads import UNPACKED

HEADER = ["name", "data", "kind", "model", "rows", "made"]


def rows(house: House) -> list[list[Any]]:
    """A line an artifact."""
    found = []
    for name in house.shelf.names():
        try:
            a = about(name, house.shelf.get(name))
            found.append([name, a["data"], a["domain"], a["model"], a["rows"], a["made"]])
        except Refusal as refusal:
            found.append([name, str(refusal), "", "", "", ""])
    return found


def page(house: House, pages: gr.Blocks) -> None:
    """Artifacts and the card of the chosen one."""
    shelf = gr.Dataframe(headers=HEADER, interactive=False, label="Artifacts: choose one to see its card", wrap=True)
    card = gr.Markdown(container=True, label="Card")
    with gr.Row():
        take = gr.DownloadButton("Download the chosen artifact", interactive=False)
        bring = gr.UploadButton("Bring an artifact (.zip)", file_types=[".zip"])
        again = gr.Button("Look again")

    @told
    def chosen(event: gr.SelectData) -> tuple[str, Any]:
        name = str(event.row_value[0])
        found = house.shelf.get(name)
        place = Path(tempfile.mkdtemp(prefix="conjure-")) / f"{name}.zip"
        with house.shelf.packed(name) as file:
            place.write_bytes(file.read())
        return _card(found), gr.DownloadButton(value=str(place), interactive=True)

    def chosen_row(event: gr.SelectData) -> Any:
        return chosen(event)

    @told
    def brought(file: str) -> list[list[Any]]:
        house.shelf.unpack(Path(file).stem, Path(file), UNPACKED)
        return rows(house)

    shelf.select(chosen_row, None, [card, take])
    bring.upload(brought, bring, shelf)
    again.click(lambda: rows(house), None, shelf)
    pages.load(lambda: rows(house), None, shelf)
