"""A fit from beginning to end: data in, what was inferred, how long, the loss as it falls, the first samples."""

from __future__ import annotations

import re
import secrets
import time
from math import nan
from typing import Any

import gradio as gr
import pandas as pd

from conjure import catalog
from conjure.server import confined
from conjure.server.errors import Refusal
from conjure.server.forms import form
from conjure.server.jobs import CANCELLED, FINISHED, OVER, QUEUED, RUNNING, Order
from conjure.server.studio.curves import to_svg
from conjure.server.studio.house import House, told
from conjure.verbs import recipe_for

KINDS = ("number", "category", "boolean", "datetime", "date", "time", "id", "text", "constant")
UNNAMED = "a name for what is learnt"
SECONDS = 1.0


def page(house: House, pages: gr.Blocks) -> None:
    """Asking for a fit, and watching the one chosen."""
    if house.jobs is None:
        gr.Markdown("This server keeps nothing: start it with `--root FOLDER` to fit models here.")
        return
    with gr.Row():
        app = gr.Dropdown(list(catalog.APPS), value="tables", label="Kind of data")
        recipe = gr.Dropdown([], label="Recipe")
        minutes = gr.Number(2, label="Minutes", minimum=0.05, maximum=24 * 60)
        name = gr.Textbox(label="Name", placeholder=UNNAMED)
        offered = gr.State("")
    with gr.Row():
        files = gr.File(label="Your data: drop it here", file_count="multiple", scale=3)
        example = gr.Dropdown([], label="or an example set", scale=1)
    schema = gr.Dataframe(
        headers=["column", "kind", "example"],
        label="What was inferred: change a kind where it is wrong",
        interactive=True,
        visible=False,
    )
    rules = gr.Textbox(label="Rules that every row obeys, one a line, such as end >= start", lines=2)
    with gr.Accordion("All settings", open=False):
        settings = gr.Dataframe(headers=["setting", "value", "kind"], interactive=True, label="Change a value")
    go = gr.Button("Fit", variant="primary")
    watched = gr.Dropdown([], label="Fits", interactive=True)
    status = gr.Markdown()
    loss = gr.HTML(label="Loss")
    with gr.Row():
        stop, on = gr.Button("Stop, and keep what was learnt"), gr.Button("Go on with it")
    preview, seen = gr.HTML(label="Samples so far"), gr.State([])
    clock = gr.Timer(SECONDS)

    app.change(told(of_app), app, [recipe, example, rules])
    gr.on([recipe.change], told(of_recipe), [app, recipe], settings)
    gr.on(
        [files.change, example.change],
        told(lambda *w: inferred(house, *w)),
        [app, files, example],
        [schema, name, offered],
    )
    asked = [app, recipe, minutes, name, offered, files, example, schema, rules, settings]
    go.click(told(lambda *w: begin(house, *w)), asked, watched)
    look = told(lambda *w: now(house, *w))
    gr.on([clock.tick, watched.change], look, [watched, seen], [status, loss, preview, seen], show_progress="hidden")
    stop.click(told(lambda n: end(house, n)), watched, None)
    on.click(told(lambda n: _resumed(house, n)), watched, None)
    pages.load(told(of_app), app, [recipe, example, rules])
    pages.load(lambda: fits(house), None, watched)


def of_app(app: str) -> tuple[Any, Any, Any]:
    """The recipes and example sets of a kind of data."""
    product = catalog.resolve("apps", app)
    sets = list(catalog.part(product.domain, "corpus").EMBEDDED)
    made = {name: make() for name, make in product.recipes.items()}
    names = [name for name, recipe in made.items() if recipe.through != "?" or recipe.first]
    rules = gr.Textbox(visible=product.domain == "table")
    return gr.Dropdown(choices=names, value=product.default), gr.Dropdown(choices=sets, value=None), rules


def of_recipe(app: str, recipe: str) -> list[list[str]]:
    """A recipe's settings as rows."""
    if not recipe or recipe not in catalog.resolve("apps", app).recipes:
        return []
    fields = [field for group in form(recipe_for(app, recipe=recipe)) for field in group["fields"]]
    kinds = [f["kind"] if f["choices"] is None else " | ".join(map(str, f["choices"])) for f in fields]
    return [[f["path"], _word(f["value"]), kind] for f, kind in zip(fields, kinds)]


def inferred(house: House, app: str, files: Any, example: str | None) -> tuple[Any, Any, str]:
    """Columns of a table with their kinds, and a name for who gives none: beside the box, never over what is typed."""
    if not files and not example:
        return gr.Dataframe(visible=False), gr.Textbox(placeholder=UNNAMED), ""
    product = catalog.resolve("apps", app)
    first = files if isinstance(files, str) else (files or [example])[0]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", re.split(r"[\\/]", str(first))[-1].partition(".")[0]).strip("-.") or app
    name = f"{stem[:40]}-{secrets.token_hex(2)}"
    named = gr.Textbox(placeholder=name), name
    if product.domain != "table":
        return gr.Dataframe(visible=False), *named
    from conjure.domains.table.schema import Schema

    frame, _ = catalog.part("table", "corpus").read(example if not files else first)
    some = frame.sample(20_000, 0) if hasattr(frame, "chunks") else frame.head(20_000)
    columns = [[c.name, c.kind, str(c.example)] for c in Schema.infer(some).columns]
    return gr.Dataframe(value=columns, visible=True), *named


