"""How probable an artifact finds given objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from conjure.artifact import Artifact
from conjure.core.errors import ConfigError
from conjure.training.data import Examples

BATCH = 1024


@torch.no_grad()
def score(artifact: Artifact, objects: Any) -> np.ndarray:
    """log P(x) in nats, one number an object (rows,): higher is more typical.

    `artifact.model.score_kind` says whether it is exact or a bound. Where a codec rounds (a number into
    a bin), the density of the value inside its bin is added, so that scores are of the data, not its codes.
    """
    model = artifact.model
    if not callable(getattr(model, "log_prob", None)):
        raise ConfigError(f"a {artifact.recipe.model} has no likelihood, so it cannot score; fit another model")
    encoded = artifact.codec.encode(objects)
    examples = Examples(encoded)
    parts = [model.log_prob(b.x, b.given, b.mask) for b in examples.held_out(BATCH, len(examples))]
    nats = torch.cat(parts).double().numpy()
    density = getattr(artifact.codec, "log_density", None)
    return nats + density(objects) if density else nats
