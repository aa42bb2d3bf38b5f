"""A neural codec's training: reconstruction in time and by ear, commitment to the books, and a game with a critic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import generator
from conjure.models.vq import VQ
from conjure.nets.hearing import SpectralCritic, windows_within
from conjure.objectives.everywhere import picked, total, world
from conjure.objectives.features import feature_distance
from conjure.objectives.minmax import critic_loss, generator_loss
from conjure.objectives.protocol import Move, Objective
from conjure.objectives.quantisation import commitment
from conjure.objectives.spectral import spectral_distance

BEGUN_WITH = 256  # examples whose vectors the books begin on


class Coding(Objective):
    """wave |x - x'| + spectral (L_sc + L_mag) + commitment |z - sg[e]|^2 + game (L_adv + features L_feat).

    The wave is compared without the noise in x', which is meant to sound alike and not to be alike. Zeghidour et al.
    2021, eqs. 2 to 5, with the hinge game of Lim & Ye 2017, eq. 5, whose critic looks at spectra. The game starts when
    a part `after` of the run is over: before, there is nothing worth criticising. Training sees crops, since what a
    frame needs to be written stands near it.
    """

    needs: ClassVar = ("reconstruct",)

    @dataclass(frozen=True)
    class Config:
        """wave, spectral, commitment, game, features: weights of the terms; game=0 leaves the critic out. windows: of
        the spectra compared, critic_windows: of those the critic sees. crop: samples of an example seen a step.
        """

        wave: float = 3.0
        spectral: float = 1.0
        commitment: float = 0.25
        game: float = 0.1
        features: float = 2.0
        after: float = 0.3
        critic_rate: float = 1.0
        channels: int = 48
        windows: tuple[int, ...] = (128, 512, 2048)
        critic_windows: tuple[int, ...] = (256, 1024)
        crop: int = 4096

        def __post_init__(self) -> None:
            if min(self.wave, self.spectral, self.commitment, self.game, self.features, self.critic_rate) < 0:
                raise ConfigError("objective.wave, .spectral, .commitment, .game, .features are at least 0")
            if not 0 <= self.after < 1 or self.channels < 1 or self.crop < 64:
                raise ConfigError(
                    "objective.after is at least 0 and below 1, .channels at least 1, .crop at least 64 samples"
                )
            if not self.windows or any(w < 8 or w & (w - 1) for w in (*self.windows, *self.critic_windows)):
                raise ConfigError("objective.windows and .critic_windows are powers of two of at least 8")

    def __init__(self, model: VQ, config: Config):
        super().__init__(model, config)
        length = model.space.shape[0]  # type: ignore[union-attr]
        hop = model.config.hop
        self.crop = min(length, max(4, config.crop // hop) * hop)
        self.windows = windows_within(config.windows, self.crop)
        self.critic = SpectralCritic(windows_within(config.critic_windows, self.crop), config.channels)
        self.done = 1.0

    def progress(self, fraction: float) -> None:
        self.done = fraction

    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model, "critic": self.critic} if self.config.game else {"model": self.model}

    def settings(self, player: str) -> dict[str, Any]:
        """Adam as for any autoencoder; a critic with little momentum."""
        return {"betas": (0.5, 0.9), "decay": 0.0, "rate": self.config.critic_rate} if player == "critic" else {}

    @torch.no_grad()
    def prepare(self, batch: Batch, rows: int) -> None:
        """Begin on the principal axes of the data."""
        self.model.begin(batch.x[:BEGUN_WITH], generator(0, "books"))

    def moves(self, batch: Batch) -> Iterator[Move]:
        x, c = self._cropped(batch), self.config
        playing = c.game > 0 and self.done >= c.after
        self.critic.requires_grad_(False)
        (made, plain), gap, codes, rests = self.model.reconstruct(x)
        self._follow(codes, rests, batch)
        loss, terms = self._told(x, (made, plain), gap)
        if playing:
            _, real = self.critic(x)
            low, fake = self.critic(made)
            terms["features"] = feature_distance(real, fake)
            terms["fooling"] = torch.stack([generator_loss(s, None, "hinge") for s in low]).mean()
            loss = loss + c.game * (terms["fooling"] + c.features * terms["features"])
        yield Move("model", loss, {k: v.detach() for k, v in terms.items()})
        self.critic.requires_grad_(True)
        if playing:
            high, low = self.critic(x)[0], self.critic(made.detach())[0]
            yield Move("critic", torch.stack([critic_loss(a, b, "hinge") for a, b in zip(high, low)]).mean())

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """The distances of whole examples, without commitment and game."""
        both = self.model.reconstruct(batch.x)[0]
        _, terms = self._told(batch.x, both, batch.x.new_zeros(1, 1))
        loss = self.config.wave * terms["wave"] + self.config.spectral * (terms["convergence"] + terms["magnitude"])
        return {"loss": loss, **terms, "codes in use": self.model.books.perplexity()}

    def _told(self, x: Tensor, made: tuple[Tensor, Tensor], gap: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        c = self.config
        converged, logs = spectral_distance(x, made[0], self.windows)
        terms = {"wave": (x - made[1]).abs().mean(), "convergence": converged, "magnitude": logs}
        terms["commitment"] = commitment(gap)
        loss = c.wave * terms["wave"] + c.spectral * (converged + logs) + c.commitment * terms["commitment"]
        return loss, terms

    def _cropped(self, batch: Batch) -> Tensor:
        """A stretch of each example, (B, crop), where chance has it."""
        x = batch.x
        if x.shape[1] <= self.crop:
            return x
        starts = (batch.noise.uniform(len(x)) * (x.shape[1] - self.crop + 1)).long().to(x.device)
        return x.gather(1, starts[:, None] + torch.arange(self.crop, device=x.device))

    def _follow(self, codes: Tensor, rests: list[Tensor], batch: Batch) -> None:
        """Move the books after the batch, and set dead codes down anew."""
        books, config = self.model.books, self.model.config
        books.follow(codes, rests, config.decay, total)
        at = (batch.noise.alike(config.codes).to(codes.device) * len(codes) * world()).long()
        books.revive([picked(rest, at, len(codes) // len(batch)) for rest in rests])
