"""The reward model: language models' trunks with a head that says how good a text is, by one criterion or several."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from conjure.core.config import fill
from conjure.core.errors import ConfigError
from conjure.core.space import Space, Tokens
from conjure.models.autoregression import Autoregression
from conjure.models.decoder import Decoder
from conjure.models.llm import LLM
from conjure.models.protocol import Model
from conjure.models.recurrent import Recurrent

TRUNKS: dict[str, type[Autoregression]] = {"decoder": Decoder, "recurrent": Recurrent, "llm": LLM}
ROWS = 64  # texts read at a time


class Judge(nn.Module):
    """One trunk with its head, which starts at N(0, 1 / (width + 1)): first rewards are of the order of one.

    reads: "end", the state at the last real token, or "both", beside it the mean of all real ones.
    """

    def __init__(self, trunk: Autoregression, count: int, reads: str = "end"):
        super().__init__()
        self.trunk, self.reads = trunk, reads
        width = trunk.config.width * (2 if reads == "both" else 1)
        self.head = nn.Linear(width, count)
        nn.init.normal_(self.head.weight, std=1 / math.sqrt(width + 1))
        nn.init.zeros_(self.head.bias)
        if isinstance(trunk.head, nn.Module):  # a judge writes nothing
            trunk.head.requires_grad_(False)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """(B, C) off the states of the real tokens, real (B, T), of x (B, T)."""
        hidden = self.trunk._hidden(x, None)
        last = (real * torch.arange(x.shape[1], device=x.device)).amax(1)
        state = hidden[torch.arange(len(x), device=x.device), last].float()
        with torch.autocast(x.device.type, enabled=False):  # of two alike texts the difference is what counts
            if self.reads == "both":
                share = real.float() / real.sum(1, keepdim=True).clamp(min=1)
                state = torch.cat([state, (share[:, None] @ hidden.float())[:, 0]], 1)
            return self.head(state)


class Reward(Model):
    """r(text) for texts of a stream, (B, C) for C criteria, read off the state at the last real token.

    Stiennon et al. 2020, section 3.4; the head may also read the mean of a text's states. Several members, learnt
    apart, are one model: their mean is the reward, their spread how little is known (Coste et al. 2024). `settle` moves
    the rewards of reference texts to mean 0 and scale 1, which a policy's prices then refer to; `slope` is by how much
    odds of preference grow with a difference of scores. log_prob is the criteria's weighted mean: an energy, not a
    probability.
    """

    spaces: ClassVar = (Tokens,)
    methods: ClassVar = ("rewards", "log_prob")
    score_kind = "energy"

    @dataclass(frozen=True)
    class Config:
        """family and settings are those of the trunk; criteria: names; weights: what each counts in the score; reads:
        the state at the end of a text, or both that and the mean of all its states.
        """

        family: Literal["decoder", "recurrent", "llm"] = "decoder"
        settings: dict[str, Any] = field(default_factory=dict)
        weights: tuple[float, ...] = (1.0,)
        criteria: tuple[str, ...] = ()
        members: int = 1
        reads: Literal["end", "both"] = "end"

        def __post_init__(self) -> None:
            if self.members < 1:
                raise ConfigError("model.members is at least 1")
            if self.criteria and len(self.criteria) != len(self.weights):
                raise ConfigError(f"model.weights are {len(self.weights)} for {len(self.criteria)} criteria")

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
        family, count = TRUNKS[config.family], len(config.weights)
        settings = fill(family.Config, config.settings, "model.settings")
        self.judges = nn.ModuleList(
            Judge(family(space, None, settings), count, config.reads) for _ in range(config.members)
        )
        for name, value in (("middle", 0.0), ("spread", 1.0)):
            self.register_buffer(name, torch.full((config.members, count), value))
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("weights", torch.tensor(config.weights) / sum(map(abs, config.weights)), persistent=False)

    def adopt(self, writer: Autoregression) -> None:
        """Take over the trunk of a model that writes: what it knows of texts is where a judge begins."""
        for judge in self.judges:
            judge.trunk.load_state_dict(writer.state_dict())  # type: ignore[union-attr]

    def opinions(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each member's rewards (M, B, K, C) of texts (B, K, T); mask (B, K, T) marks their real tokens.

        A text without any gets 0.
        """
        real = torch.ones_like(x, dtype=torch.bool) if mask is None else mask.bool()
        count = x.shape[1]
        x, real = x.flatten(0, 1), real.flatten(0, 1)
        width = int((real * torch.arange(1, x.shape[1] + 1, device=x.device)).max()) if len(x) else 1
        x, real = x[:, : max(1, width)], real[:, : max(1, width)]
        raw = torch.stack([judge(x, real) for judge in self.judges])  # (M, B K, C)
        found = (raw - self.middle[:, None]) / self.spread[:, None] * real.any(1, keepdim=True)
        return found.unflatten(1, (-1, count))

    def rewards(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Rewards (B, K, C) of texts (B, K, T): the members' mean; see `opinions`."""
        return self.opinions(x, mask).mean(0)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """The weighted mean of the criteria for texts (B, T), (B,)."""
        return self.each_score(x, mask).mean(0)

    def doubt(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """How far the members are apart on texts (B, T): the standard deviation of their scores, (B,)."""
        return self.each_score(x, mask).std(0, unbiased=False)

    def each_score(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each member's score of texts (B, T), (M, B)."""
        return self._in_parts(x, mask) @ self.weights

    def preferred(self, apart: Tensor) -> Tensor:
        """The probability that a text is preferred to one whose score is lower by `apart`, of its shape."""
        return torch.sigmoid(self.slope * apart)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        raise ConfigError("a reward model judges texts and writes none: score them")

    @torch.no_grad()
    def settle(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Let the rewards of these texts (B, T) have mean 0 and scale 1 by each criterion and member from now on."""
        self.middle.zero_()
        self.spread.fill_(1.0)
        found = self._in_parts(x, mask)  # (M, B, C)
        self.middle.copy_(found.mean(1))
        self.spread.copy_(found.std(1, unbiased=False).clamp(min=1e-6))

    def _in_parts(self, x: Tensor, mask: Tensor | None) -> Tensor:
        parts = []
        x, mask = x.to(self.device), None if mask is None else mask.to(self.device)
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            parts.append(self.opinions(x[rows, None], None if mask is None else mask[rows, None])[:, :, 0])
        return torch.cat(parts, 1)
