"""Clips as tensors: whole ones, or frame by frame for what models pictures and their order apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Category, Columns, Dense
from conjure.domains import classes
from conjure.domains.protocol import Encoded
from conjure.domains.video.clips import RATE, Clips, describe

LARGEST_SIDE, LONGEST = 128, 64  # beyond these a model of raw pixels is hopeless


class VideoCodec:
    """Clips of one length and size to tensors in [-1, 1] and back; class labels become the condition.

    "clips" is (T, C, H, W), a clip an example. "frames" is (C, H, W), a frame an example, T `pieces` to a clip: for
    an autoencoder of frames, through whose codes another model learns their order.
    """

    @dataclass(frozen=True)
    class Config:
        """frames: longer clips keep that many frames from their middle; without it all must have one length. step:
        of every so many frames the first is kept, before that. size: frames are scaled until the shorter side has that
        many pixels (area average), then the middle square is cut out; without it all must have one size. labels:
        whether class labels become the condition.
        """

        encoding: Literal["clips", "frames"] = "clips"
        frames: int | None = None
        step: int = 1
        size: int | None = None
        labels: bool = True

        def __post_init__(self) -> None:
            if self.frames is not None and not 2 <= self.frames <= LONGEST:
                raise ConfigError(f"codec.frames is {self.frames}; it should be from 2 to {LONGEST}")
            if self.step < 1:
                raise ConfigError(f"codec.step is {self.step}; it should be at least 1")
            if self.size is not None and not 4 <= self.size <= LARGEST_SIDE:
                raise ConfigError(f"codec.size is {self.size}; it should be from 4 to {LARGEST_SIDE}")

    def __init__(
        self, config: VideoCodec.Config, shape: tuple[int, int, int, int], counts: dict[str, int], rate: float
    ):
        """shape: (T, H, W, C) of every clip; rate: frames a second."""
        self.config, self.shape, self.counts, self.rate = config, shape, counts, rate
        self.classes = list(counts)
        self.notes: list[str] = []
        frames, height, width, channels = shape
        whole = config.encoding == "clips"
        self.pieces = 1 if whole else frames
        self.space = Dense((frames, channels, height, width) if whole else (channels, height, width), -1.0, 1.0)
        self.given_space = Columns((Category("label", len(counts)),)) if counts else None

    @classmethod
    def learn(cls, objects: Clips, config: VideoCodec.Config) -> VideoCodec:
        """Length, size, colour and classes of the training clips; DataError names a clip that does not fit."""
        channels = max(clip.shape[3] for clip in objects)
        frames, height, width = objects[0][:: config.step].shape[:3]
        for row, clip in enumerate(objects):
            kept, first = clip[:: config.step], f"{objects.name(0)} is {describe(objects[0])}"
            if config.frames is None and len(kept) != frames:
                raise DataError(
                    f"{objects.name(row)} is {describe(clip)} where {first}; codec.frames=8, say, cuts all alike"
                )
            if config.size is None and kept.shape[1:3] != (height, width):
                raise DataError(
                    f"{objects.name(row)} is {describe(clip)} where {first}; codec.size=32, say, brings all to one size"
                )
        if config.frames is None and not 2 <= frames <= LONGEST:
            raise DataError(f"the clips have {frames} frames; from 2 to {LONGEST} can be learnt: set codec.frames")
        if config.size is None and max(height, width) > LARGEST_SIDE:
            raise DataError(f"the clips are {width} x {height}; set codec.size to at most {LARGEST_SIDE}")
        shape = (config.frames or frames, config.size or height, config.size or width, channels)
        counts: dict[str, int] = {}
        if config.labels and objects.labels is not None and len(objects.classes) > 1:
            seen = Counter(objects.labels.tolist())
            counts = {name: seen[name] for name in objects.classes}
        codec = cls(config, shape, counts, objects.rate / config.step)
        codec.notes = list(objects.notes)
        return codec

    def describe(self) -> str:
        """What was learnt, in one line."""
        classes = f" of {len(self.counts)} classes" if self.counts else ""
        how = "" if self.config.encoding == "clips" else ", frame by frame"
        return f"clips of {describe(np.empty(self.shape, np.uint8))}{classes}{how}"

    def encode(self, objects: Clips) -> Encoded:
        """Tensors in the space, with class codes as given (clips, 1); DataError names a clip out of place."""
        array = torch.from_numpy(np.stack([self._fit(objects, row) for row in range(len(objects))]))
        x = array.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        return Encoded(
            x if self.config.encoding == "clips" else x.flatten(0, 1),
            given=classes.codes(objects, self.counts, "clips"),
        )

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Clips:
        """Byte clips again, labelled as `condition` asked for them; of frames, every T in turn make a clip."""
        if self.config.encoding == "frames":
            if len(x) % self.pieces:
                raise DataError(
                    f"{len(x)} single frames make no whole clips of {self.pieces}: ask for a multiple of it"
                )
            x = x.unflatten(0, (-1, self.pieces))
        array = ((x.detach().cpu().float() + 1) * 127.5).round().clamp(0, 255).permute(0, 1, 3, 4, 2)
        labels = None
        if self.counts:
            labels = np.array(self.classes)[classes.wanted(given or {}, self.counts, len(x))[:, 0].numpy()]
        return Clips(array.to(torch.uint8).contiguous().numpy(), labels, tuple(self.classes), rate=self.rate)

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """Class codes (N, 1): see `classes.condition`."""
        return classes.condition(given, self.counts, n, "clips")

    def state(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "shape": list(self.shape),
            "counts": self.counts,
            "rate": self.rate,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> VideoCodec:
        config = fill(cls.Config, state["config"], "codec")
        return cls(config, tuple(state["shape"]), dict(state["counts"]), float(state.get("rate", RATE)))

    def _fit(self, objects: Clips, row: int) -> np.ndarray:
        """One clip at the codec's length, size and colour, uint8 (T, H, W, C)."""
        clip, (frames, height, width, channels) = objects[row], self.shape
        if clip.shape[3] > channels:
            raise DataError(f"{objects.name(row)} is {describe(clip)}, but the model knows grey clips only")
        if len(clip) != frames:  # a clip that came out of this codec is not thinned again
            clip = clip[:: self.config.step]
        if self.config.frames and len(clip) > frames:
            start = (len(clip) - frames) // 2
            clip = clip[start : start + frames]
        if len(clip) != frames:
            raise DataError(f"{objects.name(row)} is {describe(objects[row])}; the model's clips have {frames} frames")
        if self.config.size and clip.shape[1:3] != (height, width):
            clip = _middle_square(clip, self.config.size)
        if clip.shape[1:3] != (height, width):
            raise DataError(f"{objects.name(row)} is {describe(clip)}; the model's clips are {width} x {height}")
        return clip if clip.shape[3] == channels else clip.repeat(channels, 3)


def _middle_square(clip: np.ndarray, size: int) -> np.ndarray:
    """Frames scaled by area average until the shorter side is `size`, then the middle square; (T, size, size, C)."""
    from PIL import Image

    _, height, width, channels = clip.shape
    scale = size / min(height, width)
    across, down = max(size, round(width * scale)), max(size, round(height * scale))
    top, left = (down - size) // 2, (across - size) // 2
    small = [
        np.asarray(
            Image.fromarray(f[..., 0] if channels == 1 else f).resize((across, down), Image.Resampling.BOX)
        ).reshape(down, across, channels)
        for f in clip
    ]
    return np.stack(small)[:, top : top + size, left : left + size]
