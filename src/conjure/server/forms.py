"""Forms out of the settings' own dataclasses: what a page shows for a recipe, and what a client may send."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from typing import Any

from conjure import catalog
from conjure.core.config import plain
from conjure.recipe import Recipe
from conjure.training.settings import Training


def form(recipe: Recipe) -> list[dict[str, Any]]:
    """Groups of a recipe's settings: for each field its path (`model.width`), kind, value, choices."""
    codec, model, objective = recipe.configs()
    parts = {"codec": codec, "model": model, "objective": objective}
    groups = [_group(name, type(config), dataclasses.asdict(config)) for name, config in parts.items()]
    training = {f.name: f.default for f in dataclasses.fields(Training)} | recipe.training
    return [*groups, _group("training", Training, training)]


def _group(name: str, kind: type, values: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = []
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        shape = _shape(hints[field.name])
        fields.append({"path": f"{name}.{field.name}", "value": plain(values[field.name]), **shape})
    return {"name": name, "about": inspect.getdoc(kind) or "", "fields": fields}


def _shape(hint: Any) -> dict[str, Any]:
    """The kind of one field: number, whole number, switch, choice, text or list; whether it may be left empty."""
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        optional, hint = len(inner) < len(typing.get_args(hint)), inner[0]
    if typing.get_origin(hint) is typing.Literal:
        return {"kind": "choice", "choices": list(typing.get_args(hint)), "optional": optional}
    kinds = {bool: "switch", int: "whole", float: "number", str: "text"}
    return {"kind": kinds.get(hint, "list"), "choices": None, "optional": optional}


def apps() -> list[dict[str, Any]]:
    """Every product with its recipes and the sets that come with it."""
    found = []
    for name in catalog.APPS:
        app = catalog.resolve("apps", name)
        found.append(
            {
                "name": name,
                "title": app.title,
                "domain": app.domain,
                "recipes": list(app.recipes),
                "default": app.default,
                "embedded": dict(catalog.part(app.domain, "corpus").EMBEDDED),
            }
        )
    return found
