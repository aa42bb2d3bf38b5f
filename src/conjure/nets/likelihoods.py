"""Output distributions: from the numbers a network writes for each element of x to a probability and a draw.

Each states `depth`, the numbers it wants per element, and offers log_prob (nats an element), draw and mode.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.space import Columns, Dense, Tokens
from conjure.nets.columns import Layout

TINY = 1e-6
PACE = 10.0  # optimizers move a parameter by a rate a step; a scale has orders of magnitude to go, and is a multiple


class Logistic(nn.Module):
    """A logistic density gathered into `levels` evenly spaced values: exact probabilities of quantised pixels.

    The lowest and highest value take the tails (Salimans et al. 2017, eq. 2, with one component).

    Shapes: written (B, 2, *shape), x and log_prob (B, *shape).
    """

    depth = 2

    def __init__(self, space: Dense, levels: int):
        super().__init__()
        self.low, self.span, self.levels = space.low, space.high - space.low, levels

    def log_prob(self, written: Tensor, x: Tensor) -> Tensor:
        mean, scale = self._read(written)
        level = self._level(x)
        value = 2 * level / (self.levels - 1) - 1
        half = 1 / (self.levels - 1)
        above, below = (value - mean + half) / scale, (value - mean - half) / scale
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), without cancellation
        lowest, highest = level == 0, level == self.levels - 1
        terms = F.logsigmoid(above).masked_fill(highest, 0) + F.logsigmoid(-below).masked_fill(lowest, 0)
        return terms + torch.log(-torch.expm1(-2 * half / scale)).masked_fill(lowest | highest, 0)

    def draw(self, written: Tensor, rng: torch.Generator | None) -> Tensor:
        mean, scale = self._read(written)
        u = uniform(mean, rng)
        return self._value(mean + scale * (u.log() - (-u).log1p()))

    def mode(self, written: Tensor) -> Tensor:
        return self._value(self._read(written)[0])

    def _read(self, written: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = written.float().unbind(1)
        return mean, (log_scale - 1).clamp(-7, 3).exp()  # starts near exp(-1) of the half range

    def _level(self, x: Tensor) -> Tensor:
        return ((x - self.low) / self.span * (self.levels - 1)).round()

    def _value(self, unit: Tensor) -> Tensor:
        """From [-1, 1] to the nearest level of the space."""
        level = ((unit + 1) / 2 * (self.levels - 1)).round().clamp(0, self.levels - 1)
        return self.low + self.span * level / (self.levels - 1)


class Gaussian(nn.Module):
    """A normal density with one learnt scale an element, the same for all x (Rybkin et al. 2021, sec. 3).

    Shapes: written (B, 1, *shape), x and log_prob (B, *shape).
    """

    depth = 1

    def __init__(self, space: Dense):
        super().__init__()
        self.space = space
        self.paced = nn.Parameter(torch.zeros(space.shape))

    @property
    def log_scale(self) -> Tensor:
        return PACE * self.paced

    def log_prob(self, written: Tensor, x: Tensor) -> Tensor:
        return normal_log_density(x, written.squeeze(1).float(), self.log_scale)

    def draw(self, written: Tensor, rng: torch.Generator | None) -> Tensor:
        mean = written.squeeze(1)
        return self._inside(mean + floor_scale(self.log_scale).exp() * normal(mean, rng))

    def mode(self, written: Tensor) -> Tensor:
        return self._inside(written.squeeze(1))

    def _inside(self, x: Tensor) -> Tensor:
        return x.clamp(self.space.low, self.space.high)


class Bernoulli(nn.Module):
    """Black or white. A grey value counts as the probability of white: log_prob is then the mean over
    the binary pictures it stands for, which is how a likelihood under stochastic binarisation is reported.

    Shapes: written (B, 1, *shape), x and log_prob (B, *shape).
    """

    depth = 1

    def __init__(self, space: Dense):
        super().__init__()
        self.low, self.span = space.low, space.high - space.low

    def log_prob(self, written: Tensor, x: Tensor) -> Tensor:
        white = (x - self.low) / self.span
        return -F.binary_cross_entropy_with_logits(written.squeeze(1).float(), white, reduction="none")

    def totals(self, written: Tensor, x: Tensor) -> Tensor:
        """log P of whole examples under several writings each, in fewer passes over memory.

        x l - softplus(l) is log_prob with the logit l. Shapes: written (B K, 1, *shape), x (B, *shape), result (B, K).
        """
        logits = written.reshape(len(x), -1, x[0].numel())
        white = ((x - self.low) / self.span).flatten(1).unsqueeze(1)
        shown = (logits * white.to(logits)).sum(-1, dtype=torch.float32)
        return shown - F.softplus(logits).sum(-1, dtype=torch.float32)

    def draw(self, written: Tensor, rng: torch.Generator | None) -> Tensor:
        chance = written.squeeze(1).sigmoid()
        return self.low + self.span * (uniform(chance, rng) < chance).float()

    def mode(self, written: Tensor) -> Tensor:
        return self.low + self.span * (written.squeeze(1) > 0).float()


class Categorical(nn.Module):
    """Each token by itself from a softmax over the vocabulary; what follows the first end is certain.

    Shapes: written (B, V, *shape), x and log_prob (B, *shape).
    """

    def __init__(self, space: Tokens):
        super().__init__()
        self.end, self.depth = space.end, space.vocab

    def log_prob(self, written: Tensor, x: Tensor) -> Tensor:
        nats = -F.cross_entropy(written[:, :, : x.shape[1]].float(), x, reduction="none")
        return nats if self.end is None else nats.masked_fill(self._ended(x), 0)

    def draw(self, written: Tensor, rng: torch.Generator | None) -> Tensor:
        return self._cut((written + gumbel(uniform(written, rng))).argmax(1))

    def mode(self, written: Tensor) -> Tensor:
        return self._cut(written.argmax(1))

    def _cut(self, x: Tensor) -> Tensor:
        return x if self.end is None else x.masked_fill(self._ended(x), self.end)

    def _ended(self, x: Tensor) -> Tensor:
        """Where an end stands before, (B, T)."""
        ends = (x == self.end).long().flatten(1)
        return (ends.cumsum(1) > ends).view(x.shape)


class MixedColumns(nn.Module):
    """Each category its own softmax, each number a normal density with one learnt scale a column.

    Shapes: written (B, W), x and log_prob (B, K).
    """

    depth = 1

    def __init__(self, space: Columns):
        super().__init__()
        self.layout = Layout(space)
        self.count = sum(self.layout.numbers)
        if self.count:
            self.paced = nn.Parameter(torch.zeros(self.count))

    @property
    def log_scale(self) -> Tensor:
        """Of each number, (numbers,)."""
        return PACE * self.paced

    def log_prob(self, written: Tensor, x: Tensor) -> Tensor:
        index, value = self.layout.places(x)
        parts = written.float().split(self.layout.spans, dim=1)
        numbers = self.layout.numbers
        normaliser = [p.new_zeros(len(p)) if n else p.logsumexp(1) for p, n in zip(parts, numbers)]
        at = torch.cat(parts, 1).gather(1, index)
        out = at - torch.stack(normaliser, 1)
        if not self.count:
            return out
        density = normal_log_density(value[:, numbers], at[:, numbers], self.log_scale)
        return out.masked_scatter(self.layout.is_number.expand_as(out), density)

    def draw(self, written: Tensor, rng: torch.Generator | None) -> Tensor:
        spread = gumbel(uniform(written, rng))
        if self.count:
            at = self.layout.starts[self.layout.is_number]
            noise = floor_scale(self.log_scale).exp() * normal(written[:, at], rng)
            spread[:, at] = noise
        return self.layout.narrow(written + spread)

    def mode(self, written: Tensor) -> Tensor:
        return self.layout.narrow(written)


def normal_log_density(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log N(x; mean, scale), elementwise; the scale is floored, so that no constant element drowns the rest."""
    log_scale = floor_scale(log_scale)
    return -0.5 * ((x - mean) * (-log_scale).exp()) ** 2 - log_scale - 0.5 * math.log(2 * math.pi)


