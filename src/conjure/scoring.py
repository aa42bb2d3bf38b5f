"""How probable an artifact finds given objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.artifact import Artifact
from conjure.composition.latents import Latents
from conjure.core.errors import ConfigError
from conjure.domains.protocol import Encoded

BATCH = 1024


@torch.no_grad()
def score(artifact: Artifact, objects: Any) -> np.ndarray:
    """log P(x) in nats, one number an object (rows,), of a stream one a window: higher is more typical.

    `artifact.score_kind` says whether it is exact, a bound or an estimate. Where a codec rounds (a number into
    a bin), the density of the value inside its bin is added, so that scores are of the data, not its codes.
    """
    if hasattr(objects, "chunks"):  # data too large for memory
        return np.concatenate([score(artifact, chunk) for chunk in objects.chunks()])
    model = artifact.model
    if not artifact.score_kind:
        raise ConfigError(f"a {_named(artifact)} has no likelihood, so it cannot score; fit another model")
    codec = artifact.codec
    if callable(whole := getattr(codec, "log_prob", None)):  # of a composition
        nats = whole(model, objects).double().numpy()
        codec = codec.front if isinstance(codec, Latents) else codec
    else:
        parts = [model.log_prob(x, given, mask) for x, given, mask in _pieces(codec.encode(objects))]
        nats = torch.cat(parts).double().numpy()
    density = getattr(codec, "log_density", None)
    return nats + density(objects) if density else nats


def _named(artifact: Artifact) -> str:
    """The family, and of a composition both."""
    return artifact.recipe.model + (f" through a {artifact.first.recipe.model}" if artifact.first else "")


def _pieces(encoded: Encoded) -> Iterator[tuple[Tensor, Tensor | None, Tensor | None]]:
    """(x, given, mask) in batches; a stream as windows that overlap by one token, the last one shorter."""
    x = encoded.x if encoded.x.is_floating_point() else encoded.x.long()
    if not encoded.window:
        for start in range(0, len(x), BATCH):
            rows = slice(start, start + BATCH)
            given, mask = (None if t is None else t[rows] for t in (encoded.given, encoded.mask))
            yield x[rows], given, mask
        return
    whole = max(0, len(x) - 1) // encoded.window
    if whole:
        windows = x.unfold(0, encoded.window + 1, encoded.window)
        yield from ((part, None, None) for part in windows.split(BATCH))
    if len(x) - whole * encoded.window > 1:
        yield x[whole * encoded.window :].unsqueeze(0), None, None
