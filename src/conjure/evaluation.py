"""Judge an artifact against data it never saw, beside the simplest model of the same data and real data itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from conjure import catalog, latents, sampling, scoring, showing
from conjure.artifact import Artifact
from conjure.composition.latents import Latents
from conjure.core.errors import ConfigError, ConjureError, DataError
from conjure.core.rng import generator
from conjure.core.space import Tokens
from conjure.domains.protocol import Encoded
from conjure.metrics import certificate
from conjure.metrics.figure import Report
from conjure.metrics.judged import Judged
from conjure.pretrained import opening
from conjure.recipe import Recipe

ROWS = 100_000  # of data too large for memory, so many objects are looked at
NGRAM = 6
SHOWN = 8  # of the samples judged, in the report
# Samples drawn unless a number is asked for: at least and at most so many.
SAMPLES = {"table": (500, 50_000), "image": (256, 5_000), "video": (128, 1_000), "text": (64, 256), "music": (50, 200)}
SAMPLES |= {"audio": (64, 256), "chat": (8, 8), "linked": (500, 20_000)}  # answers of a language model take long


def evaluate(
    artifact: Artifact,
    held_out: Any,
    *,
    train: Any = None,
    n: int | None = None,
    target: str | None = None,
    seed: int = 0,
) -> Report:
    """The domain's report on n samples of the artifact.

    held_out: data the model never saw; where it is the very data the model was fitted with, the part that fit
    set aside is taken. train: the training data, found again by its path and hash where it is not given.
    target: for tables, the column that is learnt from made rows. DataError and ConfigError as in reading.
    """
    recipe, codec = artifact.recipe, _plain(artifact.codec)
    if recipe.domain in catalog.JUDGES:
        return catalog.resolve("judges", recipe.domain)(artifact, held_out, seed)
    notes: list[str] = []
    real, source = recipe.read(held_out)
    learnt = training_data(artifact, train, notes)
    if source.sha256 and source.sha256 == artifact.card.get("source", {}).get("sha256"):
        real = set_aside(recipe, real)
        notes.append(f"Held out: the {recipe.held_out:.0%} of {source.name} that the fit set aside.")
    real = in_memory(real, seed)

    least, most = SAMPLES.get(recipe.domain, (256, 5_000))
    count = n or int(np.clip(max(len(real), 0 if learnt is None else len(learnt)), least, most))
    scores, known = _scores(artifact, real, notes)
    synthetic = _synthetic(artifact, real, count, seed)
    baseline, baseline_scores = _baseline(artifact, learnt, known, (count, seed))
    report = catalog.resolve("reports", recipe.domain)(
        Judged(
            held_out=real,
            synthetic=synthetic,
            train=learnt,
            baseline=baseline,
            scores=scores,
            baseline_scores=baseline_scores,
            score_kind=artifact.score_kind,
            as_made=lambda objects: codec.decode(codec.encode(objects).x),
            again=lambda objects: sampling.complete(artifact, objects, seed=seed),
            facts=facts_of(codec) | _before(artifact, known, count, seed) | _coded(artifact),
            target=target,
            seed=seed,
            title=f"{recipe.model} of {artifact.card.get('source', {}).get('name', 'data')}",
            notes=tuple(notes),
        )
    )
    return _completed(report, artifact, synthetic)


def _completed(report: Report, artifact: Artifact, synthetic: Any) -> Report:
    """The report with the first of the samples judged, and with the artifact's privacy certificate if it has one."""
    domain, claim = artifact.recipe.domain, artifact.card.get("privacy")
    if claim:
        report.tables += certificate.tables(claim)
        report.notes += certificate.notes(claim)
    samples = showing.objects(domain, showing.cut(domain, synthetic, 0, SHOWN), artifact)
    return replace(report, samples=samples)


def _synthetic(artifact: Artifact, real: Any, n: int, seed: int) -> Any:
    """n samples; of questions with answers, those given to the held-out questions."""
    codec = artifact.codec
    if hasattr(codec, "questions"):
        asked = real[:n] if artifact.recipe.domain in SAMPLES else real
        return sampling.complete(artifact, codec.questions(asked), seed=seed)
    return sampling.sample(artifact, n, seed=seed)


def _before(artifact: Artifact, known: Any, n: int, seed: int) -> dict[str, Any]:
    """Of a language model: the tokens that count in each object, and what the weights it started from make of them."""
    codec, recipe = _plain(artifact.codec), artifact.recipe
    if not hasattr(codec, "unigrams"):
        return {}
    found: dict[str, Any] = {"tokens": codec.counted(known)}
    try:
        start = opening.load(recipe.start) if recipe.start else None
    except (ConjureError, OSError):
        return found
    if start is None or start.recipe.domain != recipe.domain:
        return found
    found["before"] = scoring.score(start, known)
    return found | {"answers_before": _synthetic(start, known, n, seed)}


