"""What the pages about a person's own data share: which artifact, and data brought or chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from conjure import catalog
from conjure.artifact import Artifact
from conjure.server.studio.drawing import choices
from conjure.server.studio.house import House, told


class Brought:
    """An artifact's name, an example set (where examples serve), and a file of one's own."""

    def __init__(self, house: House, label: str, able: Callable[[Artifact], bool], examples: bool = True):
        self.house, self.able = house, able
        with gr.Row():
            self.name = gr.Dropdown([], label="Artifact", interactive=True)
            self.example = gr.Dropdown([], label="or an example set", interactive=True, visible=examples)
        self.files = gr.File(label=label)
        self.name.change(told(self._embedded), self.name, self.example)

    @property
    def parts(self) -> list[Any]:
        return [self.name, self.files, self.example]

    def follow(self, pages: gr.Blocks, tab: gr.Tab) -> None:
        """Keep the choice of artifacts at what there is."""
        pages.load(lambda: choices(self.house, None, self.able), None, self.name)
        tab.select(lambda now: choices(self.house, now, self.able), self.name, self.name)

    def opened(self, chosen: str | None) -> Artifact:
        """The artifact that was chosen."""
        if not chosen:
            raise gr.Error("choose an artifact first; the Fit page makes one")
        return self.house.shelf.get(chosen)

    def _embedded(self, chosen: str | None) -> Any:
        found = []
        if chosen:
            found = list(catalog.part(self.house.shelf.get(chosen).recipe.domain, "corpus").EMBEDDED)
        return gr.Dropdown(choices=found, value=None)
