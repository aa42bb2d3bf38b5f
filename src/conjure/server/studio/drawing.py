"""New objects: how many, under which conditions; seen as the domain shows them, and taken home."""

from __future__ import annotations

import secrets
from typing import Any

import gradio as gr

from conjure import sampling
from conjure.server import confined, packing
from conjure.server.studio.house import House, told
from conjure.server.studio.shown import Taken, players, seen, words

MOST = 10_000


def page(house: House, pages: gr.Blocks, tab: gr.Tab) -> None:
    """Choose, draw, look, download."""
    with gr.Row():
        name = gr.Dropdown([], label="Artifact", interactive=True)
        n = gr.Number(8, label="How many", precision=0, minimum=1, maximum=MOST)
        seed = gr.Number(None, label="Seed (empty: a new one)", precision=0, minimum=0)
    given = conditions()
    go = gr.Button("Draw", variant="primary")
    said = gr.Markdown()
    view, sounds = gr.HTML(label="Samples"), players()
    taken = Taken()

    @told
    def asked(chosen: str | None, table: Any) -> Any:
        return refreshed(words(house.shelf.get(chosen)) if chosen else [], table)

    @told
    def draw(chosen: str | None, count: float | None, number: float | None, table: Any) -> list[Any]:
        if not chosen:
            raise gr.Error("choose an artifact first; the Fit page makes one")
        if count is None or not 1 <= count <= MOST:
            raise gr.Error(f"how many is a number from 1 to {MOST:,}")
        artifact, conditions = house.shelf.get(chosen), filled(table)
        used = secrets.randbelow(1 << 31) if number is None else int(number)
        drawn = confined.words(artifact, conditions, house.uploads)
        made = sampling.sample(artifact, int(count), given=drawn, seed=used)
        line = packing.command("sample", chosen, given=conditions, n=int(count), seed=used)
        line, *buttons = taken.filled(artifact, made, f"{chosen}-{used}", line)
        return [f"`{line}`", *seen(artifact, made), *buttons]

    name.change(asked, [name, given], given)
    go.click(draw, [name, n, seed, given], [said, view, *sounds, *taken.parts])
    pages.load(lambda: choices(house), None, name)
    tab.select(lambda now: choices(house, now), name, name)


def conditions() -> gr.Dataframe:
    """A line for each word of a condition, beside what it can be."""
    return gr.Dataframe(
        headers=["what", "wanted", "it can be"],
        datatype=["str", "str", "str"],
        interactive=True,
        wrap=True,
        column_widths=["25%", "30%", "45%"],
        label="Conditions: fill in what is wanted",
    )


def refreshed(known: list[tuple[str, str]], table: Any) -> Any:
    """The words there are with nothing filled in; where a table has these already, what a person wrote there stays."""
    rows = [[word, "", can] for word, can in known]
    return (
        gr.skip()
        if rows and [[w, "", c] for w, _, c in rows_of(table)] == rows
        else gr.Dataframe(value=rows, visible=bool(rows))
    )


def rows_of(table: Any) -> list[list[Any]]:
    """A table of a page, however it comes."""
    return table.values.tolist() if hasattr(table, "values") else table or []


def choices(house: House, now: str | None = None, able: Any = None) -> Any:
    """The artifacts there are now (with `able` only those that are), as a dropdown's."""
    names = [name for name in house.shelf.names() if able is None or house.opens(name, able)]
    return gr.Dropdown(choices=names, value=now if now in names else (names[-1] if names else None))


def filled(table: Any) -> dict[str, str]:
    """The conditions that a person filled in."""
    found = rows_of(table)
    return {str(key): str(value).strip() for key, value, *_ in found if str(value).strip() not in ("", "nan", "None")}
