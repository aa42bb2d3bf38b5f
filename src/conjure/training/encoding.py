"""A run's data as tensors: the part to learn from and the part held out, in memory or in shards on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from conjure import catalog
from conjure.core.errors import ConfigError
from conjure.domains.protocol import Codec, Encoded
from conjure.recipe import Recipe
from conjure.training.data import Shards

LEARN_FROM = 200_000  # objects a codec learns from when the data does not fit in memory


def encoded(
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
