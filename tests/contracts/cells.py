"""Every cell of the grid in its smallest form: a family, a space it serves, settings that keep it tiny."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from conjure import catalog
from conjure.core.batch import Batch
from conjure.core.config import fill
from conjure.core.rng import Noise
from conjure.core.space import Columns, Dense, Space, Tokens
from conjure.models.protocol import Model
from tests.architecture.grid import SPACES

# Settings that make a family small, and the objective that it is usually trained for.
TINY: dict[str, tuple[dict[str, Any], str]] = {
    "autoencoder": ({"width": 16, "latent": 3, "components": 4}, "reconstruction"),
    "chords": ({"width": 16, "hidden": 16, "layers": 1, "dropout": 0.0}, "infilling"),
    "circuit": ({"states": 4}, "expectation"),
    "columns": ({"width": 16, "layers": 1}, "orderless"),
    "cycle": ({"channels": 4, "blocks": 1}, "cycle"),
    "decoder": ({"width": 16, "layers": 1, "heads": 2}, "likelihood"),
    "flow": ({"width": 16, "layers": 1, "channels": 4, "evaluations": 4}, "matching"),
    "forecaster": ({"factors": 2}, "margins"),
    "gan": ({"width": 16, "layers": 1, "latent": 4}, "wasserstein"),
    "gan, minmax": ({"width": 16, "layers": 1, "latent": 4, "components": 3}, "minmax"),
    "independent": ({}, "counting"),
    "llm": ({"width": 16, "layers": 1, "heads": 2, "groups": 1}, "likelihood"),
    "marginals": ({"particles": 4}, "entropy"),
    "markov": ({"order": 2}, "counting"),
    "pixels": ({"width": 16, "reach": 2}, "likelihood"),
    "recurrent": ({"width": 16}, "likelihood"),
    "reward": ({"settings": {"width": 16, "layers": 1, "heads": 2}}, "ranking"),
    "seq2seq": ({"layers": [1, 1], "width": 16, "heads": 2}, "smoothing"),
    "vae": ({"width": 16, "latent": 3}, "elbo"),
    "vq": ({"hop": 64, "width": 16, "layers": 1, "latent": 4, "codes": 8, "levels": 2}, "coding"),
}

POINTS = ("cycle",)  # families with one x for each condition, whatever the seed
GAMES = ("gan", "gan, minmax", "cycle", "vq")  # without a likelihood, and without a loss that must fall


def given_of(name: str, space: Space) -> Space | None:
    """The condition of a family that takes one always, None for the others."""
    if name == "cycle" and isinstance(space, Dense) and len(space.shape) == 3:
        return Dense((space.shape[0] + 1, *space.shape[1:]), space.low, space.high)
    if name == "forecaster" and isinstance(space, Dense) and len(space.shape) == 2:
        return Dense((2, 12, space.shape[1]))
    if name == "seq2seq" and isinstance(space, Tokens):
        return space
    return None


def condition(name: str, space: Space, n: int, seed: int = 0) -> Tensor | None:
    """n conditions for draws of a family, where it takes one always."""
    given = given_of(name, space)
    return None if given is None else draw(given, n, seed)


def cells() -> list[tuple[str, str]]:
    """(family, kind of space) for all that fit."""
    fits = []
    for name in [*catalog.MODELS, *(n for n in TINY if n not in catalog.MODELS)]:
        family = family_of(name)
        fits += [
            (name, kind) for kind, s in SPACES.items() if not family.refuses(s, given_of(name, s), config_of(name))
        ]
    return fits


def family_of(name: str) -> type[Model]:
    """The family itself; what follows a comma tells its cells under another objective apart."""
    return catalog.resolve("models", name.partition(",")[0])


def config_of(name: str) -> Any:
    return fill(family_of(name).Config, TINY[name][0])


def make(name: str, space: Space) -> Model:
    torch.manual_seed(0)
    return family_of(name)(space, given_of(name, space), config_of(name))


def objective(name: str, model: Model) -> Any:
    kind = catalog.resolve("objectives", TINY[name][1])
    torch.manual_seed(1)
    return kind(model, kind.Config())


def draw(space: Space, n: int, seed: int = 0) -> Tensor:
    """n points of a space with some structure: the first column, pixel or token decides the rest in part."""
    rng = torch.Generator().manual_seed(seed)
    if isinstance(space, Dense):
        sign = torch.randn(n, *[1] * len(space.shape), generator=rng).sign()
        return (0.4 * sign + 0.2 * torch.randn(n, *space.shape, generator=rng)).clamp(-1, 1)
    if isinstance(space, Tokens):
        first = torch.randint(space.vocab, (n, *[1] * len(space.shape)), generator=rng)
        return (first + torch.randint(2, (n, *space.shape), generator=rng)) % space.vocab
    assert isinstance(space, Columns)
    first = torch.randint(2, (n,), generator=rng)
    parts = [
        (first + torch.randint(2, (n,), generator=rng)) % size if size else first + 0.1 * torch.randn(n, generator=rng)
        for size in space.sizes
    ]
    return torch.stack([p if space.discrete else p.float() for p in parts], 1)


def batch(space: Space, n: int = 32, seed: int = 0, name: str = "") -> Batch:
    """A batch for a family called `name`: with a condition where it takes one always."""
    return Batch(draw(space, n, seed), given=condition(name, space, n, seed + 1), noise=Noise(seed, "contract"))
