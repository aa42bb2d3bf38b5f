"""A whole run: read, split, learn the codec, encode, train, save."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conjure import artifact as artifacts
from conjure import catalog, private
from conjure.artifact import Artifact
from conjure.beginning import Beginning, beginning
from conjure.core.config import fill
from conjure.core.errors import ArtifactError, ConfigError, ConjureError, DataError
from conjure.domains.protocol import Codec, Encoded, Source
from conjure.nets.lora import adapters, merge_lora
from conjure.pretrained import adapters as adapterfiles
from conjure.pretrained import opening
from conjure.recipe import Recipe
from conjure.training import checkpoint
from conjure.training.adapting import adapt
from conjure.training.data import Examples, Shards
from conjure.training.distributed import Processes, join
from conjure.training.interrupt import interruptible
from conjure.training.trainer import Progress, Trainer, Training

RUN = "run.json"
ADAPTER = "adapter"  # beside an artifact with adapters merged: these alone, in PEFT's format
LEARN_FROM = 200_000  # objects a codec learns from when the data does not fit in memory


@dataclass(frozen=True)
class FitOptions:
    """How to run, apart from what to run: `resume` goes on from the folder's checkpoint."""

    resume: bool = False
    minutes: float | None = None
    watch: Callable[[Progress], None] = lambda progress: None
    say: Callable[[str], None] = lambda line: None


def fit(recipe: Recipe, data: Any, out: str | Path | None = None, options: FitOptions | None = None) -> Artifact:
    """Learn a model of the data and, with `out`, leave an artifact there.

    data: whatever the domain reads (a path, an embedded name, objects). ConfigError for a recipe that does
    not fit the data, DataError for data that cannot be read, ArtifactError for a folder already taken.
    A run that was stopped leaves a checkpoint; the same call with `resume` goes on from it.
    """
    options = options or FitOptions()
    recipe = recipe.fitting(data)
    _, _, objective_config = recipe.configs()
    ledger = private.ledger_of(recipe, options.resume)
    processes = join(fill(Training, recipe.training, "training").device)
    folder = Path(out) if out is not None else None
    objects, source = recipe.read(data)
    recipe, options = _shared(recipe, options, objects)
    training = fill(Training, recipe.training, "training")
    before = beginning(recipe, opening.load)
    if folder:
        _claim(folder, before, private.unnamed(source) if ledger else source, options.resume, processes)

    learn, tables = below(recipe, objects, folder, options) if recipe.domain == "linked" else (before.learn, {})
    if ledger:
        codec, parts, source = private.encoded(recipe, objects, source, ledger)
    else:
        codec, parts = _encode(recipe, objects, learn, folder)
    if hasattr(codec, "describe"):
        options.say(codec.describe())
    train, held_out = (None if p is None else Examples(p, recipe.seed) for p in parts)
    notes = [*getattr(codec, "notes", []), *before.notes(source), *(ledger.notes if ledger else _few(training, train))]
    for note in notes:
        options.say(note)
    model = before.model(codec)
    adapt(model, training, recipe.seed)
    objective = catalog.resolve("objectives", recipe.objective)(model, objective_config)
    if ledger:
        objective.under(ledger)
    journalled = None if ledger else folder  # a journal of losses would tell of single rows
    trainer = Trainer(objective, training, (train, held_out), seed=recipe.seed, folder=journalled, processes=processes)
    resumed = options.resume and trainer.resume()
    if options.resume and not resumed:
        options.say(f"{folder} has no checkpoint yet: starting from the beginning")
    if before.start is not None and not resumed:
        trainer.measure()
    summary = _trained(trainer, options.watch, model, parts[0])
    notes += before.gained(summary)
    made = Artifact(recipe, codec, model, first=before.first, tables=tables)
    made.card = {"privacy": ledger.certificate()} if ledger else {}
    return _finished(made, source, summary | {"notes": notes}, folder, processes)


