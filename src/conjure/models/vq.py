"""The neural codec of waves: spectra to a few integers a frame and back, a VQ autoencoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.space import Dense, Space
from conjure.models.protocol import Model
from conjure.nets.codebooks import Codebooks
from conjure.nets.spectra import Blocks, Spectra

CHUNK = 256  # examples decoded at a time
SOFT = 0.3  # the power that loudness is raised to before a network reads it
LOUDEST = 5.0  # log magnitude that a frame may reach, of a spectrum of window samples


class VQ(Model):
    """x -> tokens = encode(x) -> decode(tokens), by vector quantisation (van den Oord et al. 2017).

    The wave is read as its spectrum frame by frame, and written as one (Siuzdak 2023), so that networks work at the
    frames' rate: cheap enough for one core. A frame's vector becomes `levels` tokens, each one of `codes`, the second
    what the first left over (Zeghidour et al. 2021). `sample` draws each token by its frequency, which is no sound:
    another model learns their order (`--through`). No likelihood.
    """

    spaces: ClassVar = (Dense,)
    methods: ClassVar = ("reconstruct",)

    @dataclass(frozen=True)
    class Config:
        """hop: samples a frame; its window is four times as long. width, layers: of the networks, the same on either
        side. latent: numbers quantised a frame. decay: of the books' averages.
        """

        hop: int = 256
        width: int = 128
        layers: int = 4
        latent: int = 32
        codes: int = 256
        levels: int = 4
        decay: float = 0.97

    def __init__(self, space: Dense, given: Space | None, config: Config):
        super().__init__(space, given, config)
        c, bins = config, 2 * config.hop + 1
        self.frames = math.ceil(space.shape[0] / c.hop)
        self.latent_shape = (self.frames, c.levels)
        self.vocab = c.codes
        self.spectra = Spectra(c.hop, 4 * c.hop)
        self.enter = nn.Linear(3 * bins, c.width)
        self.reader = Blocks(c.layers, c.width)
        self.narrow = nn.Sequential(nn.LayerNorm(c.width), nn.Linear(c.width, c.latent))
        self.books = Codebooks(c.levels, c.codes, c.latent)
        self.widen = nn.Linear(c.latent, c.width)
        self.writer = Blocks(c.layers, c.width)
        self.leave = nn.Sequential(nn.LayerNorm(c.width), nn.Linear(c.width, 3 * bins))

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if isinstance(space, Dense) and len(space.shape) != 1:
            return "VQ codes waves, one number a sample; for pictures and sequences of vectors there are vae and flow"
        if given is not None:
            return (
                "VQ codes what it is shown, whatever its class: set codec.labels=false, and go through it with labels"
            )
        if reason := super().refuses(space, given, config):
            return reason
        if config.hop < 4 or config.hop % 2 or min(config.width, config.layers, config.latent, config.levels) < 1:
            return "model.hop is an even number of at least 4, model.width, .layers, .latent and .levels at least 1"
        if config.codes < 2 or not 0 < config.decay < 1:
            return "model.codes is at least 2, model.decay between 0 and 1"
        if space.shape[0] < 4 * config.hop:  # type: ignore[union-attr]
            return f"VQ needs waves of at least 4 frames of model.hop {config.hop}, not of {space.shape[0]} numbers"  # type: ignore[union-attr]
        return None

    def vectors(self, x: Tensor) -> Tensor:
        """What is quantised of waves (B, T), (B, F, latent); T is filled up to whole frames."""
        spectra = self.spectra(F.pad(x, (0, -x.shape[1] % self.config.hop)))
        loud = (spectra.real.square() + spectra.imag.square() + 1e-9).sqrt()
        soft = loud.pow(SOFT - 1)
        seen = torch.cat([spectra.real * soft, spectra.imag * soft, (loud + 1e-3).log() / 4], 2)
        return self.narrow(self.reader(self.enter(seen)))

    def waves(self, z: Tensor, length: int) -> Tensor:
        """Waves (B, length) of vectors (B, F, latent)."""
        size, real, imaginary = self.leave(self.writer(self.widen(z))).float().chunk(3, 2)
        turn = torch.complex(real, imaginary)
        turn = turn / (real.square() + imaginary.square() + 1e-6).sqrt()
        return self.spectra.inverse(size.clamp(max=LOUDEST).exp() * turn)[:, :length]

    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """Waves written again (B, T) with gradients passed straight through the codes (ibid., sec. 3.2); what was
        quantised less what it became, (B F, latent); the tokens (B F, levels) and what each level was to write.
        """
        z = self.vectors(x)
        flat = z.flatten(0, 1)
        codes, rests = self.books.encode(flat)
        written = self.books.decode(codes)
        through = flat + (written - flat).detach()
        return self.waves(through.view_as(z), x.shape[1]), flat - written.detach(), codes, rests

    def encode(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """Tokens of waves, (B, F, levels)."""
        z = self.vectors(x)
        return self.books.encode(z.flatten(0, 1))[0].view(*z.shape[:2], -1)

    def decode(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        """Waves in the space, (B, T), of tokens (B, F, levels)."""
        length, parts = min(z.shape[1] * self.config.hop, self.space.shape[0]), []  # type: ignore[union-attr]
        for some in z.long().clamp(0, self.vocab - 1).split(CHUNK):
            vectors = self.books.decode(some.flatten(0, 1)).view(*some.shape[:2], -1)
            parts.append(self.waves(vectors, length).clamp(self.space.low, self.space.high))  # type: ignore[union-attr]
        return torch.cat(parts)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Waves of tokens drawn each by how often it is used, whatever stands beside it."""
        share = self.books.counts.cpu()
        drawn = [torch.multinomial(level, n * self.frames, replacement=True, generator=rng) for level in share]
        return self.decode(torch.stack(drawn, 1).view(n, self.frames, -1).to(self.device))
