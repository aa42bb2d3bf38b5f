"""Maximum entropy under measured marginals, column by column: the most even law that agrees with the pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.privacy import Ledger
from conjure.core.rng import generator
from conjure.models.protocol import Model
from conjure.objectives.measuring import Measured, measure
from conjure.objectives.protocol import Move, Objective

EXACT = 3  # times the iterations, where no noise makes the last digits idle


class Entropy(Objective):
    """Select, measure, generate (McKenna, Miklau and Sheldon 2021), the last by conditional maximum entropy.

    For each column in turn, over rows x drawn from the columns before it, minimise over weights w

        mean_x log Z(x; w) - <w, marginals / rows> + sum_c w_c^2 (1 + s^2 m_c / e_c) / (2 rows t^2)

    The first two terms are the dual of maximum entropy (Berger, Della Pietra and Della Pietra 1996, eq. 12). The last
    is a normal prior. Its scale t grows with the pair's own dependence (empirical Bayes); its strength is the share of
    noise in a cell: s^2 is the variance of one noisy count, m_c how many of them feature c sums over, e_c how many rows
    it would hold were columns independent. Ordered columns have features of 1, 2, 4, ... neighbouring codes, so that
    where cells drown in noise, their sums do not. Without a budget there is one feature more, a column's ranks, with
    next to no prior: what ranks say of each other and of every code is kept whole, as effects in small tables need.
    Convex; solved by L-BFGS. What is private is measured once.
    """

    needs = ("set_column", "span")
    pure = False
    whole = True

    @dataclass(frozen=True)
    class Config:
        """explore: share of the budget spent on all pairs alike; pairs: share of pairs that get the rest; t is gain
        times the root of a pair's chi-square over rows, tau at most; particles: rows drawn to average over; before:
        most earlier columns that a column looks at; iterations of L-BFGS a column, under a budget; thrice as many
        without noise.
        """

        explore: float = 0.3
        pairs: float = 0.7
        tau: float = 2.0
        gain: float = 1.0
        particles: int = 8192
        before: int = 40
        iterations: int = 40

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        self.ledger: Ledger | None = None
        self.measured: Measured | None = None
        self.done = 0

    def under(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def prepare(self, batch: Batch, rows: int) -> None:
        c, spans = self.config, [self.model.span(i) for i in range(len(self.model.sizes))]
        self.spans, self.measured = spans, measure(batch.x, spans, self.ledger, c.explore, c.pairs)
        self.strength = self.measured.strength(spans)
        self.drawn = torch.zeros(c.particles, len(spans), dtype=torch.long)
        kinds = list(zip(self.model.sizes, self.model.ordered))
        self.features = [_features(size, ordered) for size, ordered in kinds]
        self.ranked = [self.ledger is None and (ordered or size == 2) for size, ordered in kinds]
        for i in (k for k, ranked in enumerate(self.ranked) if ranked):
            self.features[i] = torch.cat([self.features[i], _ranks(self.measured.alone[i])], 1)

    def moves(self, batch: Batch) -> Iterator[Move]:
        """Every column once, at the first step; further steps find nothing left to do."""
        if self.measured is None:
            self.prepare(batch, len(batch))
        while self.done < len(self.spans):
            self._column(self.done)
            self.done += 1
        yield Move("model", torch.zeros(()))

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": -self.model.log_prob(batch.x).mean()}

    def _column(self, place: int) -> None:
        """Fit the column at a place of the order and draw it for the particles."""
        i, earlier = int(self.model.order[place]), self.model.order[:place].tolist()
        rng = generator(place, "particles")
        share = self.measured.alone[i] / self.measured.alone[i].sum()
        near = sorted(earlier, key=lambda j: -float(self.strength[i, j]))[: self.config.before]
        law = _Law(share, [self.features[j] for j in near], self.features[i])
        goals = [self._goal(i, j, share) for j in near]
        priors = [self._prior(i, j) for j in near]
        seen = self.drawn[:, near]
        iterations = self.config.iterations if self.ledger else EXACT * self.config.iterations
        law.fit(seen, goals, priors, self.measured.rows, iterations)
        shift, weights = law.result()
        self.model.set_column(i, shift, dict(zip(near, weights)))
        odds = law.logits(seen, shift, weights).softmax(1)
        self.drawn[:, i] = torch.multinomial(odds, 1, generator=rng).squeeze(1)

    def _goal(self, i: int, j: int, share: Tensor) -> Tensor:
        """P(x_j, x_i) with x_j as the particles have it and x_i given x_j as measured, (size of j, size of i)."""
        have = torch.bincount(self.drawn[:, j], minlength=self.model.sizes[j]) / len(self.drawn)
        joint = self.measured.joint[self.spans[j], self.spans[i]] / self.measured.rows
        usual = self.measured.alone[j] / self.measured.rows
        joint = joint * (have / usual).clamp(0.2, 5.0).unsqueeze(1)
        return joint + torch.outer(have - joint.sum(1), share)

    def _scale(self, i: int, j: int) -> float:
        """The prior's scale for a pair: larger, the further the pair is from independence (empirical Bayes)."""
        found = max(0.0, float(self.strength[i, j])) ** 0.5
        return min(self.config.tau, max(0.05, self.config.gain * found))

    def _prior(self, i: int, j: int) -> Tensor:
        """The prior's strength on each feature of a pair, in rows."""
        a, b, rows = self.features[j], self.features[i], self.measured.rows
        cells = torch.outer(a.sum(0), b.sum(0))
        expected = torch.outer(self.measured.alone[j] @ a, self.measured.alone[i] @ b) / rows
        prior = (1 + self.measured.scales[i, j] ** 2 * cells / expected.clamp_min(0.1)) / self._scale(i, j) ** 2
        if self.ranked[j]:  # ranks against ranks, and against each code, are all but free
            prior[-1] = self.config.tau**-2
        if self.ranked[i]:
            prior[:, -1] = self.config.tau**-2
        return prior