def _trained(trainer: Trainer, watch: Callable[[Progress], None], model: Any, seen: Any) -> dict[str, Any]:
    """Run the trainer, and settle a model that is to have the marginals of the training codes."""
    with interruptible(trainer):
        summary = trainer.run(watch)
    if getattr(model.config, "settle", False):
        model.settle(seen.x)
    return summary


def below(
    recipe: Recipe, database: Any, folder: Path | None, options: FitOptions
) -> tuple[Callable[[Any], Codec], dict[str, Artifact]]:
    """Of linked tables: how the root's codec is had, and the artifacts of all other tables, each a run of its own.

    A table whose run is done is opened, not fitted again; ConfigError for what linked tables cannot be fitted with.
    """
    if recipe.start or recipe.through:
        raise ConfigError("linked tables are fitted from nothing: leave out --start and --through")
    options.say(database.describe())
    kept = catalog.part(recipe.domain, "corpus").split(database, recipe.held_out, recipe.seed)[0]
    codec = catalog.codec(recipe.domain).tied(kept, recipe.configs()[0])
    tables: dict[str, Artifact] = {}
    for name, settings, frame in codec.frames(kept):
        if name == codec.ties.root:
            break
        options.say(f"table {name}")
        place = folder / artifacts.TABLES / name if folder else None
        if place and options.resume and artifacts.occupied(place) and not checkpoint.find(place):
            made = artifacts.load(place)
        else:
            made = _part(
                name,
                replace(recipe, domain="table", codec=settings),
                (frame, place),
                options,
            )
        if made.card["metrics"]["stopped_by"] == "interrupt":
            raise KeyboardInterrupt
        codec.having(name, made.codec, made.model)
        tables[name] = made
    return codec.learn, tables


def _part(name: str, recipe: Recipe, where: tuple[Any, Path | None], options: FitOptions) -> Artifact:
    """The run of one of several tables, errors of which name it."""
    try:
        return fit(recipe, *where, options)
    except ConjureError as error:
        raise type(error)(f"table {name!r}: {error}") from None


def _shared(recipe: Recipe, options: FitOptions, objects: Any) -> tuple[Recipe, FitOptions]:
    """Recipe and options within the minutes there are, which linked tables share; for these with exact marginals where
    the family can, since numbers of children are a column like any other."""
    if recipe.domain != "linked":
        return _within(recipe, options.minutes), options
    minutes = options.minutes / len(objects.frames) if options.minutes else None
    if hasattr(catalog.resolve("models", recipe.model), "settle"):
        recipe = replace(recipe, model_settings={"settle": True, **recipe.model_settings})
    return _within(recipe, minutes), replace(options, minutes=minutes)


def _few(training: Training, train: Examples) -> list[str]:
    """What to know of a table smaller than a batch."""
    if (size := training.batch * training.accumulate) <= len(train):
        return []
    return [f"A batch of {size} is more than the {len(train)} training examples: each step takes all of them."]


def _within(recipe: Recipe, minutes: float | None) -> Recipe:
    """The recipe for so much wall time, instead of its own steps and epochs."""
    if not minutes:
        return recipe
    training = {k: v for k, v in recipe.training.items() if k not in ("steps", "epochs")}
    return replace(recipe, training={**training, "minutes": minutes})


def _encode(
    recipe: Recipe, objects: Any, learn: Callable[[Any], Codec], folder: Path | None
) -> tuple[Codec, tuple[Encoded, Encoded | None]]:
    """The codec learnt from the training part, and (training, held-out) tensors."""
    corpus = catalog.part(recipe.domain, "corpus")
    if not hasattr(objects, "chunks"):
        if recipe.held_out <= 0:
            codec = learn(objects)
            return codec, (_shown_in_training(codec, objects), None)
        kept, held_out = corpus.split(objects, recipe.held_out, recipe.seed)
        codec = learn(kept)
        return codec, (_shown_in_training(codec, kept), _rows(codec, _known(codec, held_out)))
    if folder is None:
        raise ConfigError("this data does not fit in memory: give fit a folder (out) to keep its encoded form in")
    codec = learn(objects.sample(LEARN_FROM, recipe.seed))
    shards = Shards(folder / "shards", objects.rows)
    for chunk in objects.chunks():
        shards.append(codec.encode(_known(codec, chunk)))
    return codec, shards.split(max(1, min(20_000, int(recipe.held_out * objects.rows))))