def floor_scale(log_scale: Tensor) -> Tensor:
    """Learnt log scales, at least -5 and with a gradient everywhere."""
    return F.softplus(log_scale + 5) - 5


def gumbel(u: Tensor) -> Tensor:
    """Standard Gumbel noise from uniform noise: the argmax of logits plus it is a draw from their softmax."""
    return -(-u.clamp(TINY, 1 - TINY).log()).log()


def uniform(like: Tensor, rng: torch.Generator | None) -> Tensor:
    """Uniform noise of a tensor's shape, away from 0 and 1; drawn where the generator lives."""
    where = rng.device if rng else like.device
    return torch.rand(like.shape, generator=rng, device=where).to(like.device).clamp(TINY, 1 - TINY)


def normal(like: Tensor, rng: torch.Generator | None) -> Tensor:
    """Standard normal noise of a tensor's shape; drawn where the generator lives."""
    where = rng.device if rng else like.device
    return torch.randn(like.shape, generator=rng, device=where).to(like.device)


def pick(p: Tensor, rng: torch.Generator | None) -> Tensor:
    """One code (B,) from probabilities (B, V), which need not sum to one; drawn where the generator lives.

    The least of exponential times with rates p is a draw from p; so draws torch.multinomial, with more checks.
    """
    times = torch.empty(p.shape, dtype=p.dtype, device=rng.device if rng else p.device).exponential_(generator=rng)
    return (p / times.to(p.device)).argmax(-1)
