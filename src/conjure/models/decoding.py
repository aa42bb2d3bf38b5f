"""Writing token by token with a causal model: how a token is chosen, and the loop around the choice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from conjure.core.errors import ConfigError
from conjure.core.rng import derive
from conjure.nets.likelihoods import pick

NEAR = 8.0  # nats below the likeliest token at which the tail of a distribution begins


class Draws:
    """Random numbers of one text, each a function of (seed, place, token): nothing drawn beside it moves them."""

    def __init__(self, seed: int):
        self.seed = seed

    def race(self, weights: np.ndarray, ids: np.ndarray, place: int) -> int:
        """An index, each with probability proportional to its weight (K,): the first of exponential clocks.

        Clock i rings after E_i / w_i (Devroye 1986, ch. V.2). A token's clock is its own, so that a weight moved by
        rounding changes the winner only where two ring at almost the same moment.
        """
        return int((np.log(weights) - np.log(-np.log(self._uniform(ids, place)))).argmax())

    def coin(self, place: int) -> float:
        """One number in (0, 1)."""
        return float(self._uniform(np.array([-1]), place)[0])

    def _uniform(self, ids: np.ndarray, place: int) -> np.ndarray:
        """Numbers in (0, 1) of token ids (K,): splitmix64 (Steele et al. 2014, fig. 16) as a function of a counter."""
        z = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(derive(self.seed, place))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53 + 2.0**-54


class Tally:
    """Which tokens a text holds, and how often what was written since its prompt holds them."""

    def __init__(self, prompt: Iterable[int] = ()):
        seen = np.unique(np.fromiter(prompt, np.int64))
        self.ids, self.counts, self.places = seen, np.zeros(len(seen)), {int(t): k for k, t in enumerate(seen)}

    def add(self, token: int) -> None:
        if token not in self.places:
            self.places[token] = len(self.ids)
            self.ids, self.counts = np.append(self.ids, token), np.append(self.counts, 0.0)
        self.counts[self.places[token]] += 1


@dataclass(frozen=True)
class Choice:
    """How the next token is drawn; as it stands, from the model's own distribution.

    temperature divides the logits (0 takes the most probable token); top_k keeps that many tokens (0 = all);
    top_p keeps the fewest tokens that hold this much probability (Holtzman et al. 2020, eq. 2); min_p then drops
    those below this share of the likeliest one's probability (Nguyen et al. 2024, sec. 3).

    Before that, logits of tokens that stand in prompt or answer are divided by `repetition` where positive and
    multiplied by it where negative (Keskar et al. 2019, sec. 4.1); those of tokens the answer holds n times fall by
    n times `frequency` and once by `presence`; `bias` holds (token, number added to its logit) pairs.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition: float = 1.0
    frequency: float = 0.0
    presence: float = 0.0
    bias: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if not self.temperature >= 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ConfigError("temperature and top_k are at least 0, top_p is above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise ConfigError(f"min_p is {self.min_p}; it is a share of the likeliest probability, 0 to 1")
        if not 0 < self.repetition < math.inf:
            raise ConfigError(f"repetition is {self.repetition}; it is a factor above 0, and 1 changes nothing")
        if not all(math.isfinite(x) for x in (self.temperature, self.frequency, self.presence)):
            raise ConfigError("temperature, frequency and presence are finite numbers")
        if any(math.isnan(x) or x == math.inf for _, x in self.bias):
            raise ConfigError("a logit bias is a number, or minus infinity to forbid a token")

    @property
    def weighs(self) -> bool:
        """Whether logits depend on what was written, or on a bias."""
        return bool(self.repetition != 1 or self.frequency or self.presence or self.bias)

    def weigh(self, logits: np.ndarray, tally: Tally) -> None:
        """Penalties and bias on the logits (V,) of one text, in their place."""
        if self.repetition != 1 or self.frequency or self.presence:
            found = logits[tally.ids]
            found = np.where(found > 0, found / self.repetition, found * self.repetition)
            logits[tally.ids] = found - self.frequency * tally.counts - self.presence * (tally.counts > 0)
        for token, added in self.bias:
            logits[token] += added

    def pick(self, logits: np.ndarray, draws: Draws, place: int) -> int:
        """A token from the logits (V,) of one text, at a place of its own.

        Only tokens near the likeliest are sorted or drawn among; the rest are one lump, opened when it is drawn.
        """
        best = int(logits.argmax())
        if self.temperature == 0:
            return best
        x = (logits - logits[best]) / np.float32(max(self.temperature, 1e-6))
        ids, weights, rest = self._candidates(x)
        if rest > 0 and draws.coin(place) * (weights.sum() + rest) > weights.sum():
            tail = np.flatnonzero((x < -NEAR) & (x > -np.inf))
            if len(tail):
                ids, weights = tail, np.exp(x[tail].astype(np.float64))
        return int(ids[draws.race(weights, ids, place)])

    def _candidates(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Tokens (K,) that may be drawn, their weights exp x (K,), and the weight of what else may be.

        x (V,) is 0 at the likeliest token.
        """
        ids = np.flatnonzero(x >= (-max(NEAR, -math.log(self.min_p)) if self.min_p else -NEAR))
        if cut := 0 < self.top_k < len(x):
            ids = self._highest(x, ids)
        weights, rest = np.exp(x[ids].astype(np.float64)), 0.0
        if not cut and (self.top_p < 1 or not self.min_p):
            rest = max(0.0, float(np.exp(x).sum(dtype=np.float64) - weights.sum()))
        if self.top_p < 1:
            total = weights.sum() + rest
            if weights.sum() < self.top_p * total:
                ids = np.flatnonzero(x > -np.inf)
                weights = np.exp(x[ids].astype(np.float64))
            order = np.argsort(-weights, kind="stable")
            falling = weights[order].cumsum()
            order = order[falling - weights[order] < self.top_p * total]
            ids, weights, rest = ids[order], weights[order], 0.0
        if self.min_p:
            kept = weights >= self.min_p
            ids, weights, rest = ids[kept], weights[kept], 0.0
        return ids, weights, rest

    def _highest(self, x: np.ndarray, near: np.ndarray) -> np.ndarray:
        """The top_k highest of x (V,), and those as high as the last of them; near (K,): all above some height."""
        some = x[near] if len(near) >= self.top_k else x
        least = float(torch.from_numpy(some).topk(self.top_k).values[-1])
        return np.flatnonzero((x >= least) & (x > -np.inf))

    def draw(self, logits: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """One token (B,) from logits (B, V)."""
        logits = logits.float()
        if self.temperature == 0:
            return logits.argmax(-1)
        if self.temperature != 1:
            logits = logits / self.temperature
        return pick(self._kept(logits), rng)

    def _kept(self, logits: Tensor) -> Tensor:
        """Probabilities (B, V) with the tail cut off."""
        if self.top_k and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, -1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        p = logits.softmax(-1)
        if self.top_p < 1:
            falling, order = p.sort(-1, descending=True)
            beyond = falling.cumsum(-1) - falling >= self.top_p
            p = p.masked_fill(beyond.scatter(1, order, beyond), 0.0)
        if self.min_p > 0:
            p = p.masked_fill(p < self.min_p * p.amax(-1, keepdim=True), 0.0)
        return p


class Causal(Protocol):
    """What can be read token by token."""

    def begin(self, n: int, given: Tensor | None = None) -> Any:
        """A fresh reading of n sequences."""
        ...

    def read(self, tokens: Tensor, reading: Any) -> Tensor:
        """Logits (N, V) of the token after `tokens` (N, T), T may be 0 where the model has a start of its own."""
        ...


def write(
    model: Causal,
    frame: Tensor,
    *,
    given: Tensor | None = None,
    choice: Choice | None = None,
    rng: torch.Generator | None = None,
    end: int | None = None,
) -> Iterator[Tensor]:
    """Tokens (N,) place by place for a frame (N, T) in which -1 is to be drawn and the rest stays as it is.

    After its first `end` a sequence holds nothing but `end`; the iterator stops when all have ended.
    """
    choice, reading = choice or Choice(), model.begin(len(frame), given)
    ended = torch.zeros(len(frame), dtype=torch.bool, device=frame.device)
    kept = (frame >= 0).T.contiguous()  # (T, N): rows one after the other, as they are read
    whole, partly = kept.all(1).tolist(), kept.any(1).tolist()
    known = whole.index(False) if False in whole else len(whole)
    logits = model.read(frame[:, :known], reading)
    tallies = [Tally(row) for row in frame[:, :known].tolist()] if choice.weighs else []
    for place in range(frame.shape[1]):
        if place < known:
            token = frame[:, place]
        else:
            token = choice.draw(_weighed(logits, choice, tallies) if tallies else logits, rng)
            if partly[place]:
                token = torch.where(kept[place], frame[:, place], token)
        if end is not None:
            token = torch.where(ended, end, token)
            ended = ended | (token == end)
        yield token
        if end is not None and bool(ended.all()):
            return
        for tally, written in zip(tallies, token.tolist() if place >= known else []):
            tally.add(written)
        if known <= place < frame.shape[1] - 1:
            logits = model.read(token.unsqueeze(1), reading)


def _weighed(logits: Tensor, choice: Choice, tallies: list[Tally]) -> Tensor:
    """Logits (N, V) under the penalties and bias of a choice."""
    rows = logits.detach().float().cpu().numpy().copy()
    for row, tally in zip(rows, tallies):
        choice.weigh(row, tally)
    return torch.from_numpy(rows).to(logits.device)
