"""Presentation attacks do what their physics says, and the same seed gives the same attack."""

from __future__ import annotations

import numpy as np
import pytest

from conjure.core.errors import ConfigError
from conjure.domains.image.attacks import optics
from conjure.domains.image.attacks.masking import CutOut, Mask
from conjure.domains.image.attacks.printing import Print
from conjure.domains.image.attacks.replaying import Replay, backlight
from conjure.domains.image.attacks.species import SPECIES, parameters, read_spans, simulate
from tests.learning.documents import document

GREY = np.full((96, 128, 3), 128, np.uint8)
RNG = np.random.default_rng(0)


def peak(light: np.ndarray) -> tuple[float, float]:
    """The strongest frequency of an area, cycles a pixel, and its angle in degrees."""
    grey = light.mean(2)
    power = np.abs(np.fft.rfft2(grey - grey.mean()))
    down, across = np.unravel_index(power.argmax(), power.shape)
    v, u = np.fft.fftfreq(grey.shape[0])[down], np.fft.rfftfreq(grey.shape[1])[across]
    return float(np.hypot(v, u)), float(np.degrees(np.arctan2(v, u)))


@pytest.mark.parametrize("species", list(SPECIES))
def test_the_same_seed_gives_the_same_attack(species):
    picture = document(0, 64)
    first, again, other = (simulate(picture, species, seed) for seed in (1, 1, 2))
    assert first.picture.shape == picture.shape
    assert first.picture.dtype == np.uint8
    assert (first.picture == again.picture).all()
    assert (first.picture != other.picture).mean() > 0.3
    assert first.parameters == again.parameters
    assert simulate(picture[..., :1], species, 1).picture.shape == (64, 64, 1)


def test_halftone_dots_stand_where_the_ruling_says():
    """40 mm over 128 pixels at 60 lines an inch: 0.74 cells a pixel is past what pixels can show; 20 mm show it."""
    screen = Print(width=20, ruling=60, angle=0, texture=0, black=1.0)  # grey is black ink alone, whose screen is at 45
    light = screen.shows(GREY, RNG)
    frequency, angle = peak(light)
    assert frequency == pytest.approx(20 / 128 * 60 / 25.4, rel=0.06)
    assert abs(abs(angle) - 45) < 4


def test_prints_keep_tones_and_lose_the_brightest_colours():
    coarse = Print(tint=0, texture=0, ruling=60)
    tones = [optics.to_bytes(coarse.shows(np.full_like(GREY, v), RNG)).mean() for v in (20, 128, 240)]
    assert tones[0] < 70
    assert 105 < tones[1] < 150
    assert tones[2] > 185
    green = np.zeros_like(GREY)
    green[..., 1] = 255
    red, printed, blue = Print(texture=0).shows(green, RNG).mean((0, 1))
    assert printed < 0.7  # ink cannot be as green as a screen
    assert min(red, blue) > 0.01


def test_dot_gain_darkens():
    light = [Print(gain=g, texture=0, ruling=60).shows(GREY, RNG).mean() for g in (0.08, 0.16, 0.25)]
    assert light[0] > light[1] > light[2]


def test_dots_too_fine_for_the_camera_average_out():
    dots, none = (Print(width=60, ruling=r, texture=0).shows(GREY, RNG) for r in (60, 150))
    assert none[..., 1].std() < 0.05 * dots[..., 1].std()
    assert none.mean() == pytest.approx(dots.mean(), rel=0.1)


def test_two_grids_beat():
    """Screen pixels of 1.25 camera pixels, 0.8 a pixel, beat with the camera's own at 0.2 and, twice that, 0.4."""
    light = Replay(pitch=1.25, angle=0, glare=0, depth=0, bands=0.5).shows(GREY, RNG)
    across = np.abs(np.fft.rfft(light[..., 1].mean(0) - light[..., 1].mean()))  # 128 pixels
    beats = [round(0.2 * 128), round(0.4 * 128)]
    assert {int(k) for k in across.argsort()[-2:]} <= {b + d for b in beats for d in (-1, 0, 1)}
    # Finer than the camera's pixels by far, nothing is left of either grid.
    fine = Replay(pitch=0.25, angle=0, glare=0, depth=0).shows(GREY, RNG)
    assert fine[..., 1].std() < 0.2 * light[..., 1].std()