class _Law:
    """One column's log-linear law while it is fitted."""

    def __init__(self, share: Tensor, before: list[Tensor], own: Tensor):
        self.share, self.before, self.own = share, before, own
        self.shift = torch.zeros_like(share, requires_grad=True)
        self.parts = [torch.zeros(b.shape[1], own.shape[1], requires_grad=True) for b in before]

    def result(self) -> tuple[Tensor, list[Tensor]]:
        """(shift, weights between codes), without gradient."""
        with torch.no_grad():
            return (self.share.log() + self.shift).detach(), [self._codes(k).detach() for k in range(len(self.parts))]

    def logits(self, x: Tensor, shift: Tensor, weights: list[Tensor]) -> Tensor:
        """Of rows whose earlier columns are x (N, earlier): (N, size)."""
        total = shift.expand(len(x), -1)
        for k, weight in enumerate(weights):
            total = total + weight[x[:, k]]
        return total

    def fit(self, x: Tensor, goals: list[Tensor], priors: list[Tensor], rows: float, iterations: int) -> None:
        """Solve for shift and weights."""
        if not self.parts:  # the first column: its own counts say it all
            return
        settings = {"max_iter": iterations, "history_size": 10, "line_search_fn": "strong_wolfe"}
        solver = torch.optim.LBFGS(
            [self.shift, *self.parts], lr=1, tolerance_grad=1e-5, tolerance_change=1e-7, **settings
        )

        def closure() -> Tensor:
            solver.zero_grad()
            weights = [self._codes(k) for k in range(len(self.parts))]
            reward = (self.share * (self.shift + self.share.log())).sum()
            penalty = torch.zeros(())
            for part, weight, goal, prior in zip(self.parts, weights, goals, priors):
                reward, penalty = reward + (goal * weight).sum(), penalty + (prior * part.square()).sum()
            normal = self.logits(x, self.share.log() + self.shift, weights).logsumexp(1).mean()
            loss = normal - reward + penalty / (2 * rows)
            loss.backward()
            return loss

        with torch.enable_grad():
            solver.step(closure)  # type: ignore[arg-type]

    def _codes(self, k: int) -> Tensor:
        return self.before[k] @ self.parts[k] @ self.own.T


def _ranks(counts: Tensor) -> Tensor:
    """Each code's mean rank among rows with such counts, centred and scaled to one, (size, 1)."""
    shares = counts / counts.sum()
    middle = shares.cumsum(0) - shares / 2 - 0.5
    return (middle / (shares * middle.square()).sum().sqrt().clamp_min(1e-6)).unsqueeze(1)


def _features(size: int, ordered: bool) -> Tensor:
    """What of a column a law may weigh, (size, features): each code, and groups of 2, 4, ... neighbours if ordered."""
    levels, width = [torch.eye(size)], 2
    while ordered and size / width >= 2:
        groups = math.ceil(size / width)
        levels.append(torch.eye(groups)[torch.arange(size) // width])
        width *= 2
    return torch.cat(levels, 1)
