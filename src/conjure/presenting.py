"""Presentation attacks for testing detectors: simulated on pictures of yours, and a bench for anybody's scores."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from conjure import catalog, sampling
from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive
from conjure.domains.image.attacks.species import SPECIES, Attack, Spans, known, parameters, simulate
from conjure.domains.image.pictures import Images
from conjure.metrics.figure import Report
from conjure.metrics.liveness import judge
from conjure.metrics.presentation import BONA_FIDE

MANIFEST = "manifest.csv"
SIMULATED = "simulated"  # the style that a learnt residual starts from
AT_ONCE = 64  # pictures that a residual translates together


@dataclass(frozen=True)
class Simulation:
    """Which attacks to make: `count` of each species on every picture, parameters from `spans` where given.

    residual: an artifact of `restyle` learnt from simulated attacks and captured ones, which adds what the formulas
    leave out; toward: the name of its captured style, found where the other is called "simulated".
    """

    species: tuple[str, ...] = tuple(SPECIES)
    count: int = 1
    spans: Spans = field(default_factory=dict)
    residual: Artifact | None = None
    toward: str | None = None

    def __post_init__(self) -> None:
        if not self.species or self.count < 1:
            raise ConfigError("at least one species and one attack a picture are needed")
        for name in self.species:
            known(name)
        if self.residual is not None and self.residual.recipe.domain != "unpaired":
            raise ConfigError(f"a residual is learnt by `fit restyle`, not of {self.residual.recipe.domain} data")

    def style(self) -> str:
        """The style of captured attacks."""
        styles = list(self.residual.codec.styles)  # type: ignore[union-attr]
        if self.toward is None and SIMULATED in styles:
            return next(s for s in styles if s != SIMULATED)
        if self.toward not in styles:
            raise ConfigError(f"which style are captured attacks: {' or '.join(styles)}? (--residual-to STYLE)")
        return self.toward


def attacks(pictures: Images, simulation: Simulation, *, seed: int = 0) -> Iterator[tuple[int, Attack]]:
    """(place of the picture, attack on it), picture by picture; the same seed gives the same attacks."""
    waiting: list[tuple[int, Attack]] = []
    for row, picture in enumerate(pictures):
        for name in simulation.species:
            for k in range(simulation.count):
                waiting.append((row, simulate(picture, name, derive(seed, row, name, k), simulation.spans)))
        if len(waiting) >= AT_ONCE:
            yield from _finished(waiting, simulation)
            waiting = []
    yield from _finished(waiting, simulation)


def _finished(made: list[tuple[int, Attack]], simulation: Simulation) -> list[tuple[int, Attack]]:
    """With the learnt residual, where there is one."""
    if simulation.residual is None or not made:
        return made
    shown = Images([attack.picture for _, attack in made])
    turned = sampling.complete(simulation.residual, shown, given={"to": simulation.style()})
    return [(row, replace(attack, picture=picture)) for (row, attack), picture in zip(made, turned)]


def write(pictures: Images, simulation: Simulation, out: Path, *, seed: int = 0) -> Path:
    """A folder with bona fide pictures and attacks, a sub-folder a species, and manifest.csv; written beside first.

    Its lines name the file, the species, the picture it was made from, the seed and every parameter in its unit.
    """
    from PIL import Image

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} already exists and is not an empty folder; choose another name")
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    columns = [name for name, _, _ in parameters()]
    try:
        beside.mkdir(parents=True)
        with (beside / MANIFEST).open("w", newline="", encoding="utf-8") as file:
            lines = csv.DictWriter(file, ["file", "species", "source", "seed", *columns], restval="")
            lines.writeheader()

            def keep(picture: np.ndarray, species: str, name: str, told: dict[str, Any]) -> None:
                (beside / species).mkdir(exist_ok=True)
                Image.fromarray(picture.squeeze(2) if picture.shape[2] == 1 else picture).save(beside / species / name)
                lines.writerow({"file": f"{species}/{name}", "species": species, **told})

            for row, picture in enumerate(pictures):
                keep(picture, BONA_FIDE, f"{row:06d}.png", {"source": pictures.name(row)})
            count = dict.fromkeys(simulation.species, 0)
            for row, attack in attacks(pictures, simulation, seed=seed):
                told = {"source": pictures.name(row), "seed": attack.seed}
                told |= {k: f"{v:.6g}" for k, v in attack.parameters.items()}
                keep(attack.picture, attack.species, f"{row:06d}-{count[attack.species]:06d}.png", told)
                count[attack.species] += 1
        return beside.replace(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def bench(scores: Any, *, threshold: float | None = None, title: str = "Presentation attack detection") -> Report:
    """ISO/IEC 30107-3 figures of a table with columns score and species (and left_out), as a report.

    score: higher is more surely bona fide. species: "bona fide" or the kind of attack. left_out, where there is one:
    the species that the detector behind this score never saw in training. DataError names what is missing.
    """
    table, _ = catalog.part("table", "corpus").read(scores)
    names = [*map(str, table.columns)]
    for name in ("score", "species"):
        if name not in names:
            raise DataError(
                f"the scores have no column {name!r} ({nearest(name, names)}); score and species are needed"
            )
    species = table["species"].astype(str).str.strip().str.replace("_", " ").str.lower()
    bona_fide = species.isin(["bona fide", "bonafide", "live", "genuine"])
    values = table["score"].to_numpy()
    if values.dtype.kind not in "iuf":
        raise DataError("column 'score' holds words; a score is a number, higher for bona fide")
    left_out = table["left_out"].fillna("").astype(str).str.strip().to_numpy() if "left_out" in names else None
    kinds = np.where(bona_fide, BONA_FIDE, table["species"].astype(str).str.strip())
    return judge(values.astype(float), kinds, threshold=threshold, left_out=left_out, title=title)


def try_out(detector: Callable[[Images], np.ndarray], folder: str | Path, *, threshold: float | None = None) -> Report:
    """The bench on a folder that `write` made: detector(pictures) gives a score a picture, higher for bona fide."""
    import pandas as pd

    pictures, source = catalog.part("image", "corpus").read(folder)
    if hasattr(pictures, "chunks"):
        raise ConfigError("these pictures do not fit in memory: score them in parts and give the bench a table")
    if pictures.labels is None or BONA_FIDE not in pictures.classes:
        raise DataError(
            f"{folder} has no sub-folder {BONA_FIDE!r}: `conjure images attack` writes one beside the species"
        )
    values = np.asarray(detector(pictures), float)
    if values.shape != (len(pictures),):
        raise DataError(f"the detector gave {values.shape} for {len(pictures)} pictures; one score each is needed")
    table = pd.DataFrame({"score": values, "species": pictures.labels})
    return bench(table, threshold=threshold, title=f"Presentation attack detection on {source.name}")
