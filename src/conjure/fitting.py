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
from conjure import catalog, private, sampling
from conjure.artifact import Artifact
from conjure.beginning import Beginning, beginning, in_two_runs
from conjure.core.config import fill
from conjure.core.errors import ArtifactError, ConfigError, ConjureError, DataError
from conjure.core.privacy import Ledger
from conjure.core.rng import derive, generator
from conjure.domains.protocol import Codec, Source
from conjure.nets.lora import adapters, merge_lora
from conjure.pretrained import adapters as adapterfiles
from conjure.pretrained import opening
from conjure.recipe import Recipe
from conjure.training import checkpoint
from conjure.training.adapting import adapt
from conjure.training.data import Examples
from conjure.training.descent import Descent, Drawn
from conjure.training.distributed import Processes, join
from conjure.training.encoding import encoded
from conjure.training.interrupt import interruptible
from conjure.training.preview import Looks, Preview
from conjure.training.trainer import PREPARE_FROM, Progress, Trainer, Training

RUN = "run.json"
ADAPTER = "adapter"  # beside an artifact with adapters merged: these alone, in PEFT's format


@dataclass(frozen=True)
class FitOptions:
    """How to run, apart from what to run: `resume` goes on from the folder's checkpoint, `preview` looks at the
    unfinished model now and then, and at the finished one.
    """

    resume: bool = False
    minutes: float | None = None
    watch: Callable[[Progress], None] = lambda progress: None
    say: Callable[[str], None] = lambda line: None
    preview: Preview | None = None


def fit(recipe: Recipe, data: Any, out: str | Path | None = None, options: FitOptions | None = None) -> Artifact:
    """Learn a model of the data and, with `out`, leave an artifact there.

    data: whatever the domain reads (a path, an embedded name, objects). ConfigError for a recipe that does
    not fit the data, DataError for data that cannot be read, ArtifactError for a folder already taken.
    A run that was stopped leaves a checkpoint; the same call with `resume` goes on from it.
    """
    options = options or FitOptions()
    if recipe.first and recipe.through == "?":
        return in_two_runs(recipe, data, out, options, fit)
    recipe = recipe.fitting(data)
    recipe.configs()  # which refuses a setting that there is not
    ledger = private.ledger_of(recipe, options.resume)
    processes = join(_device(recipe))
    _check_preview(options.preview, recipe, processes)
    folder = Path(out) if out is not None else None
    objects, source = recipe.read(data)
    recipe, options = _shared(recipe, options, objects)
    training = fill(Training, recipe.training, "training")
    before = beginning(recipe, opening.load)
    if folder:
        _claim(folder, before, private.unnamed(source) if ledger else source, options.resume, processes)
    learn, tables = below(recipe, objects, folder, options) if recipe.domain == "linked" else (before.learn, {})
    if ledger:
        begun = private.begin(recipe, (objects, source), training, ledger, folder if options.resume else None)
        codec, train, held_out = begun.codec, _drawn(begun, source, ledger, folder, recipe.seed), None
        source, training = begun.source, begun.training
    else:
        codec, parts = encoded(recipe, objects, learn, folder)
        train, held_out = (None if p is None else Examples(p, recipe.seed) for p in parts)
    notes = [*getattr(codec, "notes", []), *before.notes(source), *(ledger.notes if ledger else _few(training, train))]
    _tell(codec, notes, options.say)
    model = before.model(codec)
    adapt(model, training, recipe.seed)
    objective = _objective(recipe, model, ledger)
    kept = folder if train.descent or not ledger else None  # a journal of losses would tell of single rows
    trainer = Trainer(objective, training, (train, held_out), seed=train.seed, folder=kept, processes=processes)
    _take_up(trainer, before, options)
    made = Artifact(recipe, codec, model, first=before.first, tables=tables)
    looks = _looks(made, objects, options.preview, options.say)
    with interruptible(trainer):
        summary = trainer.run(looks.beside(trainer, options.watch) if looks else options.watch)
    if getattr(model.config, "settle", False):
        model.settle(train.x)
    notes += before.gained(summary)
    made.card = {"privacy": ledger.certificate()} if ledger else {}
    made = _finished(made, source, summary | {"notes": notes}, folder, processes)
    if looks:
        looks.look(summary["steps"])
    return made


def _tell(codec: Any, notes: list[str], say: Callable[[str], None]) -> None:
    """What was learnt of the data, and what a person should know of it."""
    for line in [*([codec.describe()] if hasattr(codec, "describe") else []), *notes]:
        say(line)


def _objective(recipe: Recipe, model: Any, ledger: Ledger | None) -> Any:
    """What better means, within the privacy budget if there is one."""
    objective = catalog.resolve("objectives", recipe.objective)(model, recipe.configs()[2])
    if ledger:
        objective.under(ledger)
        Descent.check(objective)
    return objective


def _take_up(trainer: Trainer, before: Beginning, options: FitOptions) -> None:
    """Go on from the folder's checkpoint where that is asked; else note what the weights begun with are worth."""
    resumed = options.resume and trainer.resume()
    if options.resume and not resumed:
        options.say(f"{trainer.folder} has no checkpoint yet: starting from the beginning")
    if before.start is not None and not resumed:
        trainer.measure()


def _check_preview(preview: Preview | None, recipe: Recipe, processes: Processes) -> None:
    if preview is not None and processes.world > 1:
        raise ConfigError("a run of several processes shows no preview: leave it out")
    if preview is not None and recipe.privacy:
        raise ConfigError("a private run tells nothing before its end: leave the preview out")


def _looks(made: Artifact, objects: Any, preview: Preview | None, say: Callable[[str], None]) -> Looks | None:
    """How to look at a run: samples by a seed of their own, or the answers to some of the data's questions."""
    recipe = made.recipe
    if preview is None:
        return None
    seed = derive(recipe.seed, "preview")  # one for all looks: what changes is what was learnt
    if hasattr(made.codec, "questions"):
        some = objects.sample(preview.n, recipe.seed) if hasattr(objects, "chunks") else objects
        asked = made.codec.questions(catalog.part(recipe.domain, "corpus").cut(some, 0, preview.n))
        return Looks(preview, lambda n: sampling.complete(made, asked, seed=seed), say)
    return Looks(preview, lambda n: sampling.sample(made, n, seed=seed), say)


def _device(recipe: Recipe) -> str:
    """Where the run works; a family that counts has no use for a GPU."""
    family, asked = catalog.resolve("models", recipe.model), fill(Training, recipe.training, "training").device
    if family.gradient:
        return asked
    if asked == "cuda":
        raise ConfigError(f"a {family.__name__} counts, on the CPU; training.device should be cpu or auto, not cuda")
    return "cpu"


def _drawn(begun: private.Begun, source: Source, ledger: Ledger, folder: Path | None, seed: int) -> Examples:
    """A private run's examples: drawn by chance for noisy gradients, or all for what is measured once."""
    if not ledger.descent:
        return Examples(begun.encoded, seed)
    if folder:
        private.remember(begun, source, ledger, folder)
    stand_ins = begun.codec.independent(PREPARE_FROM, generator(0, "stand-ins"))
    return Drawn(begun.encoded, ledger, stand_ins, begun.source.rows)


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
            made = _part(name, replace(recipe, domain="table", codec=settings), (frame, place), options)
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
    elif folder.exists() and not at.exists() and any(p.name != artifacts.FIRST for p in folder.iterdir()):
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
                private.forget(folder)
    processes.wait()
    return made
