"""Pictures as tensors: real numbers in [-1, 1] for networks that see the whole, or levels as tokens."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Category, Columns, Dense, Number, Tokens
from conjure.domains import classes
from conjure.domains.image import numbers
from conjure.domains.image.numbers import Scale
from conjure.domains.image.pictures import Images, describe
from conjure.domains.protocol import Encoded

LARGEST_SIDE = 256  # without a stated size; beyond it a model of raw pixels is hopeless


class ImageCodec:
    """Pictures of one size to tensors and back; class labels and numbers, where there are some, become the condition.

    "dense" is (C, H, W) in [-1, 1], exact for bytes. "tokens" is (H, W), or (H, W, 3), of the nearest among
    `levels` values spread evenly from 0 to 255: code = round(byte (levels - 1) / 255).
    """

    @dataclass(frozen=True)
    class Config:
        """size: pictures are scaled until the shorter side has that many pixels (area average), then the middle
        square is cut out; without it all must have one size. labels: whether class labels become a condition;
        numbers: whether numbers that come with the pictures do.
        """

        encoding: Literal["dense", "tokens"] = "dense"
        size: int | None = None
        levels: int = 256
        labels: bool = True
        numbers: bool = True

        def __post_init__(self) -> None:
            if not 2 <= self.levels <= 256:
                raise ConfigError(f"codec.levels is {self.levels}; it should be from 2 to 256")
            if self.size is not None and not 4 <= self.size <= LARGEST_SIDE:
                raise ConfigError(f"codec.size is {self.size}; it should be from 4 to {LARGEST_SIDE}")

    def __init__(
        self,
        config: ImageCodec.Config,
        shape: tuple[int, int, int],
        counts: dict[str, int],
        scales: dict[str, Scale] | None = None,
    ):
        self.config, self.shape, self.counts, self.scales = config, shape, counts, scales or {}
        self.classes = list(counts)
        self.notes: list[str] = []
        height, width, channels = shape
        if config.encoding == "dense":
            self.space: Dense | Tokens = Dense((channels, height, width), -1.0, 1.0)
        else:
            self.space = Tokens(config.levels, (height, width) if channels == 1 else shape)
        told = [Category("label", len(counts))] if counts else []
        self.given_space = Columns((*told, *map(Number, self.scales))) if told or self.scales else None

    @classmethod
    def learn(cls, objects: Images, config: ImageCodec.Config) -> ImageCodec:
        """Size, colour and classes of the training pictures; DataError names a picture of another size."""
        channels = max(picture.shape[2] for picture in objects)
        if config.size:
            shape = (config.size, config.size, channels)
        else:
            height, width = objects[0].shape[:2]
            for row, picture in enumerate(objects):
                if picture.shape[:2] != (height, width):
                    raise DataError(
                        f"{objects.name(row)} is {describe(picture)} where {objects.name(0)} is "
                        f"{describe(objects[0])}; codec.size=32, say, brings all to one size"
                    )
            if max(height, width) > LARGEST_SIDE:
                raise DataError(f"the images are {describe(objects[0])}; set codec.size to at most {LARGEST_SIDE}")
            shape = (height, width, channels)
        counts: dict[str, int] = {}
        if config.labels and objects.labels is not None and len(objects.classes) > 1:
            seen = Counter(objects.labels.tolist())
            counts = {name: seen[name] for name in objects.classes}
        scales, notes = numbers.learn(objects.numbers if config.numbers else {})
        codec = cls(config, shape, counts, scales)
        codec.notes = [*objects.notes, *notes]
        return codec

    def describe(self) -> str:
        """What was learnt, in one line."""
        height, width, channels = self.shape
        kind = "grey" if channels == 1 else "RGB"
        levels = "" if self.config.encoding == "dense" else f" in {self.config.levels} levels"
        classed = f" of {len(self.counts)} classes" if self.counts else ""
        told = f" with {', '.join(self.scales)}" if self.scales else ""
        return f"{width} x {height} {kind} images{levels}{classed}{told}"

    def encode(self, objects: Images) -> Encoded:
        """Tensors in the space, with class codes and standardised numbers as given (N, K).

        DataError names a picture out of place.
        """
        array = torch.from_numpy(np.stack([self._fit(objects, row) for row in range(len(objects))]))
        given = _side_by_side(classes.codes(objects, self.counts, "images"), numbers.codes(objects, self.scales))
        if self.config.encoding == "dense":
            return Encoded(array.permute(0, 3, 1, 2).float() / 127.5 - 1, given=given)
        codes = (array.float() * ((self.config.levels - 1) / 255)).round().long()
        return Encoded(codes.reshape(-1, *self.space.shape), given=given)

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Images:
        """Byte pictures again, labelled as `condition` asked for them."""
        x = x.detach().cpu()
        if self.config.encoding == "dense":
            array = ((x.float() + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1)
        else:
            array = (x.reshape(-1, *self.shape).float() * (255 / (self.config.levels - 1))).round()
        labels = None
        if self.counts:
            labels = np.array(self.classes)[classes.wanted(given or {}, self.counts, len(x))[:, 0].numpy()]
        told = numbers.wanted(given or {}, self.scales, len(x))
        return Images(array.to(torch.uint8).contiguous().numpy(), labels, tuple(self.classes), numbers=told)

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """Class codes and standardised numbers (N, K) from {"label": name, "angle": 30}, or one value a sample.

        Without a label the classes are spread as often as they were in training, the same way each time; so are
        numbers that nothing is said of.
        """
        numbers.check_words(given, ["label"] * bool(self.counts) + list(self.scales))
        told = numbers.standardised(numbers.wanted(given, self.scales, n), self.scales) if self.scales else None
        return _side_by_side(classes.wanted(given, self.counts, n) if self.counts else None, told)

    def log_density(self, objects: Images) -> np.ndarray:
        """log of the part of its level's bytes that each picture is, (N,): 0 where levels lose nothing."""
        if self.config.encoding == "dense" or self.config.levels == 256:
            return np.zeros(len(objects))
        top = self.config.levels - 1
        level = np.rint(np.arange(256, dtype=np.float32) * np.float32(top / 255)).astype(int)
        bytes_a_level = np.bincount(level, minlength=top + 1)
        nats = -np.log(bytes_a_level[level])
        return np.array([nats[self._fit(objects, row)].sum() for row in range(len(objects))])

    def state(self) -> dict[str, Any]:
        scales = {name: asdict(scale) for name, scale in self.scales.items()}
        return {"config": asdict(self.config), "shape": list(self.shape), "counts": self.counts, "scales": scales}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ImageCodec:
        scales = {
            name: Scale(one["mean"], one["deviation"], tuple(one["quantiles"]))
            for name, one in state.get("scales", {}).items()
        }
        return cls(fill(cls.Config, state["config"], "codec"), tuple(state["shape"]), dict(state["counts"]), scales)

    def _fit(self, objects: Images, row: int) -> np.ndarray:
        """One picture at the codec's size and colour, uint8 (H, W, C)."""
        picture, (height, width, channels) = objects[row], self.shape
        if picture.shape[2] > channels:
            raise DataError(f"{objects.name(row)} is {describe(picture)}, but the model knows grey images only")
        if self.config.size and picture.shape[:2] != (height, width):
            picture = _middle_square(picture, self.config.size)
        if picture.shape[:2] != (height, width):
            raise DataError(
                f"{objects.name(row)} is {describe(picture)}; the model's images are {width} x {height} "
                f"(fitted with codec.size={min(width, height)}, say, it takes any size)"
            )
        return picture if picture.shape[2] == channels else picture.repeat(channels, 2)


def _side_by_side(labels: Tensor | None, told: Tensor | None) -> Tensor | None:
    if labels is None or told is None:
        return labels if told is None else told
    return torch.cat([labels.float(), told], 1)


def _middle_square(picture: np.ndarray, size: int) -> np.ndarray:
    """Scaled by area average until the shorter side is `size`, then the middle square; (size, size, C)."""
    from PIL import Image

    height, width, channels = picture.shape
    scale = size / min(height, width)
    across, down = max(size, round(width * scale)), max(size, round(height * scale))
    image = Image.fromarray(picture.squeeze(2) if channels == 1 else picture)
    small = np.asarray(image.resize((across, down), Image.Resampling.BOX)).reshape(down, across, channels)
    top, left = (down - size) // 2, (across - size) // 2
    return small[top : top + size, left : left + size]
