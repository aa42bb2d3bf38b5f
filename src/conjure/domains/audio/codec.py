"""Recordings as tensors: waves of one length at one rate; long ones are cut into several, short ones filled up."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Category, Columns, Dense
from conjure.domains import classes
from conjure.domains.audio.checks import SILENCE
from conjure.domains.audio.resampling import at_rate
from conjure.domains.audio.sounds import FULL, RATE, Sound, Sounds
from conjure.domains.protocol import Encoded

STEP = 256  # a clip is a whole number of so many samples
USUAL, LONGEST = 2.0, 30.0  # seconds: without a stated length at most the first; beyond the second it is hopeless
REST = 0.01  # seconds kept after the last sample that is heard


class AudioCodec:
    """Recordings to waves (T,) in [-1, 1], and back; class labels become the condition.

    A longer recording gives several waves, evenly spread so that all of it is in one; a shorter one is followed by
    silence, which is learnt too: it is where such a sound ends, and what is made is cut off there.
    """

    @dataclass(frozen=True)
    class Config:
        """rate: samples a second. seconds: length of a clip; without it that of the longest recording, but at most
        2 seconds. labels: whether class labels become the condition.
        """

        rate: int = RATE
        seconds: float | None = None
        labels: bool = True

        def __post_init__(self) -> None:
            if not 4_000 <= self.rate <= 48_000:
                raise ConfigError(f"codec.rate is {self.rate}; it should be from 4000 to 48000 samples a second")
            if self.seconds is not None and not 0.05 <= self.seconds <= LONGEST:
                raise ConfigError(f"codec.seconds is {self.seconds:g}; it should be from 0.05 to {LONGEST:g}")

    def __init__(self, config: AudioCodec.Config, length: int, counts: dict[str, int], short: bool):
        """length: samples of a clip; counts: recordings of each class; short: whether some end before a clip does."""
        self.config, self.length, self.counts, self.short = config, length, counts, short
        self.classes = list(counts)
        self.notes: list[str] = []
        self.space = Dense((length,), -1.0, 1.0)
        self.given_space = Columns((Category("label", len(counts)),)) if counts else None

    @classmethod
    def learn(cls, objects: Sounds, config: AudioCodec.Config) -> AudioCodec:
        """Length and classes of the training recordings."""
        longest = max(one.seconds for one in objects)
        seconds = config.seconds or min(longest, USUAL)
        length = max(1, math.ceil(seconds * config.rate / STEP - 1e-6)) * STEP
        counts = dict(sorted(Counter(one.label for one in objects if one.label).items())) if config.labels else {}
        if counts and sum(counts.values()) < len(objects):
            raise DataError(
                "some of these sounds have a class and some have none; give each one, or set codec.labels=false"
            )
        short = any(round(one.seconds * config.rate) < length for one in objects)
        codec = cls(config, length, counts if len(counts) > 1 else {}, short)
        codec.notes = list(objects.notes)
        return codec

    @property
    def seconds(self) -> float:
        """How long a clip is."""
        return self.length / self.config.rate

    def describe(self) -> str:
        """What was learnt, in one line."""
        classed = f" of {len(self.counts)} classes" if self.counts else ""
        return f"sounds of {self.seconds:.2f} s at {self.config.rate / 1000:g} kHz{classed}"

    def encode(self, objects: Sounds) -> Encoded:
        """Waves (clips, T), with class codes as given (clips, 1); DataError names a class never seen in training."""
        cut = [self._clips(one) for one in objects]
        given = classes.codes(objects, self.counts, "sounds")
        if given is not None:
            given = given.repeat_interleave(torch.tensor([len(part) for part in cut]), 0)
        return Encoded(torch.from_numpy(np.concatenate(cut)), given=given)

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Sounds:
        """Recordings again, labelled as `condition` asked for them, cut off where only silence follows."""
        array = (x.detach().cpu().float().clamp(-1, 1) * FULL).round().to(torch.int16).numpy()
        labels = [""] * len(array)
        if self.counts:
            labels = [self.classes[k] for k in classes.wanted(given or {}, self.counts, len(array))[:, 0].tolist()]
        return Sounds(tuple(Sound(self._ended(a), self.config.rate, label) for a, label in zip(array, labels)))

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """Class codes (N, 1): see `classes.condition`."""
        return classes.condition(given, self.counts, n, "sounds")

    def state(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "length": self.length, "counts": self.counts, "short": self.short}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> AudioCodec:
        config = fill(cls.Config, state["config"], "codec")
        return cls(config, int(state["length"]), dict(state["counts"]), bool(state["short"]))

    def _clips(self, one: Sound) -> np.ndarray:
        """A recording as waves of the codec's length, (clips, T)."""
        wave, length = at_rate(one, self.config.rate), self.length
        if len(wave) <= length:
            return np.pad(wave, (0, length - len(wave)))[None]
        starts = np.linspace(0, len(wave) - length, -(-len(wave) // length)).round().astype(int)
        return np.stack([wave[start : start + length] for start in starts])

    def _ended(self, samples: np.ndarray) -> np.ndarray:
        """Samples up to where only silence follows, where training had sounds that end."""
        heard = np.flatnonzero(np.abs(samples.astype(np.int32)) >= SILENCE * FULL) if self.short else samples
        if not self.short or not len(heard):
            return samples
        return samples[: int(heard[-1]) + 1 + int(REST * self.config.rate)]
