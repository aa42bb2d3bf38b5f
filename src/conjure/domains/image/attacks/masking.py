"""Paper worn or held: a mask with holes for the eyes, a cut-out before another scene. Both are prints with an edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.domains.image.attacks.optics import at, blurred, grain, span, to_light, turned
from conjure.domains.image.attacks.printing import Print

BROAD = 0.12  # share of the width: what varies more slowly is shading, not skin
PAPER = 0.85  # reflectance of a cut edge
PRINTED = Print(gain=0.12)


@dataclass(frozen=True)
class Mask:
    """A printed face bent round a head, whose own eyes look through holes; the rest of the picture stays.

    flat: how much of the face's own shading the printing and the paper lose; bend: how much darker the paper gets
    toward its sides; apart, level, hole: distance of the eyes, their height, radius of the holes; tall, wide: half
    axes of the outline; edge: width of the white cut; gap: how far paper stands off, which its shadow shows; dark:
    depth of the shadow.
    """

    flat: float = span(0.5, 0.95, "share of the shading")
    bend: float = span(0.1, 0.5, "share of the light")
    apart: float = span(0.26, 0.36, "share of the width")
    level: float = span(0.36, 0.46, "share of the height")
    hole: float = span(0.04, 0.075, "share of the width")
    tall: float = span(0.38, 0.47, "share of the height")
    wide: float = span(0.3, 0.4, "share of the width")
    edge: float = span(0.004, 0.014, "share of the width")
    gap: float = span(0.008, 0.03, "share of the width")
    dark: float = span(0.3, 0.7, "of the light")

    def shows(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Linear light (H, W, 3) of the person behind the mask."""
        light = to_light(picture)
        height, width = light.shape[:2]
        y, x = _grid(height, width)
        across = np.abs(x - width / 2) / (self.wide * width)
        round_off = 1 - self.bend * np.minimum(across, 1) ** 2
        paper = PRINTED.shows(picture, rng) * self._flattening(light) * round_off[..., None]
        outside = _ellipse(y - height / 2, x - width / 2, self.tall * height, self.wide * width)
        hole = self.hole * width
        eyes = [width * (0.5 + side * self.apart / 2) for side in (-1, 1)]
        inside = np.minimum(*[-_ellipse(y - self.level * height, x - eye, 0.7 * hole, hole) for eye in eyes])
        # Distance to the paper's edge in pixels, below zero on the paper.
        return _laid(light, paper, np.maximum(outside, inside), (self.edge * width, self.gap * width, self.dark))

    def _flattening(self, light: np.ndarray) -> np.ndarray:
        """What takes the picture's broad shading away, (H, W, 1)."""
        grey = light.mean(2, keepdims=True)
        shade = blurred(grey, BROAD * light.shape[1]) + 0.02
        return ((shade.mean() / shade) ** self.flat).clip(0.3, 3)


@dataclass(frozen=True)
class CutOut:
    """A printed picture cut along an outline and held, bent and tilted, before another scene.

    tall, wide: half axes of the outline; corner: 2 cuts an ellipse, more nearly a rectangle; size: of the print beside
    the picture; tilt: by which it is held; bend: of the paper, as a shift of its middle; eyes: radius of holes for the
    eyes, none where below 0.03; edge, gap, dark: as of a mask; scene: brightness of what is behind.
    """

    tall: float = span(0.32, 0.46, "share of the height")
    wide: float = span(0.28, 0.44, "share of the width")
    corner: float = span(2, 6, "exponent")
    size: float = span(0.85, 1.0, "of the picture's")
    tilt: float = span(-8, 8, "degrees")
    bend: float = span(0.0, 0.04, "share of the height")
    eyes: float = span(0.0, 0.06, "share of the width")
    edge: float = span(0.004, 0.014, "share of the width")
    gap: float = span(0.01, 0.05, "share of the width")
    dark: float = span(0.3, 0.7, "of the light")
    scene: float = span(0.1, 0.7, "of white")

    def shows(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Linear light (H, W, 3) of the cut-out and what is behind it."""
        printed = PRINTED.shows(picture, rng)
        height, width = printed.shape[:2]
        y, x = _grid(height, width)
        v, u = turned(y - height / 2, x - width / 2, self.tilt)
        v, u = v / self.size, u / self.size
        v = v + self.bend * height * (1 - (2 * u / width).clip(-1, 1) ** 2)
        paper = at(printed, v + height / 2, u + width / 2)
        away = _ellipse(v, u, self.tall * height, self.wide * width, self.corner) * self.size
        if self.eyes > 0.03:
            hole = self.eyes * width
            for side in (-1, 1):
                away = np.maximum(away, -_ellipse(v + 0.08 * height, u - side * 0.16 * width, 0.7 * hole, hole))
        return _laid(self._behind(height, width, rng), paper, away, (self.edge * width, self.gap * width, self.dark))

    def _behind(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        """A wall out of focus: broad patches of a few colours."""
        colours = self.scene * (0.75 + 0.5 * rng.random(3).astype(np.float32))
        patches = np.stack([grain((height, width), width / 2, rng) for _ in range(4)], 2)
        return (colours * (1 + 0.2 * patches[..., :1] + 0.07 * patches[..., 1:])).clip(0.01, 1).astype(np.float32)


def _laid(behind: np.ndarray, paper: np.ndarray, away: np.ndarray, looks: tuple[float, float, float]) -> np.ndarray:
    """Paper over what is behind it; `away` (H, W) is the distance from its edge in pixels, below zero on the paper.

    looks: width of the cut, which shows white, and how far the shadow falls, in pixels; how dark it is.
    """
    edge, gap, dark = looks
    covers = (0.5 - away).clip(0, 1)
    shifted = np.roll(covers, (max(1, round(0.7 * gap)), max(1, round(0.5 * gap))), (0, 1))
    behind = behind * (1 - dark * blurred(shifted, 0.6 * gap))[..., None]
    cut = covers * (away + edge + 0.5).clip(0, 1)
    paper = paper * (1 - cut[..., None]) + PAPER * cut[..., None]
    return (behind * (1 - covers[..., None]) + paper * covers[..., None]).astype(np.float32)


def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
    return y, x


def _ellipse(y: np.ndarray, x: np.ndarray, tall: float, wide: float, power: float = 2.0) -> np.ndarray:
    """About the distance to a (super-)ellipse in pixels, below zero inside."""
    reach = (np.abs(y / tall) ** power + np.abs(x / wide) ** power) ** (1 / power)
    return (reach - 1) * min(tall, wide)