def _shown_in_training(codec: Codec, objects: Any) -> Encoded:
    """Training rows; of a codec that knows how an object may be varied (a score, by its key), in all variants."""
    varied = getattr(codec, "encode_training", None)
    return varied(objects) if varied else _rows(codec, objects)


def _rows(codec: Codec, objects: Any) -> Encoded:
    """Objects a row each, or several to a row where the codec packs."""
    return getattr(codec, "pack", codec.encode)(objects)


def _known(codec: Codec, objects: Any) -> Any:
    """Objects as the codec can place them: a held-out value never seen in training becomes the nearest it knows."""
    adapt = getattr(codec, "adapt", None)
    return adapt(objects) if adapt else objects


def _claim(folder: Path, before: Beginning, source: Source, resume: bool, processes: Processes) -> None:
    """Make the folder this run's own, or refuse it."""
    digest = hashlib.sha256(json.dumps([before.named(), source.sha256], sort_keys=True).encode()).hexdigest()
    at = folder / RUN
    if resume and at.exists():
        if _digest_of_run(at) != digest:
            raise ConfigError(f"{folder} holds a run of other data or settings: resume it with the same command line")
        if artifacts.occupied(folder) and not checkpoint.find(folder):
            raise ArtifactError(f"{folder} holds a finished artifact: there is nothing left to resume")
    elif artifacts.occupied(folder):
        raise ArtifactError(f"{folder} already holds an artifact: choose another folder or remove it first")
    elif (checkpoint.find(folder) or (folder / artifacts.TABLES).exists()) and not resume:
        raise ArtifactError(
            f"{folder} holds an unfinished run: add --resume to go on with it, or choose another folder"
        )
    elif folder.exists() and not at.exists() and any(folder.iterdir()):
        raise ArtifactError(f"{folder} is not empty and holds no run: choose another folder")
    processes.wait()
    if processes.first:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            at.write_text(json.dumps({"digest": digest, "recipe": before.recipe.nested()}, indent=2), "utf-8")
        except OSError as error:
            raise DataError(f"cannot write to {folder}: {error.strerror or error}") from None
    processes.wait()


def _digest_of_run(at: Path) -> str:
    try:
        return json.loads(at.read_text("utf-8"))["digest"]
    except (ValueError, KeyError, TypeError):
        raise ArtifactError(f"{at} is damaged: start again in another folder, without --resume") from None


def _finished(
    made: Artifact, source: Source, summary: dict[str, Any], folder: Path | None, processes: Processes
) -> Artifact:
    """Give the artifact its card and write it; a finished run needs no checkpoint any more."""
    notes = summary.pop("notes") + [f"Warned in training: {line}" for line in summary.pop("warnings")]
    made.card = made.card | {
        "made": datetime.now(UTC).date().isoformat(),
        "source": asdict(source),
        "metrics": summary,
        "versions": artifacts.versions(),
        "notes": notes,
    }
    state = processes.whole(made.model)
    if processes.first:
        whole = made.model
        if processes.world > 1:
            whole = artifacts.build_model(made.recipe, made.codec)
            adapt(whole, fill(Training, made.recipe.training, "training"), made.recipe.seed)
        whole.load_state_dict(state)
        if adapters(whole):
            with contextlib.suppress(ArtifactError):  # layers that PEFT has no name for: merged all the same
                adapterfiles.save(whole, folder / ADAPTER, made.recipe.start) if folder else None
            merge_lora(whole)
        made.model = whole.eval()
        if folder:
            artifacts.save(made, folder)
            if summary["stopped_by"] != "interrupt":
                checkpoint.forget(folder)
    processes.wait()
    return made
