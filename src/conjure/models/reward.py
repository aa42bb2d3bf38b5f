"""The reward model: a language model's trunk with a head that says how good a text is, by one criterion or several."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from conjure.core.config import fill
from conjure.core.space import Space, Tokens
from conjure.models.autoregression import Autoregression
from conjure.models.decoder import Decoder
from conjure.models.protocol import Model
from conjure.models.recurrent import Recurrent

TRUNKS: dict[str, type[Autoregression]] = {"decoder": Decoder, "recurrent": Recurrent}
ROWS = 256  # texts read at a time


class Reward(Model):
    """r(text) for texts of a stream, (B, C) for C criteria, read off the state at the last real token.

    Stiennon et al. 2020, section 3.4. The head starts at N(0, 1 / (width + 1)), so that first rewards are of the order
    of one. `settle` moves the rewards of reference texts to mean 0 and scale 1, which a policy's prices then refer to.
    log_prob is the criteria's weighted mean: an energy, not a probability.
    """

    spaces: ClassVar = (Tokens,)
    methods: ClassVar = ("rewards", "log_prob")
    score_kind = "energy"

    @dataclass(frozen=True)
    class Config:
        """family and settings are those of the trunk; weights: what each criterion counts in the score."""

        family: Literal["decoder", "recurrent"] = "decoder"
        settings: dict[str, Any] = field(default_factory=dict)
        weights: tuple[float, ...] = (1.0,)

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Reward.Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if not space.stream:  # type: ignore[union-attr]
            return "Reward reads texts of a stream, not sequences of a shape of their own"
        if not config.weights or not any(config.weights):
            return "model.weights needs a number for each criterion, not all of them 0"
        trunk = TRUNKS[config.family]
        return trunk.refuses(space, given, fill(trunk.Config, config.settings, "model.settings"))

    def __init__(self, space: Tokens, given: None, config: Config):
        super().__init__(space, given, config)
        trunk = TRUNKS[config.family]
        self.trunk = trunk(space, None, fill(trunk.Config, config.settings, "model.settings"))
        width, count = self.trunk.config.width, len(config.weights)
        self.head = nn.Linear(width, count)
        nn.init.normal_(self.head.weight, std=1 / math.sqrt(width + 1))
        nn.init.zeros_(self.head.bias)
        self.register_buffer("middle", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))
        self.register_buffer("weights", torch.tensor(config.weights) / sum(map(abs, config.weights)), persistent=False)

    def adopt(self, writer: Autoregression) -> None:
        """Take over the trunk of a model that writes: what it knows of texts is where a judge begins."""
        self.trunk.load_state_dict(writer.state_dict())

    def rewards(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Rewards (B, K, C) of texts (B, K, T); mask (B, K, T) marks their real tokens, a text without any gets 0."""
        real = torch.ones_like(x, dtype=torch.bool) if mask is None else mask.bool()
        count = x.shape[1]
        x, real = x.flatten(0, 1), real.flatten(0, 1)
        last = (real * torch.arange(x.shape[1], device=x.device)).amax(1)
        width = int(last.max()) + 1 if len(x) else 1
        hidden = self.trunk._hidden(x[:, :width], None)
        states = hidden[torch.arange(len(x), device=x.device), last]
        found = (self.head(states.float()) - self.middle) / self.spread * real.any(1, keepdim=True)
        return found.unflatten(0, (-1, count))

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """The weighted mean of the criteria for texts (B, T), (B,)."""
        parts = []
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            some = None if mask is None else mask[rows, None]
            parts.append(self.rewards(x[rows, None], some)[:, 0] @ self.weights)
        return torch.cat(parts)

    @torch.no_grad()
    def settle(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Let the rewards of these texts (B, T) have mean 0 and scale 1 by each criterion from now on."""
        self.middle.zero_()
        self.spread.fill_(1.0)
        found = self.rewards(x[:, None], None if mask is None else mask[:, None])[:, 0]
        self.middle.copy_(found.mean(0))
        self.spread.copy_(found.std(0, unbiased=False).clamp(min=1e-6))
