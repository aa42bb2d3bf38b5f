"""A picture printed in four inks and held before the camera: halftone, dot gain, ink and paper."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from conjure.domains.image.attacks.optics import gathered, grain, places, span, to_light, turned

ANGLES = (15.0, 75.0, 0.0, 45.0)  # degrees of the screens of cyan, magenta, yellow, black
INKS = np.array(  # transmittance of solid ink to red, green, blue, twice through (reflectance over that of paper)
    [[0.06, 0.38, 0.68], [0.62, 0.08, 0.22], [0.86, 0.76, 0.10], [0.04, 0.04, 0.04]], np.float32
)
YULE_NIELSEN = 1.7  # light spreads in paper, so that halftones look darker than their area (Yule and Nielsen 1951)
FINEST = 2.0  # screen cells in a pixel, beyond which dots are averaged
USUAL = 0.16  # dot gain that printers are set up for
DARKEST = 0.02  # of all inks together
ROUNDS = 4  # of setting the inks
INCH = 25.4  # mm


@dataclass(frozen=True)
class Print:
    """A print by clustered dots.

    width: of the print, across the picture; ruling: of the screens; angle: by which all are turned; gain: of a dot
    that covers half; spread: how far ink runs at a dot's edge; black: which part of the grey is black ink; tint: how
    much less blue than red paper sends back; texture, fibre: depth and size of the paper's grain.
    """

    width: float = span(40, 90, "mm")
    ruling: float = span(60, 150, "lines per inch")
    angle: float = span(-10, 10, "degrees")
    gain: float = span(0.08, 0.25, "share of the area")
    spread: float = span(10, 40, "micrometres")
    black: float = span(0.3, 0.9, "share of the grey")
    tint: float = span(0.0, 0.15, "share of the reflectance")
    texture: float = span(0.005, 0.04, "share of the reflectance")
    fibre: float = span(0.2, 0.8, "mm")

    def shows(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Linear light (H, W, 3) that paper sends back where a picture, uint8 (H, W, 1 or 3), is printed.

        Where a pixel holds more than two screen cells across, no camera would see the dots, and their mean is taken.
        """
        height, width = picture.shape[:2]
        inks = self._inks(to_light(picture))
        mm = self.width / width  # of a pixel
        cells = mm * self.ruling / INCH  # a pixel's length in screen cells
        averaged = cells > FINEST
        fine = 1 if averaged else max(2, int(np.ceil(4 * cells)))
        out = np.empty((height, width, 3), np.float32)
        edge = 1e-3 * self.spread * self.ruling / INCH + 0.25 * cells / fine  # softness of a dot's edge, in cells
        for band, y, x in places(height, width, fine):
            through = np.ones((len(y), x.shape[1], 3), np.float32)
            for k, angle in enumerate(ANGLES):
                density = inks[band, :, k].repeat(fine, 0).repeat(fine, 1)
                if not averaged:
                    v, u = (c * cells for c in turned(y, x, angle + self.angle))
                    density = ((density - _threshold(v, u)) / (4 * edge) + 0.5).clip(0, 1)
                through *= 1 - density[..., None] * (1 - INKS[k] ** (1 / YULE_NIELSEN))
            out[band] = gathered(through, fine) ** YULE_NIELSEN
        paper = np.array([0.92, 0.91, 0.90], np.float32) - np.array([0, 0.3, 1], np.float32) * self.tint
        fibres = 1 + self.texture * grain((height, width), self.fibre / mm, rng)
        return out * paper * fibres[..., None].astype(np.float32)

    def _inks(self, light: np.ndarray) -> np.ndarray:
        """Area that each ink covers, (H, W, 4), for the colours of a picture as far as inks can mix them.

        The three inks are set in turn so that the mean of dots that lie over each other by chance (Demichel's equation)
        sends back what is wanted of the colour that each of them takes away.
        """
        through = INKS ** (1 / YULE_NIELSEN)
        wanted = (DARKEST + (1 - DARKEST) * light) ** (1 / YULE_NIELSEN)
        grey = ((1 - wanted.max(2)) / (1 - through[3, 0])).clip(0, 1) * self.black
        area = np.zeros((*light.shape[:2], 4), np.float32)
        area[..., 3] = grey
        for _ in range(ROUNDS):
            for k in range(3):
                others = [j for j in range(4) if j != k]
                left = np.prod(1 - area[..., others] * (1 - through[others, k]), axis=2)
                area[..., k] = ((1 - wanted[..., k] / left) / (1 - through[k, k])).clip(0, 1)
        g = 1 + 4 * USUAL
        sent = (g - np.sqrt(g**2 - 16 * USUAL * area)) / (8 * USUAL)  # the printer allows for the gain it knows
        return (sent + 4 * self.gain * sent * (1 - sent)).clip(0, 1).astype(np.float32)


@cache
def _ranks() -> tuple[np.ndarray, np.ndarray]:
    """Values of the spot function, and the share of a cell below each."""
    u = (np.arange(64) + 0.5) / 64
    spot = np.sort((np.cos(2 * np.pi * u)[:, None] + np.cos(2 * np.pi * u)[None]).ravel())
    return spot, np.linspace(0, 1, len(spot))


def _threshold(v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The coverage from which on a place is inked: round dots that grow from the middle of a cell."""
    spot, share = _ranks()
    return 1 - np.interp(np.cos(2 * np.pi * v) + np.cos(2 * np.pi * u), spot, share).astype(np.float32)