def _coded(artifact: Artifact) -> dict[str, Any]:
    """Of a model of tokens that stand for a stretch of time: how to write objects again from them, and their rate."""
    codec = artifact.codec
    first = artifact.model if artifact.first is None else artifact.first.model
    seconds = getattr(_plain(codec), "seconds", None)
    if seconds is None or not getattr(first, "vocab", 0):
        return {}
    again = (
        codec.reconstruct
        if isinstance(codec, Latents)
        else lambda o: latents.decode(artifact, latents.encode(artifact, o))
    )
    return {"coded": again, "bits": math.prod(first.latent_shape) * math.log2(first.vocab) / seconds}


def training_data(artifact: Artifact, given: Any, notes: list[str]) -> Any:
    """The part that the model learnt from, or None where the data cannot be found again."""
    recipe, source = artifact.recipe, artifact.card.get("source", {})
    corpus = catalog.part(recipe.domain, "corpus")
    try:
        found, now = recipe.read((source.get("path") or source.get("name", "")) if given is None else given)
    except (ConjureError, OSError):
        if given is not None:
            raise
        notes.append("The training data was not found again; `train` (--train FILE) says where it is now.")
        return None
    same = now.sha256 == source.get("sha256")
    if given is None and not same:
        notes.append(f"{source.get('name')} has changed since the fit, so it does not count as training data.")
        return None
    if same and recipe.held_out > 0 and not hasattr(found, "chunks"):
        found, _ = corpus.split(found, recipe.held_out, recipe.seed)
    return in_memory(found, recipe.seed)


def set_aside(recipe: Recipe, objects: Any) -> Any:
    """What the fit held out of its own data."""
    if recipe.held_out <= 0 or hasattr(objects, "chunks"):
        raise ConfigError("this is the data the model was fitted with, none of it set aside: give data it never saw")
    return catalog.part(recipe.domain, "corpus").split(objects, recipe.held_out, recipe.seed)[1]


def in_memory(objects: Any, seed: int) -> Any:
    """Data too large for memory is thinned evenly."""
    return objects.sample(ROWS, seed) if hasattr(objects, "chunks") else objects


def _scores(artifact: Artifact, real: Any, notes: list[str]) -> tuple[np.ndarray | None, Any]:
    """Nats per held-out object, None without a likelihood; and the objects with unknown values replaced."""
    codec = _plain(artifact.codec)
    adapt, known = getattr(codec, "adapt", None), real
    try:
        codec.encode(real)
    except DataError as error:
        if adapt is None:
            raise
        known = adapt(real)
        notes.append(f"For its log-probability alone, values that training never had were replaced ({error}).")
    if not artifact.score_kind:
        return None, known
    return scoring.score(artifact, known), known


def _baseline(artifact: Artifact, train: Any, known: Any, draw: tuple[int, int]) -> tuple[Any, np.ndarray | None]:
    """(samples, nats of the held-out objects) of the simplest model: columns each by itself, or n-grams.

    `draw` is (how many, seed). Nothing where the codec knows no such model and training data is missing.
    """
    codec, (n, seed) = _plain(artifact.codec), draw
    if hasattr(codec, "unlinked"):
        return codec.unlinked(n, seed), None
    if hasattr(codec, "independent"):
        x = codec.independent(n, generator(seed, "baseline"))
        nats = codec.independent_log_prob(codec.encode(known).x).double().numpy() + codec.log_density(known)
        return codec.decode(x, generator(seed, "baseline", "decode")), nats
    if hasattr(codec, "unigrams"):
        return None, None if train is None else codec.unigrams(train, known)
    if train is None or not isinstance(codec.space, Tokens) or len(codec.space.shape) > 1 or codec.given_space:
        return None, None
    markov = catalog.resolve("models", "markov")
    fits = (markov.Config(order) for order in range(NGRAM, 0, -1))
    config = next(c for c in fits if markov.refuses(codec.space, codec.given_space, c) is None)
    model = markov(codec.space, codec.given_space, config).eval()
    with torch.no_grad():
        model.observe(_rows(codec.encode(train)))
        nats = model.log_prob(_rows(codec.encode(known))).double().numpy()
    return sampling.sample(replace(artifact, codec=codec, model=model), n, seed=seed), nats


def _plain(codec: Any) -> Any:
    """The codec of the objects themselves, also of a composition: a baseline knows nothing of its codes."""
    return codec.front if isinstance(codec, Latents) else codec


def _rows(encoded: Encoded) -> torch.Tensor:
    """Examples (B, ...); a stream is one long one."""
    return (encoded.x.unsqueeze(0) if encoded.window else encoded.x).long()


def facts_of(codec: Any) -> dict[str, Any]:
    """What a table's columns are, as its codec found; of other data what a codec offers its judge."""
    columns = codec.schema.columns if hasattr(codec, "schema") else ()
    found = {"kinds": {c.name: c.kind for c in columns}, "forms": {c.name: c.form for c in columns}}
    return {**found, **getattr(codec, "judging", {})}
