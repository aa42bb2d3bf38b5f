"""Samples and artifacts for people: the one way in which notebook, report, preview and studio show them."""

from __future__ import annotations

import html
from typing import Any

from conjure import catalog
from conjure.artifact import Artifact
from conjure.domains.shown import page


def objects(domain: str, found: Any, artifact: Artifact | None = None) -> str:
    """Objects as HTML by their domain's view; rows of a table that break a rule the artifact declares are marked."""
    view = catalog.part(domain, "view")
    if domain == "table" and artifact is not None and artifact.codec.schema.rules:
        marked = view.to_html(found, rules=artifact.codec.schema.rules, codec=artifact.codec)
        return f'<div style="overflow-x:auto">{marked}</div>'
    return page(view, found)


def parted(domain: str) -> bool:
    """Whether objects can be cut: rows of several tables hang together."""
    return getattr(catalog.part(domain, "corpus"), "PARTED", True)


def cut(domain: str, found: Any, start: int, stop: int) -> Any:
    """Some of many objects, in order; all of those that hang together."""
    if not parted(domain):
        return found
    how = getattr(catalog.part(domain, "corpus"), "cut", None)
    return how(found, start, stop) if callable(how) else found[start:stop]


def about(artifact: Artifact) -> str:
    """An artifact in a few lines of HTML: what it is of, by what model, how well it did."""
    recipe, card = artifact.recipe, artifact.card
    source, metrics = card.get("source", {}), card.get("metrics", {})
    loss = metrics.get("held_out_loss")
    told = {
        "data": f"{source.get('name', 'data')}, {source.get('rows', '?')} {recipe.domain} records",
        "licence of the data": source.get("licence", "unknown"),
        "model": f"{recipe.model}, {size(artifact):,} learnt numbers, trained for {recipe.objective}",
        "made": f"{card.get('made', 'undated')}, seed {recipe.seed}",
        "held-out loss": "" if loss is None else f"{loss:.4f}",
    }
    rows = "".join(f"<tr><td>{name}</td><td>{html.escape(value)}</td></tr>" for name, value in told.items() if value)
    title = html.escape(f"{recipe.model} of {source.get('name', 'data')}")
    return f"<p><b>{title}</b></p><table>{rows}</table>"


def size(artifact: Artifact) -> int:
    """How many numbers were learnt."""
    return sum(t.numel() for t in artifact.model.state_dict().values())
