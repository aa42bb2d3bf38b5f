"""A picture shown on a screen: its pixels against the camera's (moire), backlight, glare, and the bands of refresh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.domains.image.attacks.optics import at, gathered, places, span, to_light, turned

FINE = 6  # samples along a camera pixel: a screen pixel has three stripes
RIM = 0.06  # of a screen pixel's side is dark


@dataclass(frozen=True)
class Replay:
    """A replay from a screen with red, green and blue stripes.

    pitch: of the screen's pixels, seen by the camera; angle: between the two grids; kelvin: of the backlight, bluer
    than daylight; contrast: of white to black; glare: a reflected lamp's light, radius its size, across and down its
    place; bands: dark ones over the picture's height, while the shutter rolls; depth: of these.
    """

    pitch: float = span(0.8, 2.2, "camera pixels")
    angle: float = span(-6, 6, "degrees")
    kelvin: float = span(6500, 11000, "kelvin")
    contrast: float = span(100, 1000, "to one")
    glare: float = span(0.0, 0.35, "of white")
    radius: float = span(0.08, 0.3, "share of the width")
    across: float = span(0, 1, "share of the width")
    down: float = span(0, 1, "share of the height")
    bands: float = span(0.5, 5, "a picture")
    depth: float = span(0.0, 0.25, "of the light")
    phase: float = span(0, 1, "of a band")

    def shows(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Linear light (H, W, 3) that comes from the screen."""
        light = to_light(picture)
        height, width = light.shape[:2]
        shown = (light + 1 / self.contrast) * backlight(self.kelvin)
        out = np.empty_like(light)
        for band, y, x in places(height, width, FINE):
            v, u = (c / self.pitch for c in turned(y - height / 2, x - width / 2, self.angle))
            row, column = np.floor(v), np.floor(u)
            back = turned((row + 0.5) * self.pitch, (column + 0.5) * self.pitch, -self.angle)
            samples = at(shown, back[0] + height / 2, back[1] + width / 2)  # a screen pixel has one colour
            lit = (np.abs(v - row - 0.5) < 0.5 - RIM)[..., None]
            stripe = (u - column)[..., None] * 3 - np.arange(3)
            lit = lit & (stripe > 3 * RIM) & (stripe < 1 - 3 * RIM / 2)
            out[band] = gathered(np.where(lit, samples, 0), FINE)
        out /= (1 - 2 * RIM) * (1 - 4.5 * RIM) / 3
        return self._lit(out)

    def _lit(self, light: np.ndarray) -> np.ndarray:
        """With refresh bands and the lamp's reflection."""
        height, width = light.shape[:2]
        y, x = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None]
        on = 1 - self.depth * (0.5 + 0.5 * np.cos(2 * np.pi * (self.bands * y + self.phase)))
        far = ((x - self.across) ** 2 + ((y - self.down) * height / width) ** 2) / self.radius**2
        return (light * on[..., None] + self.glare * np.exp(-2 * far)[..., None]).astype(np.float32)


def backlight(kelvin: float) -> np.ndarray:
    """Colour of a backlight beside daylight of 6500 K, (3,), green 1: Planck's law at 610, 550 and 465 nm."""
    wave = np.array([610e-9, 550e-9, 465e-9])

    def light(k: float) -> np.ndarray:
        return 1 / (wave**5 * (np.exp(1.4388e-2 / (wave * k)) - 1))

    shift = light(kelvin) / light(6500.0)
    return (shift / shift[1]).astype(np.float32)