def test_screens_are_bluer_banded_and_reflect():
    assert backlight(6500.0) == pytest.approx([1, 1, 1])
    cold = backlight(11000.0)
    assert cold[0] < 1 < cold[2]
    plain = Replay(glare=0, depth=0)
    assert Replay(glare=0.3, depth=0).shows(GREY, RNG).mean() > plain.shows(GREY, RNG).mean()
    rows = Replay(glare=0, depth=0.25, bands=4, pitch=0.8).shows(GREY, RNG).mean((1, 2))
    power = np.abs(np.fft.rfft(rows - rows.mean()))[:20]
    assert power.argmax() == 4


def test_a_mask_covers_the_face_and_leaves_the_rest():
    picture = document(1, 96)
    mask = Mask(gap=0.008)
    light, real = mask.shows(picture, RNG), optics.to_light(picture)
    assert np.allclose(light[:4, :4], real[:4, :4])
    eye = (round(mask.level * 96), round((0.5 - mask.apart / 2) * 96))
    assert np.abs(light[eye] - real[eye]).max() < 0.75 * real[eye].max() + 0.02  # the eye itself, in the paper's shadow
    assert np.abs(light[48, 48] - real[48, 48]).max() > 0.01


def test_a_cut_out_has_a_white_edge_and_another_scene():
    dark = np.full((96, 96, 3), 40, np.uint8)
    light = CutOut(scene=0.1, edge=0.014, eyes=0, tilt=0, gap=0.01).shows(dark, RNG)
    assert light[48].max() > 0.4  # the cut
    assert abs(light[48, 48].mean() - optics.to_light(dark).mean()) < 0.05
    assert np.abs(light[2, 2] - light[48, 48]).max() > 0.01


def test_optics():
    picture = document(2, 48)
    assert np.abs(optics.to_bytes(optics.to_light(picture)).astype(int) - picture).max() <= 1
    x = RNG.random((40, 30, 3)).astype(np.float32)
    soft = optics.blurred(x, 2.0)
    assert soft.mean() == pytest.approx(x.mean(), abs=0.02)
    assert soft.std() < 0.4 * x.std()
    bright, dim = (
        optics.Camera(electrons=e, blur=0.3, uneven=0).sees(np.full((64, 64, 3), 0.5), RNG) for e in (2000, 8000)
    )
    assert bright.std() == pytest.approx(2 * dim.std(), rel=0.1)  # photon noise: the root of their number
    assert bright.std() == pytest.approx((0.5 * 1.075 / 2000) ** 0.5, rel=0.4)


def test_spans_in_words():
    assert read_spans({"print.ruling": "60..85", "replay.glare": "0"}) == {
        "print": {"ruling": (60.0, 85.0)},
        "replay": {"glare": (0.0, 0.0)},
    }
    assert simulate(GREY, "print", 0, read_spans({"print.ruling": "70"})).parameters["print.ruling"] == 70
    for words, says in (
        ({"print.rulling": "60"}, "did you mean 'print.ruling'"),
        ({"print.ruling": "many"}, "a number or a span"),
        ({"print.ruling": "85..60"}, "between 60 and 150"),
    ):
        with pytest.raises(ConfigError, match=says):
            read_spans(words)
    assert all(low <= high for _, (low, high), _ in parameters())
    with pytest.raises(ConfigError, match="did you mean 'print'"):
        simulate(GREY, "prnt", 0)
    with pytest.raises(ConfigError, match="too small"):
        simulate(GREY[:8], "print", 0)
