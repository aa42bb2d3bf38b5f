"""Objects of any domain as HTML, by the domain's own view; and the words a sample can be given."""

from __future__ import annotations

import html
from itertools import islice
from typing import Any

from conjure import catalog
from conjure.artifact import Artifact

MOST = 12  # objects shown one below the other
WHOLE = ("table", "image", "video")  # domains whose view shows all objects at once


def shown(domain: str, objects: Any, artifact: Artifact | None = None) -> str:
    """A page's part that shows objects; rows of a table that break a declared rule are marked."""
    view = catalog.part(domain, "view")
    if domain == "table" and artifact is not None and artifact.codec.schema.rules:
        return view.to_html(objects, rules=artifact.codec.schema.rules, codec=artifact.codec)
    if domain in WHOLE:
        return f'<div style="overflow-x:auto">{view.to_html(objects)}</div>'
    if not callable(getattr(view, "to_html", None)):
        return f"<pre>{html.escape(view.to_text(objects))}</pre>"
    if domain == "series":
        parts = [view.to_html(objects, at) for at in range(min(MOST, len(objects)))]
    else:
        parts = [view.to_html(one) for one in islice(objects, MOST)]
    rest = f"<p>{len(objects) - MOST:,} more</p>" if len(objects) > MOST else ""
    return "<hr>".join(parts) + rest


def words(artifact: Artifact) -> list[str]:
    """What `given` knows of this artifact, as far as its codec says."""
    codec, domain = artifact.codec, artifact.recipe.domain
    if artifact.first is not None:
        return []
    if domain == "table":
        return [column.name for column in codec.schema.columns if column.learnt]
    if domain in ("text", "chat"):
        return ["prompt", "length"]
    given = getattr(codec, "given_space", None)
    return [column.name for column in getattr(given, "columns", ())]


def command(name: str, n: int, seed: int, given: dict[str, str]) -> str:
    """The command line that draws the same objects."""
    said = "".join(f" --given {key}={value!r}" for key, value in given.items())
    return f"conjure sample {name} -n {n} --seed {seed}{said}"
