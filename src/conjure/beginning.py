"""What a run builds on: the artifact it goes on from (`start`), or the one whose codes it models (`through`)."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from conjure import artifact as artifacts
from conjure import catalog
from conjure.artifact import Artifact
from conjure.core.errors import ArtifactError, ConfigError
from conjure.core.space import Tokens
from conjure.domains.protocol import Codec, Source
from conjure.models.protocol import Model
from conjure.recipe import Recipe


@dataclass(frozen=True)
class Beginning:
    """The artifacts a recipe names; both are None for a run from nothing."""

    recipe: Recipe
    start: Artifact | None = None
    first: Artifact | None = None

    @property
    def learn(self) -> Callable[[Any], Codec]:
        """How a codec is had from training objects; a run that goes on keeps the one it started with."""
        config = self.recipe.configs()[0]
        if self.start is not None:
            codec: Any = self.start.codec
            kept = codec if self.recipe.codec == self.start.recipe.codec else codec.with_settings(config)
            return lambda objects: kept
        if self.first is not None:
            learn = partial(catalog.codec(self.recipe.domain, True).learn, (self.first.codec, self.first.model))
        else:
            learn = catalog.codec(self.recipe.domain).learn
        return lambda objects: learn(objects, config)

    def model(self, codec: Codec) -> Model:
        """The recipe's model, fresh or with the weights to go on from; ConfigError where these do not fit."""
        if self.start is not None and _family(self.recipe) == _family(self.start.recipe):
            return self.start.model  # its own weights, which nobody else holds
        model = artifacts.build_model(self.recipe, codec)
        if self.start is None:
            return model
        try:
            model.load_state_dict(self.start.model.state_dict())
        except RuntimeError:
            asked, had = ({"name": r.model, **r.model_settings} for r in (self.recipe, self.start.recipe))
            other = [f"model.{k}={v}, there {had.get(k, 'as by default')}" for k, v in asked.items() if had.get(k) != v]
            raise ConfigError(f"{self.recipe.start} holds another model: {'; '.join(other)}") from None
        return model

    def named(self) -> dict[str, Any]:
        """The recipe with artifacts by what they are, not by where they lie: what tells one run from another."""
        named = self.recipe.nested()
        for key, found in (("start", self.start), ("through", self.first)):
            if found is not None:
                named[key] = artifacts.digest(found)
        return named

    def gained(self, summary: dict[str, Any]) -> list[str]:
        """What the run made of the weights it started from, by their loss on what it held out."""
        before, after = summary.get("held_out_loss_before"), summary["held_out_loss"]
        if before is None or after >= before:
            return []  # what to think of the latter is said among the warnings
        if self.recipe.objective == "likelihood" and isinstance(self.start.codec.space, Tokens):  # type: ignore[union-attr]
            numbers = f"{before:.3f} to {after:.3f} (perplexity {math.exp(before):.2f} to {math.exp(after):.2f})"
            return [f"Held-out loss a token fell from {numbers}."]
        return [f"Held-out loss fell from {before:.3f} to {after:.3f}."]

    def notes(self, source: Source) -> list[str]:
        """What to know of these artifacts: where they learnt, and whether they saw what this run holds out."""
        said, recipe = [], self.recipe
        if self.start is not None:
            learnt = self.start.card.get("source", {})
            said.append(
                f"Started from {recipe.start}, learnt from {learnt.get('name', 'unknown data')} "
                f"(licence {learnt.get('licence', 'unknown')})."
            )
        for place, found in ((recipe.start, self.start), (recipe.through, self.first)):
            if found is None or not source.sha256 or found.card.get("source", {}).get("sha256") != source.sha256:
                continue
            if (recipe.held_out, recipe.seed) != (found.recipe.held_out, found.recipe.seed):
                said.append(
                    f"{place} was fitted on some of the examples that this run holds out; the same held_out and seed "
                    f"({found.recipe.held_out:g}, {found.recipe.seed}) would keep them apart."
                )
        return said


