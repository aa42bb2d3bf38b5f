"""What all attacks share: light as numbers, drawn parameters, blur, and the camera that looks at it all again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

FINE = 4  # samples along a pixel's side that stand for its area
BAND = 1 << 20  # samples computed at a time, so that memory stays bounded
T = TypeVar("T")


def span(low: float, high: float, unit: str = "") -> Any:
    """A parameter's field: by default in the middle, drawn evenly between `low` and `high`, in `unit`."""
    return field(default=(low + high) / 2, metadata={"span": (low, high), "unit": unit})


def draw(kind: type[T], rng: np.random.Generator, spans: dict[str, tuple[float, float]] | None = None) -> T:
    """An attack with every parameter drawn from its own span, or from that in `spans`."""
    ends = {f.name: (spans or {}).get(f.name, f.metadata["span"]) for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: float(rng.uniform(*pair)) for name, pair in ends.items()})


def to_light(picture: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 1 or 3) to linear light in [0, 1], (H, W, 3), by the sRGB curve (IEC 61966-2-1)."""
    v = np.broadcast_to(picture, (*picture.shape[:2], 3)).astype(np.float32) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def to_bytes(light: np.ndarray, channels: int = 3) -> np.ndarray:
    """The inverse of `to_light`, clipped; one channel is luminance (ITU-R BT.709)."""
    if channels == 1:
        light = light @ np.array([[0.2126], [0.7152], [0.0722]], np.float32)
    light = light.clip(0, 1)
    v = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (v * 255 + 0.5).astype(np.uint8)


def blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of (H, W, ...) by `sigma` pixels, edges mirrored; by its transfer function."""
    if sigma <= 0:
        return x
    height, width = x.shape[:2]
    rim = min(int(3 * sigma) + 1, height - 1, width - 1)
    padded = np.pad(x, [(rim, rim), (rim, rim), *[(0, 0)] * (x.ndim - 2)], mode="reflect")
    down, across = (np.exp(-2 * (np.pi * sigma * np.fft.fftfreq(n)) ** 2) for n in padded.shape[:2])
    pass_through = (down[:, None] * across[: padded.shape[1] // 2 + 1]).reshape(len(down), -1, *[1] * (x.ndim - 2))
    out = np.fft.irfft2(np.fft.rfft2(padded, axes=(0, 1)) * pass_through, s=padded.shape[:2], axes=(0, 1))
    return out[rim : rim + height, rim : rim + width].astype(np.float32)


def grain(shape: tuple[int, int], size: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of mean 0 and spread 1, (H, W), whose specks are about `size` pixels wide."""
    noise = blurred(rng.standard_normal(shape).astype(np.float32), size / 2)
    return (noise - noise.mean()) / max(float(noise.std()), 1e-6)


def places(height: int, width: int, fine: int = FINE) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Rows of a picture, a band at a time, with y (rows * fine, 1) and x (1, W * fine) of the samples inside them.

    Units are pixels; the middle of the first pixel is at 0.5.
    """
    rows = max(1, BAND // (width * fine * fine))
    x = ((np.arange(width * fine) + 0.5) / fine)[None]
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height))
        yield band, ((np.arange(band.start * fine, band.stop * fine) + 0.5) / fine)[:, None], x


def gathered(samples: np.ndarray, fine: int = FINE) -> np.ndarray:
    """The mean of each pixel's samples, (H * fine, W * fine, C) to (H, W, C): a pixel's area collects light."""
    height, width, channels = samples.shape
    return samples.reshape(height // fine, fine, width // fine, fine, channels).mean((1, 3))


def turned(y: np.ndarray, x: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in a frame turned by so many degrees."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return c * y - s * x, s * y + c * x


def at(picture: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A picture's values (H, W, C) at coordinates in pixels, linear between pixel middles, edges repeated."""
    height, width = picture.shape[:2]
    y, x = (np.clip(v - 0.5, 0, size - 1) for v, size in ((y, height), (x, width)))
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    dy, dx = (y - top)[..., None].astype(np.float32), (x - left)[..., None].astype(np.float32)
    upper = picture[top, left] * (1 - dx) + picture[top, right] * dx
    return upper * (1 - dy) + (picture[below, left] * (1 - dx) + picture[below, right] * dx) * dy


@dataclass(frozen=True)
class Camera:
    """The second capture.

    exposure: gain over that which keeps light as it was; blur: of the lens; electrons: of a white pixel, whose number
    is the noise; uneven: how much brighter the lit side is; toward: where the light comes from.
    """

    exposure: float = span(0.95, 1.2, "times")
    blur: float = span(0.3, 0.9, "pixels")
    electrons: float = span(1500, 12000, "electrons")
    uneven: float = span(0.0, 0.25, "share of the mean")
    toward: float = span(0, 360, "degrees")

    def sees(self, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Linear light (H, W, 3) as captured: lit from a side, blurred, with photon noise."""
        height, width = light.shape[:2]
        down, across = np.linspace(-0.5, 0.5, height)[:, None], np.linspace(-0.5, 0.5, width)[None]
        slope = np.sin(np.radians(self.toward)) * down + np.cos(np.radians(self.toward)) * across
        light = blurred(
            light * self.exposure * (1 + self.uneven * slope[..., None]).astype(np.float32), self.blur
        ).clip(0)
        noise = rng.standard_normal(light.shape).astype(np.float32)
        return light + noise * np.sqrt(light / self.electrons + 4 / self.electrons**2)
