"""Draw objects from an artifact."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from conjure import catalog
from conjure.artifact import Artifact
from conjure.core.errors import ConfigError
from conjure.core.rng import generator

ATTEMPTS = 50  # draws made to meet a condition that evidence cannot say exactly
REDRAWS = 8  # draws of a row that breaks a rule


@torch.no_grad()
def sample(artifact: Artifact, n: int, *, given: dict[str, Any] | None = None, seed: int = 0) -> Any:
    """n objects of the artifact's kind from P(x | given); the same seed gives the same objects.

    `given` maps the domain's own words (a column, "label", "prompt") to what is wanted; ConfigError
    names an unknown word or a value the data never had.
    """
    if n < 1:
        raise ConfigError(f"n is {n}; at least one sample must be asked for")
    given = dict(given or {})
    condition = artifact.codec.condition(given, n)
    limits = artifact.codec.limits(given, n) if hasattr(artifact.codec, "limits") else {}
    x = artifact.model.sample(n, given=condition, rng=generator(seed, "sample"), **limits)
    if given and hasattr(artifact.codec, "fits"):
        x = _fitting(artifact, x, condition, (given, seed))
    if given and hasattr(artifact.codec, "unmet"):
        x = _anew(artifact, x, condition, (given, seed))
    return artifact.codec.decode(x, generator(seed, "decode"), given)


def _fitting(artifact: Artifact, x: Tensor, condition: Tensor | None, asked: tuple[dict[str, Any], int]) -> Tensor:
    """Of repeated draws the rows that meet what is asked of a rule's column; at the last any, to be moved to it."""
    given, seed = asked
    n, kept, rest = len(x), [], x
    for attempt in range(ATTEMPTS):
        fits = artifact.codec.fits(x, generator(seed, "fits", attempt), given)
        if fits is None:
            return x
        kept.append(x[torch.from_numpy(fits)])
        rest = x[torch.from_numpy(~fits)]
        if sum(map(len, kept)) >= n:
            break
        x = artifact.model.sample(n, given=condition, rng=generator(seed, "sample", attempt))
    return torch.cat([*kept, rest, x])[:n]


def _anew(artifact: Artifact, x: Tensor, condition: Tensor | None, asked: tuple[dict[str, Any], int]) -> Tensor:
    """The rows that break what was asked are drawn again in their place, each under its own condition, a few times."""
    given, seed = asked
    codec: Any = artifact.codec
    for attempt in range(REDRAWS):
        if not (rows := codec.unmet(x, given)):
            break
        own = condition if condition is None or len(condition) < len(x) else condition[rows]
        limits = codec.limits(given, len(x), rows)
        x[rows] = artifact.model.sample(len(rows), given=own, rng=generator(seed, "anew", attempt), **limits)
    return x


@torch.no_grad()
def go_on(
    artifact: Artifact, one: Any, keep: float, *, n: int = 1, given: dict[str, Any] | None = None, seed: int = 0
) -> Any:
    """n objects that begin as the first `keep` seconds of a given one do, and go on as the model has it.

    For compositions of a neural codec and a model of its tokens. What is kept goes through the codec. ConfigError for
    other artifacts, and where nothing or everything would be kept.
    """
    codec, first = artifact.codec, artifact.first
    if first is None or not getattr(first.model, "vocab", 0) or not hasattr(artifact.model, "begin"):
        raise ConfigError("only a decoder of a neural codec's tokens goes on: conjure fit audio DIR -o DIR makes one")
    seconds = first.codec.seconds  # type: ignore[attr-defined]
    frames = round(keep / seconds * first.model.frames)  # type: ignore[operator]
    if not 0 < frames < first.model.frames:
        raise ConfigError(
            f"{keep:g} s cannot be kept of clips of {seconds:.2f} s: keep less than that, and more than 0"
        )
    condition = codec.condition(given := dict(given or {}), n)
    kept = torch.full((1, *codec.space.shape), -1)  # type: ignore[union-attr]
    kept[:, :frames] = first.model.encode(first.codec.encode(one).x[:1])[:, :frames]  # type: ignore[operator]
    x = artifact.model.sample(n, given=condition, rng=generator(seed, "go on"), kept=kept)  # type: ignore[call-arg]
    return codec.decode(x, generator(seed, "decode"), given)


def read_questions(artifact: Artifact, data: Any) -> Any:
    """What `complete` is to complete, from a path or objects."""
    corpus = catalog.part(artifact.recipe.domain, "corpus")
    if callable(read := getattr(corpus, "read_questions", None)):
        return read(data)
    return corpus.read(data)[0]


CHUNK = 10_000  # objects completed at a time, so that memory stays bounded


@torch.no_grad()
def complete(artifact: Artifact, objects: Any, *, given: dict[str, Any] | None = None, seed: int = 0) -> Any:
    """Objects with what they lack: gaps of a table, the translation of a text, the future of a series.

    Drawn from P(missing | present); a family that can name the likeliest answer (`best`: a beam search, a median)
    gives that. What is there stays as it is. `given` are further words of the domain. ConfigError where the kind
    of data knows no gaps or the family cannot condition on what is there.
    """
    codec, model, corpus = artifact.codec, artifact.model, catalog.part(artifact.recipe.domain, "corpus")
    if artifact.first is not None:
        raise ConfigError("what is fitted through another artifact draws whole objects; it fills no gaps")
    if not hasattr(codec, "complete"):
        raise ConfigError(f"{artifact.recipe.domain} has no gaps to fill: complete works on tables, pairs, series")
    if hasattr(objects, "chunks"):
        raise ConfigError("this data does not fit in memory: complete it in parts")
    parts = []
    for start in range(0, len(objects), CHUNK):
        part = corpus.cut(objects, start, start + CHUNK)
        evidence = codec.evidence(part, given)
        levels = getattr(codec, "levels", ())
        if levels and callable(quantiles := getattr(model, "quantiles", None)):
            x = quantiles(evidence, levels)  # (N, levels, ...): an answer with its interval
        elif callable(best := getattr(model, "best", None)):
            x = best(evidence)
        else:
            x = model.sample(len(part), given=evidence, rng=generator(seed, "complete", start))
        parts.append(codec.complete(part, x, generator(seed, "fill", start)))
    return corpus.join(parts)