def begin(house: House, app: str, recipe: str, minutes: float, name: str, *rest: Any) -> Any:
    """Queue a fit."""
    offered, files, example, schema, rules, settings = rest
    product = catalog.resolve("apps", app)
    name = name.strip() or offered
    place = house.shelf.place(name)
    if place.exists() or name in house.shelf.given:
        raise Refusal(409, f"{name!r} is taken: choose another name")
    data = house.brought(files, example, product.domain)
    words = changed(app, recipe, settings)
    if product.domain == "table":
        words += tabular(data, schema, rules)
    choice = {"recipe": recipe, "model": None, "settings": words, "start": None, "through": None}
    confined.settings(recipe_for(app, recipe=recipe, settings=words))
    asked = {"app": app, "recipe": recipe, "settings": words, "minutes": minutes}
    order = Order(app, data, str(place), choice, float(minutes), None, preview=house.preview)
    job = house.jobs.submit(name, order, asked)  # type: ignore[union-attr]
    return fits(house, job["number"])


def changed(app: str, recipe: str, table: Any) -> list[str]:
    """The settings that differ from the recipe's."""
    before = {path: value for path, value, _ in of_recipe(app, recipe)}
    found = table.values.tolist() if isinstance(table, pd.DataFrame) else table or []
    return [f"{p}={_quoted(v)}" for p, v, *_ in found if p in before and str(v) != before[p]]


def tabular(data: str, schema: Any, rules: str) -> list[str]:
    """Words for kinds that a person changed, and for rules."""
    from conjure.domains.table.schema import Schema

    frame, _ = catalog.part("table", "corpus").read(data)
    some = frame.sample(20_000, 0) if hasattr(frame, "chunks") else frame.head(20_000)
    was = {c.name: c.kind for c in Schema.infer(some).columns}
    rows = schema.values.tolist() if isinstance(schema, pd.DataFrame) else schema or []
    kinds = {str(n): str(k).strip() for n, k, *_ in rows if str(n) in was and str(k).strip() != was[str(n)]}
    if wrong := [kind for kind in kinds.values() if kind not in KINDS]:
        raise Refusal(400, f"{wrong[0]!r} is no kind of column: it can be {', '.join(KINDS)}")
    words = []
    if kinds:
        inner = ", ".join(f"{_quoted(n)} = {{kind = {_quoted(k)}}}" for n, k in kinds.items())
        words.append(f"codec.schema={{columns = {{{inner}}}}}")
    lines = [line.strip() for line in (rules or "").splitlines() if line.strip()]
    return words + ([f"codec.rules=[{', '.join(map(_quoted, lines))}]"] if lines else [])


def now(house: House, number: str | None, seen: list[str]) -> tuple[str, Any, Any, list[str]]:
    """Where the watched fit is: in words; as curves, and its latest samples, where they are not the ones seen."""
    if not number:
        return "", "", "", []
    job, lines = house.jobs.get(number), house.jobs.progress(number)  # type: ignore[union-attr]
    curves = {
        kind: [(line["step"], value) for line in lines if (value := line.get("metrics", {}).get(kind, nan)) == value]
        for kind in ("loss", "held_out")
    }
    warned = [w for line in lines for w in line.get("warnings", [])] + [
        line["said"] for line in lines if "said" in line
    ]
    at = next((line for line in reversed(lines) if "fraction" in line), None)
    done = f" {at['fraction']:.0%}, {at['left']:.0f} s left" if at and job["status"] == RUNNING else ""
    behind = f" {job['place']} before it" if job["status"] == QUEUED else ""
    words = [f"**{job['name']}**: {job['status']}{done}{behind}. {job['message']}", *map(_remark, warned)]
    sight, which = samples(house, job)
    shown = [f"{number} {len(curves['loss'])}", which]
    parts = [gr.skip() if name in seen else part for name, part in zip(shown, (to_svg(curves), sight))]
    return "\n".join(words), *parts, shown


def samples(house: House, job: dict[str, Any]) -> tuple[str, str]:
    """A fit's latest samples, and what tells them from others."""
    found = house.jobs.preview(job["number"])  # type: ignore[union-attr]
    if found is None:
        return "", job["number"]
    over = job["status"] in (FINISHED, CANCELLED)
    title = "What the model makes now" if over else f"What the model makes after step {found['step']:,}"
    return f"<p>{title}</p>{found['html']}", f"{job['number']} {found['step']} {over}"


def end(house: House, number: str | None) -> None:
    """Stop the watched fit."""
    if number:
        house.jobs.cancel(number)  # type: ignore[union-attr]


def _resumed(house: House, number: str | None) -> None:
    if number:
        house.jobs.resume(number)  # type: ignore[union-attr]


def fits(house: House, chosen: str | None = None) -> Any:
    """All fits as a dropdown's choices; after a reload the one that runs is watched."""
    known = house.jobs.all()  # type: ignore[union-attr]
    begun = [time.strftime("%d %b %H:%M", time.localtime(job["created"])) for job in known]
    choices = [(f"{job['name']}, {when}", job["number"]) for job, when in zip(known, begun)]
    open_ones = sorted((job for job in known if job["status"] not in OVER), key=lambda job: job["status"] != RUNNING)
    return gr.Dropdown(choices=choices, value=chosen or next((job["number"] for job in open_ones), None))


def _remark(text: str) -> str:
    return f"\n```\n{text}\n```" if "\n" in text else f"- {text}"


def _word(value: Any) -> str:
    return "" if value is None else str(value)


def _quoted(value: Any) -> str:
    text = str(value)
    plain = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?|true|false|\[.*\]", text.lower())
    return (
        text.lower()
        if plain and text.lower() in ("true", "false")
        else text
        if plain
        else '"' + text.replace('"', '\\"') + '"'
    )
