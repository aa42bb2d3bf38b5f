"""The species of attack by name, their parameters, and one attack on one picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.core.rng import derive
from conjure.domains.image.attacks.masking import CutOut, Mask
from conjure.domains.image.attacks.optics import Camera, draw, to_bytes
from conjure.domains.image.attacks.printing import Print
from conjure.domains.image.attacks.replaying import Replay

SPECIES: dict[str, Any] = {"print": Print, "replay": Replay, "mask": Mask, "cutout": CutOut}
CAMERA = "camera"
SMALLEST = 16  # pixels a side, below which no dot or stripe is left to see

Spans = dict[str, dict[str, tuple[float, float]]]


@dataclass(frozen=True)
class Attack:
    """One attack on one picture: what the camera sees, uint8 (H, W, 1 or 3), and how it came about."""

    picture: np.ndarray
    species: str
    seed: int
    parameters: dict[str, float]


def simulate(picture: np.ndarray, species: str, seed: int, spans: Spans | None = None) -> Attack:
    """A presentation of uint8 (H, W, 1 or 3) by a species, its parameters drawn by the seed.

    spans: by species (and "camera"), the span of a parameter where it is not to be the species' own. ConfigError for
    an unknown species or a picture below 16 pixels a side.
    """
    kind = known(species)
    if min(picture.shape[:2]) < SMALLEST:
        raise ConfigError(
            f"a picture of {picture.shape[1]} x {picture.shape[0]} is too small: {SMALLEST} pixels a side"
        )
    rng = np.random.default_rng(derive(seed, "attack", species))
    spans = spans or {}
    chosen, camera = draw(kind, rng, spans.get(species)), draw(Camera, rng, spans.get(CAMERA))
    seen = camera.sees(chosen.shows(picture, rng), rng)
    told = {f"{species}.{k}": v for k, v in asdict(chosen).items()}
    told |= {f"{CAMERA}.{k}": v for k, v in asdict(camera).items()}
    return Attack(to_bytes(seen, picture.shape[2]), species, seed, told)


def known(species: str) -> Any:
    """The parameters' class; ConfigError for an unknown species."""
    if species not in SPECIES:
        raise ConfigError(f"no species of attack is called {species!r}: {nearest(species, list(SPECIES))}")
    return SPECIES[species]


def parameters() -> Iterable[tuple[str, tuple[float, float], str]]:
    """(species.parameter, its span, its unit) of every parameter there is."""
    for name, kind in {**SPECIES, CAMERA: Camera}.items():
        for f in fields(kind):
            yield f"{name}.{f.name}", f.metadata["span"], f.metadata["unit"]


def read_spans(words: dict[str, str]) -> Spans:
    """Spans from words such as {"print.ruling": "60..85", "replay.glare": "0"}.

    ConfigError for an unknown parameter, for what is no number, and for a span outside the parameter's own ends where
    the formulas hold no more.
    """
    ends = {name: span for name, span, _ in parameters()}
    found: Spans = {}
    for name, word in words.items():
        if name not in ends:
            raise ConfigError(f"no parameter is called {name!r}: {nearest(name, list(ends))}")
        low, dots, high = word.partition("..")
        try:
            pair = float(low), float(high if dots else low)
        except ValueError:
            raise ConfigError(f"{name} is {word!r}; a number or a span such as 60..85 is wanted") from None
        if not ends[name][0] <= pair[0] <= pair[1] <= ends[name][1]:
            raise ConfigError(f"{name} is {word}; it lies between {ends[name][0]:g} and {ends[name][1]:g}")
        species, _, parameter = name.partition(".")
        found.setdefault(species, {})[parameter] = pair
    return found
