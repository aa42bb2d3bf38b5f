"""No path of a client's touches this machine's disk: words that name files name uploads, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conjure import catalog
from conjure.artifact import Artifact
from conjure.pretrained.embedded import NAMES
from conjure.recipe import Recipe
from conjure.server.errors import Refusal

if TYPE_CHECKING:
    from conjure.server.uploads import Uploads


def words(artifact: Artifact, given: dict[str, Any], uploads: Uploads) -> dict[str, Any]:
    """A condition in which files (`FILES` of its codec: a picture, a history) are those of uploads, by their number."""
    files = getattr(artifact.codec, "FILES", ())
    return {k: uploads.data(str(v), artifact.recipe.domain) if k in files else v for k, v in given.items()}


def settings(recipe: Recipe) -> None:
    """Refuse what is wrong with a recipe's settings, and those that name a file of this machine."""
    recipe.configs()
    if recipe.first:
        settings(Recipe.from_nested({**recipe.first, "domain": recipe.domain}))
    files = getattr(catalog.codec(recipe.domain).Config, "FILES", ())
    for name in files:
        if isinstance(recipe.codec.get(name), str):
            raise Refusal(
                400, f"codec.{name} names a file, which a server takes from nobody: write it out", param="settings"
            )


def artifact(found: Artifact, root: Path) -> Artifact:
    """An artifact that anyone may have brought, without the places it claims to come from, unless they are below root.

    Its report would read them: the training data, the weights it began with.
    """
    source, recipe = dict(found.card.get("source", {})), found.recipe
    embedded = catalog.part(recipe.domain, "corpus").EMBEDDED
    if not _below(source.get("path"), root):
        source["path"] = ""
    if source.get("name") not in embedded and not source["path"]:
        source["path"] = str(root / "uploads" / "gone")  # a name alone would be read as a path
    start = recipe.start if _below(recipe.start, root) or recipe.start in NAMES else ""
    return replace(found, card={**found.card, "source": source}, recipe=replace(recipe, start=start))


def _below(place: Any, root: Path) -> bool:
    return isinstance(place, str) and bool(place) and Path(place).resolve().is_relative_to(root.resolve())