def _family(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    return recipe.model, recipe.model_settings


def beginning(recipe: Recipe, opened: Callable[[str], Artifact] = artifacts.load) -> Beginning:
    """The artifacts that a recipe names, opened; ConfigError for one that cannot serve.

    opened: how `start` is, where more than artifacts of ours can be gone on from.
    """
    first = artifacts.gone_through(recipe)
    if recipe.start == "?":
        raise ConfigError("this recipe goes on from weights that were learnt before: name them, --start smollm2 or DIR")
    if not recipe.start:
        if recipe.training.get("lora") is not None:
            raise ConfigError("training.lora adapts weights that were learnt before: name them, --start smollm2 or DIR")
        return Beginning(recipe, None, first)
    start = opened(recipe.start)
    if start.recipe.domain != recipe.domain:
        raise ConfigError(f"{recipe.start} is of {start.recipe.domain} data; this run is of {recipe.domain}")
    if recipe.through or start.first is not None:
        raise ConfigError(
            f"a composition cannot be gone on with: fit a new one through {recipe.through or 'its first'}"
        )
    if recipe.codec != start.recipe.codec and not hasattr(start.codec, "with_settings"):
        raise ConfigError(
            f"a run that starts from {recipe.start} keeps its codec: leave codec settings as they are there"
        )
    found = Beginning(recipe, start)
    found.model(found.learn(None))  # refused before anything is read or written
    return found


def in_two_runs(recipe: Recipe, data: Any, out: Any, options: Any, fit: Callable[..., Artifact]) -> Artifact:
    """The artifact that a recipe goes through, fitted as `recipe.first` says in the run's own folder, then its own run.

    Minutes are shared as those of the two recipes are. A first run that is done is opened again, not repeated.
    """
    folder = None if out is None else Path(out)
    if folder is not None:
        _check_free(folder, options.resume)
    first = replace(Recipe.from_nested({**recipe.first, "domain": recipe.domain}), **_alike(recipe))
    share = _share(first, recipe)
    minutes = (None, None) if options.minutes is None else (share * options.minutes, (1 - share) * options.minutes)
    with _place(folder) as place:
        if not _done(place):
            options.say(f"first a {first.model}, then a {recipe.model} through it")
            made = fit(first, data, place, replace(options, minutes=minutes[0], preview=None))
            if made.card["metrics"]["stopped_by"] == "interrupt":
                raise KeyboardInterrupt
        return fit(replace(recipe, through=str(place)), data, out, replace(options, minutes=minutes[1]))


def _alike(recipe: Recipe) -> dict[str, Any]:
    """What both runs share, held-out part and seed; and that the first begins from nothing."""
    return {"held_out": recipe.held_out, "seed": recipe.seed, "start": "", "through": "", "first": {}}


def _share(first: Recipe, second: Recipe) -> float:
    """The part of the time that is the first run's: as their own minutes are, else half."""
    times = [recipe.training.get("minutes") for recipe in (first, second)]
    return times[0] / sum(times) if all(times) else 0.5  # type: ignore[operator, arg-type]


def _done(place: Path) -> bool:
    """Whether a first run is over, not just stopped."""
    return artifacts.occupied(place) and artifacts.load(place).card["metrics"]["stopped_by"] != "interrupt"


def _check_free(folder: Path, resume: bool) -> None:
    """Refuse a folder that the second run could not have, before the first one's minutes."""
    if artifacts.occupied(folder) and not resume:
        raise ArtifactError(f"{folder} already holds an artifact: choose another folder or remove it first")
    if (folder / artifacts.FIRST).exists() and not resume:
        raise ArtifactError(
            f"{folder} holds an unfinished run: add --resume to go on with it, or choose another folder"
        )
    if folder.exists() and not resume and any(folder.iterdir()):
        raise ArtifactError(f"{folder} is not empty and holds no run: choose another folder")


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """Where the first run writes: inside the folder of the second, or for a while only."""
    if folder is not None:
        yield folder / artifacts.FIRST
        return
    with tempfile.TemporaryDirectory() as place:
        yield Path(place) / artifacts.FIRST
