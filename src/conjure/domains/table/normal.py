"""Numbers as normal scores, for models of real numbers: z = Phi^-1(F(value)), F the training distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from conjure.core.rng import derive
from conjure.core.space import Category, Number
from conjure.domains.table.binning import Binning

CURVE = 1000  # pieces of F
HEAVY = 0.02  # a value in a larger share of the rows gets a code of its own beside the score
CLIP = 1e-6
LOG_ROOT = 0.5 * np.log(2 * np.pi)


class NormalScores:
    """A score, and where values repeat or miss a code: 0 says "see the score", 1 .. a heavy value, the last missing.

    A row whose code says it all has no score. Noise stands in its place, the same for the same rows, which
    leaves a likelihood of rows a lower bound: log p(code) >= E_z[log p(code, z) - log N(z; 0, 1)].
    """

    missing: bool

    def __init__(self, curve: Binning, heavy: np.ndarray, counts: np.ndarray, *, missing: bool, seed: int):
        self.curve, self.heavy, self.counts, self.missing, self.seed = curve, heavy, counts, missing, seed
        self.grid = curve.grid

    @classmethod
    def learn(cls, name: str, values: np.ndarray, *, grid: bool) -> NormalScores:
        present = values[~np.isnan(values)]
        distinct, counts = np.unique(present, return_counts=True)
        heavy = counts > HEAVY * len(present)
        if heavy.all():
            heavy[:] = False
        curve = Binning.grouped(distinct[~heavy], counts[~heavy], np.array([0]), grid=grid, knots=CURVE)
        absent = len(values) - len(present)
        every = [counts[~heavy].sum(), *counts[heavy], *([absent] if absent else [])]
        return cls(curve, distinct[heavy], np.array(every, np.int64), missing=bool(absent), seed=derive(0, name))

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest value of training."""
        ends = np.concatenate([self.curve.span, self.heavy])
        return float(ends.min()), float(ends.max())

    @property
    def middle(self) -> float:
        """The median value, in a grid's steps a whole one."""
        return float(self.curve.draw(np.zeros(1, np.int64), np.array([0.5]))[0])

    def columns(self, name: str, listed: bool) -> tuple[Category | Number, ...]:
        """The score's column in a model's space, and the code's where there is one."""
        code = (Category(f"{name}: repeated or missing", len(self.counts)),) if len(self.counts) > 1 else ()
        return (Number(name), *code)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Scores and codes, (rows, 1 or 2)."""
        codes = self._codes(values)
        noise = np.random.default_rng(self.seed).standard_normal(len(values))
        scores = np.where(codes == 0, self._scores(values), noise)
        return np.column_stack([scores, codes] if len(self.counts) > 1 else [scores])

    def draw(self, cells: np.ndarray) -> np.ndarray:
        """The values of scores and codes; nothing is left to chance."""
        level = torch.special.ndtr(torch.from_numpy(cells[:, 0].astype(np.float64))).numpy()
        values = self.curve.draw(np.zeros(len(cells), np.int64), level)
        if len(self.counts) == 1:
            return values
        codes = cells[:, 1].astype(np.int64)
        others = np.append(self.heavy, np.nan)[np.clip(codes - 1, 0, None)]
        return np.where(codes == 0, values, others)

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """log |dz / dvalue| (on a grid: the width of the value's cell in z); without a score, the noise's share."""
        cells = self.encode(values)
        codes = self._codes(values)
        change = self.curve.log_density(np.where(codes == 0, values, self.curve.low[0]))
        return np.where(codes == 0, change, 0.0) + 0.5 * cells[:, 0] ** 2 + LOG_ROOT

    def state(self) -> dict[str, Any]:
        return {
            "curve": self.curve.state(),
            "heavy": self.heavy.tolist(),
            "counts": self.counts.tolist(),
            "missing": self.missing,
            "seed": self.seed,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> NormalScores:
        heavy, counts = np.array(state["heavy"], np.float64), np.array(state["counts"], np.int64)
        return cls(Binning.from_state(state["curve"]), heavy, counts, missing=state["missing"], seed=state["seed"])

    def _codes(self, values: np.ndarray) -> np.ndarray:
        if not len(self.heavy):
            return np.where(np.isnan(values), len(self.counts) - 1, 0)
        at = np.clip(np.searchsorted(self.heavy, values), 0, len(self.heavy) - 1)
        codes = np.where(self.heavy[at] == values, at + 1, 0)
        return np.where(np.isnan(values), len(self.counts) - 1, codes)

    def _scores(self, values: np.ndarray) -> np.ndarray:
        half = 0.5 if self.grid else 0.0
        places, levels = self.curve.positions, self.curve.levels
        level = (np.interp(values - half, places, levels) + np.interp(values + half, places, levels)) / 2
        return torch.special.ndtri(torch.from_numpy(np.clip(level, CLIP, 1 - CLIP))).numpy()
