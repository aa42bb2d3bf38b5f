"""A probabilistic circuit over columns: exact likelihood, exact marginals, conditions on any columns in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from conjure.core.space import Category, Columns, Space
from conjure.models.protocol import Model
from conjure.nets.tree import chow_liu, clusters

TINY = 1e-30
SETTLING = 20  # rounds of proportional fitting


class Circuit(Model):
    """Hidden Chow-Liu tree: each column hangs off a hidden state, and the states form a tree.

    P(x) = sum over z of P(z_root) prod_i P(z_i | z_parent(i)) P(x_i | z_i) (Liu and Van den Broeck 2021, fig. 2).
    The tree is the Chow-Liu tree of the columns, so that columns that depend on each other most are neighbours.
    What is kept are expected joint counts, which expectation maximisation updates; probabilities follow from
    them with pseudocounts. All computing is with probabilities scaled to a row maximum of one, not logarithms,
    so that each node is one matrix product.
    """

    spaces = (Columns,)
    score_kind = "exact"
    gradient = False

    @dataclass(frozen=True)
    class Config:
        """`states` hidden states a column; at least `rows_per_state` training rows stand behind each.

        link_prior and leaf_prior are pseudocounts (in rows) towards the columns' own marginals;
        loosen in [0, 1] is how far the first clustering is mixed with independence. settle: whether each column's
        marginal is at the end made that of the training rows.
        """

        states: int = 128
        rows_per_state: int = 20
        link_prior: float = 1.0
        leaf_prior: float = 0.3
        loosen: float = 0.1
        settle: bool = False

    def __init__(self, space: Columns, given: Space | None, config: Config):
        super().__init__(space, given, config)
        sizes, states = space.sizes, config.states
        self.sizes = sizes
        self.ordered = tuple(c.ordered for c in space.columns if isinstance(c, Category))
        self.starts = tuple(sum(sizes[:i]) for i in range(len(sizes)))
        uniform = torch.cat([torch.full((s, states), 1 / (s * states)) for s in sizes])
        self.register_buffer("leaves", uniform)  # (sum of sizes, states): joint of a column's code and its state
        self.register_buffer("links", torch.full((len(sizes), states, states), states**-2.0))  # parent's, own state
        self.register_buffer("parent", torch.arange(-1, len(sizes) - 1))
        self.register_buffer("rows", torch.ones(()))

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Any) -> str | None:
        if isinstance(space, Columns) and not space.discrete:
            return "Circuit models columns of codes, not numbers (set codec.numbers to bins)"
        return super().refuses(space, given, config)

    @torch.no_grad()
    def begin(self, x: Tensor, rows: int, rng: torch.Generator) -> None:
        """Find the tree and a first clustering in training codes x (N, K); `rows` is how many there are in all."""
        c = self.config
        count = max(1, min(c.states, len(x) // c.rows_per_state))
        self.parent.copy_(chow_liu(x, self.sizes, self.ordered))
        self.rows.fill_(float(rows))
        labels = clusters(x, self.sizes, self.ordered, count, rng)
        share = torch.bincount(labels, minlength=c.states).float() + 0.5 * (torch.arange(c.states) < count)
        share = share / share.sum()
        together = (1 - c.loosen) * torch.diag(share) + c.loosen * torch.outer(share, share)
        for i, size in enumerate(self.sizes):
            cells = torch.zeros(size * c.states)
            cells.index_add_(0, x[:, i] * c.states + labels, torch.full((len(x),), 1 / len(x)))
            joint = cells.view(size, c.states)
            joint = 0.9 * joint + 0.1 * joint.sum(1, keepdim=True) * share
            self.leaves[self._rows(i)] = joint * (0.85 + 0.3 * torch.rand(joint.shape, generator=rng))
            self.links[i] = together * (0.3 * torch.randn(together.shape, generator=rng)).exp()

    @torch.no_grad()
    def settle(self, x: Tensor) -> None:
        """Make each column's marginal that of codes x (N, K), by proportional fitting of P(code | state).

        Steps over small batches, of which the best for held-out rows is kept, leave marginals that scatter; how states
        hang together stays as it is (Deming and Stephan 1940, on the leaves alone).
        """
        for _ in range(SETTLING):
            leaf, link, prior, order = self._tables()
            state: dict[int, Tensor] = {}
            for i in order:
                p, rows = int(self.parent[i]), self._rows(i)
                state[i] = prior if p < 0 else state[p] @ link[i]
                wanted = torch.bincount(x[:, i], minlength=self.sizes[i]).float() / len(x)
                joint = self.leaves[rows]
                fitted = joint * (wanted / (leaf[rows] @ state[i]).clamp_min(TINY)).unsqueeze(1)
                self.leaves[rows] = fitted * (joint.sum(0) / fitted.sum(0).clamp_min(TINY))

    @torch.no_grad()
    def expectations(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean expected counts of the leaves and the links given codes x (B, K), and log P(x) (B,)."""
        tables = leaf, link, prior, order = self._tables()
        up, messages, nats, top = self._up([leaf[self._rows(i)][x[:, i]] for i in range(x.shape[1])], tables)
        leaves, links = torch.zeros_like(self.leaves), torch.zeros_like(self.links)
        posterior: list[Any] = [None] * len(order)
        for i in order:
            p = int(self.parent[i])
            if p < 0:
                here = up[i] * prior / top.unsqueeze(1)
            else:
                above = posterior[p] / messages[i].clamp_min(TINY)
                links[i] = (above.T @ up[i]) * link[i] / len(x)
                here = up[i] * (above @ link[i])
            posterior[i] = here
            leaves[self._rows(i)] = torch.zeros(self.sizes[i], here.shape[1]).index_add_(0, x[:, i], here) / len(x)
        return leaves, links, nats

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """log P(x) of codes (B, K), exact, in nats (B,); columns where mask (B, K) is False are summed out."""
        tables = self._tables()
        leaf = tables[0]
        columns = [leaf[self._rows(i)][x[:, i]] for i in range(x.shape[1])]
        if mask is not None:
            columns = [torch.where(mask[:, i : i + 1], c, 1.0) for i, c in enumerate(columns)]
        return self._up(columns, tables)[2]

    def log_evidence(self, evidence: Tensor) -> Tensor:
        """log of the probability of evidence (N, sum of sizes), weights in [0, 1] on every code, (N,)."""
        tables = self._tables()
        leaf = tables[0]
        return self._up([evidence[:, self._rows(i)] @ leaf[self._rows(i)] for i in range(len(self.sizes))], tables)[2]

    @torch.no_grad()
    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Draw codes (N, K). `given` (N or 1, sum of sizes) weighs each column's codes; the draw is from the exact
        posterior, so P(x | evidence) for ranges, sets and missing cells alike."""
        tables = self._tables()
        parts = []
        for start in range(0, n, 8192):
            count = min(8192, n - start)
            part = None if given is None else given.expand(n, -1)[start : start + count]
            parts.append(self._draw(count, part, tables, rng))
        return torch.cat(parts)

    def _draw(self, n: int, given: Tensor | None, tables: tuple[Any, ...], rng: torch.Generator | None) -> Tensor:
        leaf, link, prior, order = tables
        up = None
        if given is not None:
            up = self._up([given[:, self._rows(i)] @ leaf[self._rows(i)] for i in range(len(self.sizes))], tables)[0]
        out = torch.empty(n, len(self.sizes), dtype=torch.long)
        state: list[Any] = [None] * len(self.sizes)
        for i in order:
            p = int(self.parent[i])
            weight = prior.expand(n, -1) if p < 0 else link[i][state[p]]  # (N, states)
            state[i] = choose(weight if up is None else weight * up[i], rng)
            codes = leaf[self._rows(i)].T[state[i]]  # (N, size)
            out[:, i] = choose(codes if given is None else codes * given[:, self._rows(i)], rng)
        return out

    def _rows(self, i: int) -> slice:
        return slice(self.starts[i], self.starts[i] + self.sizes[i])

    def _order(self) -> list[int]:
        """Columns, parents first."""
        parents = self.parent.tolist()
        order = [parents.index(-1)]
        for i in order:
            order += [c for c, p in enumerate(parents) if p == i]
        return order

    def _tables(self) -> tuple[Tensor, Tensor, Tensor, list[int]]:
        """P(code | state) (sum of sizes, states), P(state | parent's) (K, parent, own), P(root's state), the order.

        Pseudocounts pull towards the marginals; states without any rows behind them stay without.
        """
        c, order = self.config, self._order()
        leaf = self.leaves * self.rows
        marginal = leaf.sum(1, keepdim=True) + 0.1
        for i in range(len(self.sizes)):
            marginal[self._rows(i)] /= marginal[self._rows(i)].sum()
        leaf = leaf + c.leaf_prior * marginal
        leaf = torch.cat([part / part.sum(0) for part in leaf.split(self.sizes)])
        link = self.links * self.rows
        own = link.sum(1, keepdim=True)
        own = own / own.sum(2, keepdim=True).clamp_min(TINY)
        link = link + c.link_prior * own
        link = link / link.sum(2, keepdim=True).clamp_min(TINY)
        prior = self.leaves[self._rows(order[0])].sum(0)
        return leaf, link, prior / prior.sum(), order

    def _up(self, columns: list[Tensor], tables: tuple[Any, ...]) -> tuple[list[Any], list[Any], Tensor, Tensor]:
        """From the leaves to the root: scaled likelihoods by state, messages to parents, log P, P at the root.

        `columns` holds each column's likelihood by state, (B, states); `tables` is what `_tables` made.
        """
        _, link, prior, order = tables
        up: list[Any] = list(columns)
        messages: list[Any] = [None] * len(columns)
        nats = torch.zeros(len(columns[0]))
        for i in reversed(order):
            scale = up[i].amax(1, keepdim=True).clamp_min(TINY)
            up[i] = up[i] / scale
            nats = nats + scale[:, 0].log()
            p = int(self.parent[i])
            if p >= 0:
                messages[i] = up[i] @ link[i].T
                up[p] = up[p] * messages[i]
        top = (up[order[0]] @ prior).clamp_min(TINY)
        return up, messages, nats + top.log(), top


def choose(weights: Tensor, rng: torch.Generator | None) -> Tensor:
    """One index a row, (N,), drawn in proportion to non-negative weights (N, V)."""
    total = weights.cumsum(1)
    point = torch.rand(len(weights), 1, generator=rng) * total[:, -1:]
    index = torch.searchsorted(total, point, right=True).squeeze(1).clamp(max=weights.shape[1] - 1)
    return index
