"""The face for Python: fit and load give a `Generative`, which samples, scores and evaluates."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure import artifact as artifacts
from conjure import catalog, evaluation, latents, rebalancing, sampling, scoring, showing, supposing
from conjure.apps.app import App
from conjure.artifact import Artifact
from conjure.core.errors import ConfigError
from conjure.latents import Codes
from conjure.models.weights import keep_weights
from conjure.pretrained import opening
from conjure.recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from conjure.fitting import FitOptions


QUICK = 4_000_000  # learnt numbers, up to which a few samples are a matter of a moment


@dataclass(frozen=True)
class Generative:
    """A learnt model of someone's data, in memory or in a folder."""

    artifact: Artifact

    def sample(self, n: int, *, given: dict[str, Any] | None = None, seed: int = 0) -> Any:
        """n new objects; for tables a DataFrame. See `sampling.sample`."""
        return sampling.sample(self.artifact, n, given=given, seed=seed)

    def complete(self, data: Any, *, given: dict[str, Any] | None = None, seed: int = 0) -> Any:
        """The same objects with what they lack. See `sampling.complete`."""
        objects = sampling.read_questions(self.artifact, data)
        return sampling.complete(self.artifact, objects, given=given, seed=seed)

    def encode(self, data: Any) -> Codes:
        """The latent code of each object. See `latents.encode`."""
        return latents.encode(self.artifact, latents.read(self.artifact, data))

    def decode(self, codes: Codes | np.ndarray) -> Any:
        """The object that each code stands for. See `latents.decode`."""
        return latents.decode(self.artifact, codes if isinstance(codes, Codes) else Codes(codes))

    def interpolate(self, data: Any, rows: tuple[int, int], steps: int = 8) -> Any:
        """Objects on the way from one row to another. See `latents.interpolate`."""
        return latents.interpolate(self.artifact, latents.read(self.artifact, data), rows, steps)

    def traverse(self, data: Any, row: int, along: int, steps: int = 8) -> Any:
        """One object as one number of its code moves. See `latents.traverse`."""
        return latents.traverse(self.artifact, latents.read(self.artifact, data), row, along, steps)

    def score(self, data: Any) -> np.ndarray:
        """log P(x) in nats an object. See `scoring.score`."""
        objects, _ = self.artifact.recipe.read(data)
        return scoring.score(self.artifact, objects)

    def evaluate(self, held_out: Any, **options: Any) -> Any:
        """A report against data the model never saw. See `evaluation.evaluate`."""
        return evaluation.evaluate(self.artifact, held_out, **options)

    def attack(self, **options: Any) -> Any:
        """What a table's samples betray about training rows, as a report. See `attacking.attack`."""
        from conjure import attacking  # here, since it fits models of other people

        return attacking.attack(self.artifact, **options)

    def rebalance(self, *by: str, real: Any = None, seed: int = 0, **plan: Any) -> Any:
        """A table's real rows and made ones, its groups brought to equal or given shares. See `rebalancing.Plan`."""
        rows = rebalancing.real_rows(self.artifact, real)
        return rebalancing.rebalance(self.artifact, rows, rebalancing.Plan(by, **plan), seed=seed)[0]

    def what_if(self, data: Any, target: str, change: dict[str, Any], *, seed: int = 0, **question: Any) -> Any:
        """How a column's distribution differs in rows with other cells changed. See `supposing.what_if`."""
        rows = catalog.part(self.artifact.recipe.domain, "corpus").read(data)[0]
        return supposing.what_if(self.artifact, rows, supposing.Question(target, change, **question), seed=seed)

    def advise(self, train: Any, target: str, **options: Any) -> Any:
        """Whether made rows help a target, as a report. See `advising.advise`."""
        from conjure import advising  # here, since it fits a model a fold

        return advising.advise(self.artifact, train, target, **options)

    def save(self, folder: str | Path) -> Path:
        """Write the artifact's folder."""
        return artifacts.save(self.artifact, Path(folder))

    def export(self, folder: str | Path, *, weights: str = "fp32") -> Path:
        """Write a language model as a Hugging Face folder. See `pretrained.saving.save`."""
        from conjure.pretrained import saving

        return saving.save(self.artifact, folder, weights=weights)

    @property
    def card(self) -> dict[str, Any]:
        return self.artifact.card

    def _repr_html_(self) -> str:
        """What it is and four samples of seed 0, in a moment and alike each time; of large models no samples."""
        said, n = showing.about(self.artifact), 4
        if (size := showing.size(self.artifact)) > QUICK:
            return (
                f"{said}<p>{size:,} numbers take their time: <code>sample(n)</code> draws what is not shown here.</p>"
            )
        try:
            drawn = self.sample(n)
        except ConfigError as error:  # it answers questions, and none is asked here
            return f"{said}<p>{html.escape(str(error))}</p>"
        return f"{said}<p>sample({n}, seed=0)</p>{showing.objects(self.artifact.recipe.domain, drawn, self.artifact)}"


