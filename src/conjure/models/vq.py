"""The neural codec of waves: spectra to a few integers a frame and back, a VQ autoencoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.rng import generator
from conjure.core.space import Dense, Space
from conjure.models.protocol import Model
from conjure.nets.codebooks import Codebooks
from conjure.nets.spectra import MDCT, Blocks

CHUNK = 256  # examples decoded at a time
SOFT, QUIET = 0.3, 1e-3  # the power that a coefficient's size is raised to before a network reads it, above so much
LOUDEST = 3.0  # log of how loud noise may be
BANDS = 16  # in which the level of noise is told, narrower where it is low
GAUGE = 0.45  # how long the part of a vector is that tells it, beside that of the coefficients
TOUCH = 0.1  # what networks write is scaled by, so that one step of an optimiser moves little
TURNS = 64  # frames after which noise repeats


class VQ(Model):
    """x -> tokens = encode(x) -> decode(tokens), by vector quantisation (van den Oord et al. 2017).

    Networks read and write the wave's cosine transform frame by frame (as Jiang et al. 2024 do), at the frames' rate:
    cheap enough for one core. They begin as the linear code of the data's principal axes, and what no axis tells they
    may fill with fixed noise of a level they choose (Herre & Schulz 1998). A frame's vector becomes `levels` tokens,
    each one of `codes`, the second what the first left over (Zeghidour et al. 2021). `sample` draws each token by its
    frequency, which is no sound: another model learns their order (`--through`). No likelihood.
    """

    spaces: ClassVar = (Dense,)
    methods: ClassVar = ("reconstruct", "begin")

    @dataclass(frozen=True)
    class Config:
        """hop: samples a frame. width, layers: of the networks, the same on either side. latent: numbers quantised a
        frame. decay: of the books' averages.
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
        c = config
        self.frames = math.ceil(space.shape[0] / c.hop) + 1
        self.latent_shape = (self.frames, c.levels)
        self.vocab = c.codes
        self.transform = MDCT(c.hop)
        self.enter = nn.Linear(2 * c.hop, c.width)
        self.reader = Blocks(c.layers, c.width)
        self.narrow = nn.Sequential(nn.LayerNorm(c.width), nn.Linear(c.width, c.latent))
        self.books = Codebooks(c.levels, c.codes, c.latent)
        self.widen = nn.Linear(c.latent, c.width)
        self.writer = Blocks(c.layers, c.width)
        self.leave = nn.Sequential(nn.LayerNorm(c.width), nn.Linear(c.width, 2 * c.hop))
        self.register_buffer("axes", torch.eye(c.latent, c.hop))
        bands = _bands(c.hop)
        self.register_buffer("bands", bands, persistent=False)
        self.register_buffer("gauge", torch.zeros(c.latent, len(bands)))
        self.register_buffer("usual", torch.full((len(bands),), -4.0))  # log level of noise in each band
        for last in (self.narrow[1], self.leave[1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        hiss = torch.randn(TURNS, c.hop, generator=generator(0, "hiss"))
        self.register_buffer("hiss", hiss, persistent=False)

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
            least, found = 4 * config.hop, space.shape[0]  # type: ignore[union-attr]
            return (
                f"VQ needs waves of at least 4 frames of model.hop {config.hop}, {least:,} numbers, not of {found:,}: "
                "give longer ones or set a smaller model.hop"
            )
        return None

    def vectors(self, x: Tensor) -> Tensor:
        """What is quantised of waves (B, T), (B, F, latent); T is filled up to whole frames."""
        exact = self.transform(F.pad(x, (0, -x.shape[1] % self.config.hop)))
        z = exact @ self.axes.T
        z = z + (self._levels(exact - z @ self.axes) - self.usual) @ self.gauge.T
        soft = exact.sign() * (exact.abs() + QUIET).pow(SOFT)
        return z + TOUCH * self.narrow(self.reader(self.enter(torch.cat([exact, soft], 2))))

    def waves(self, z: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Waves (B, length) of vectors (B, F, latent), whole and without their noise."""
        more, level = self.leave(self.writer(self.widen(z))).chunk(2, 2)
        plain = self.transform.inverse(z @ self.axes + TOUCH * more)
        scale = self.gauge.square().sum(1).max().clamp(min=1e-9)
        level = (self.usual + z @ self.gauge / scale) @ self.bands + level
        hiss = self.hiss.repeat(-(-z.shape[1] // TURNS), 1)[: z.shape[1]]
        whole = plain + self.transform.inverse(level.clamp(max=LOUDEST).exp() * hiss)
        return whole[:, :length].clone(), plain[:, :length].clone()  # views would slip past sharding

    @torch.no_grad()
    def begin(self, x: Tensor, rng: torch.Generator) -> None:
        """Set the axes down on the principal ones of waves (B, T), the books on the vectors that these give.

        An eighth of a vector are principal axes of the level, band by band, of what the others leave out.
        """
        exact = self.transform(F.pad(x, (0, -x.shape[1] % self.config.hop)))
        heard = max(1, self.config.latent // 8)
        kept = min(self.config.latent - heard, self.config.hop)
        self.axes.zero_()
        self.axes[:kept] = _principal(exact.flatten(0, 1), kept)
        z = exact @ self.axes.T
        levels = self._levels(exact - z @ self.axes).flatten(0, 1)
        self.usual.copy_(levels.mean(0))
        away, heard = levels - self.usual, min(heard, levels.shape[1])
        self.gauge.zero_()
        self.gauge[-heard:] = _principal(away, heard)
        self.gauge.mul_(GAUGE * z.norm() / (away @ self.gauge.T).norm().clamp(min=1e-6))
        self.books.begin(self.vectors(x).flatten(0, 1), rng)

    def _levels(self, rest: Tensor) -> Tensor:
        """Log of the root mean square of coefficients (B, F, hop) in each band, (B, F, bands), without gradient."""
        share = self.bands / self.bands.sum(1, keepdim=True)
        return 0.5 * (rest.detach().square() @ share.T + QUIET**2).log()

    def reconstruct(self, x: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor, list[Tensor]]:
        """Waves written again (B, T), whole and without their noise, with gradients passed straight through the codes
        (ibid., sec. 3.2); what was quantised less what it became, (B F, latent); the tokens (B F, levels) and what each
        level was to write.
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
        """Waves (B, T), in the space where F is that of the space, of tokens (B, F, levels)."""
        whole: int = self.space.shape[0]  # type: ignore[union-attr]
        length, parts = whole if z.shape[1] == self.frames else (z.shape[1] - 1) * self.config.hop, []
        for some in z.long().clamp(0, self.vocab - 1).split(CHUNK):
            vectors = self.books.decode(some.flatten(0, 1)).view(*some.shape[:2], -1)
            parts.append(self.waves(vectors, length)[0].clamp(self.space.low, self.space.high))  # type: ignore[union-attr]
        return torch.cat(parts)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Waves of tokens drawn each by how often it is used, whatever stands beside it."""
        share = self.books.counts.cpu()
        drawn = [torch.multinomial(level, n * self.frames, replacement=True, generator=rng) for level in share]
        return self.decode(torch.stack(drawn, 1).view(n, self.frames, -1).to(self.device))


def _bands(hop: int) -> Tensor:
    """Which coefficients belong to each band, (bands, hop): bands grow with frequency."""
    count = min(BANDS, hop // 2)
    edges = (hop * torch.linspace(0, 1, count + 1) ** 1.5).round()
    at = torch.bucketize(torch.arange(hop), edges[1:], right=True).clamp(max=count - 1)
    kept = at.unique()
    return (kept[:, None] == at).float()


def _principal(vectors: Tensor, count: int) -> Tensor:
    """The directions in which vectors (N, D) are longest, (count, D)."""
    return torch.linalg.eigh(vectors.T @ vectors)[1][:, -count:].T