def recipe_for(
    app: str,
    *,
    model: str | None = None,
    recipe: str | None = None,
    settings: list[str] | None = None,
    through: str | Path | None = None,
    start: str | Path | None = None,
) -> Recipe:
    """The run that an app, a model or recipe name (or TOML file) and `a.b=c` settings describe.

    `through` is the folder of an artifact of the same kind of data, whose codes are then modelled; `start` that of one
    to go on from, or weights of others (`pretrained.opening`): its recipe is taken where none is named. Settings of
    `privacy` ask for differential privacy; unless a model is named, by the family made for that.
    """
    private = any(word.strip().startswith("privacy.") for word in settings or [])
    if private and not (model or recipe or start):
        recipe = "private"
    product = catalog.resolve("apps", app)
    if recipe and recipe.endswith(".toml"):
        if not Path(recipe).is_file():
            raise ConfigError(f"there is no recipe file {recipe}")
        chosen = read_recipe(Path(recipe))
        if chosen.domain != product.domain:
            raise ConfigError(f"{recipe} is for {chosen.domain} data; {app} works on {product.domain}")
    elif model:
        catalog.resolve("models", model)
        own = f"private-{model}"
        chosen = product.recipe(own) if private and own in product.recipes else product.recipe_for(model)
    elif start is not None:
        chosen = _going_on(product, recipe, start)
    else:
        chosen = product.recipe(recipe)
    if start is not None:
        chosen = replace(chosen, start=str(start))
    if through is not None:
        chosen = chosen.with_through(str(through))
    return (replace(chosen, held_out=0.0) if private else chosen).with_settings(settings or []).fitting(None)


def _going_on(product: App, name: str | None, start: str | Path) -> Recipe:
    """The recipe of a start, or a named one; weights of others, which had none of ours, take the product's."""
    began = opening.load(start).recipe
    if began.domain != product.domain:
        raise ConfigError(f"{start} is of {began.domain} data; {product.name} works on {product.domain}")
    if name is None and began.training:
        return began
    chosen = product.recipe(name or product.tuning)
    if chosen.start != "?":
        return chosen
    return replace(chosen, codec=began.codec | chosen.codec, model=began.model, model_settings=began.model_settings)


def fit(
    app: str,
    data: Any,
    out: str | Path | None = None,
    *,
    seed: int | None = None,
    options: FitOptions | None = None,
    **choice: Any,
) -> Generative:
    """Learn a model: `fit("tables", frame)`. `choice` is what `recipe_for` takes: model, recipe, settings, start; and
    `budget`, such as {"epsilon": 1.0, "delta": 1e-5}, for differential privacy.
    """
    from conjure import fitting  # here, so that loading and sampling never import training

    if budget := choice.pop("budget", None):
        choice["settings"] = [*(choice.get("settings") or []), *(f"privacy.{k}={v!r}" for k, v in budget.items())]
    chosen = recipe_for(app, **choice).with_seed(seed)
    return Generative(fitting.fit(chosen, data, out, options))


def load(folder: str | Path, *, weights: str = "fp32") -> Generative:
    """Open an artifact's folder, a Hugging Face folder, a .gguf file or "smollm2".

    `weights` "int8" rounds those of a decoder, which then writes faster.
    """
    opened = opening.load(folder)
    keep_weights(opened.model, weights)
    return Generative(opened)
