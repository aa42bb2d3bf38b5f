"""Drum sounds made by formula: kicks, snares, hats and toms whose parameters are drawn from a fixed seed."""

from __future__ import annotations

import numpy as np

from conjure.core.rng import derive
from conjure.domains.audio.sounds import RATE, Sounds, sounds

SECONDS, EACH = 0.5, 150
KINDS = ("hat", "kick", "snare", "tom")


def drum_sounds(each: int = EACH, rate: int = RATE) -> Sounds:
    """`each` sounds of every kind, half a second long.

    Kicks and toms are sines whose pitch falls, snares a short tone under noise, hats noise without its low end.
    """
    rng = np.random.default_rng(derive(0, "drums"))
    time = np.arange(int(SECONDS * rate)) / rate
    waves = [_loud(globals()[f"_{kind}"](time, rng), rng) for kind in KINDS for _ in range(each)]
    return sounds(waves, rate, np.repeat(KINDS, each))


def _kick(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high, fall = rng.uniform(42, 70), rng.uniform(140, 320), rng.uniform(18, 45)
    click = rng.uniform(0, 0.3) * rng.standard_normal(len(time)) * np.exp(-time * 400)
    return _sweep(time, low, high, fall) * np.exp(-time * rng.uniform(7, 16)) + click


def _tom(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low = rng.uniform(90, 220)
    tone = _sweep(time, low, low * rng.uniform(1.2, 1.6), rng.uniform(10, 25))
    skin = rng.uniform(0.02, 0.1) * rng.standard_normal(len(time)) * np.exp(-time * 60)
    return (tone + skin) * np.exp(-time * rng.uniform(6, 12))


def _snare(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pitch = rng.uniform(160, 260)
    tone = np.sin(2 * np.pi * pitch * time) + 0.5 * np.sin(2 * np.pi * pitch * 1.6 * time)
    rattle = _above(rng.standard_normal(len(time)), rng.uniform(0.5, 0.9))
    return rng.uniform(0.3, 0.8) * tone * np.exp(-time * rng.uniform(20, 35)) + rng.uniform(0.5, 1) * rattle * np.exp(
        -time * rng.uniform(12, 28)
    )


def _hat(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    opened = rng.random() < 0.3
    metal = sum(np.sign(np.sin(2 * np.pi * f * time)) for f in rng.uniform(2_000, 6_500, 5)) / 5
    hiss = _above(rng.standard_normal(len(time)) + rng.uniform(0, 0.8) * metal, 0.95)
    return hiss * np.exp(-time * (rng.uniform(7, 12) if opened else rng.uniform(40, 90)))


def _sweep(time: np.ndarray, low: float, high: float, fall: float) -> np.ndarray:
    """A sine that falls from one pitch to another: the phase is the integral of low + (high - low) exp(-fall t)."""
    return np.sin(2 * np.pi * (low * time + (high - low) * (1 - np.exp(-fall * time)) / fall))


def _above(noise: np.ndarray, share: float) -> np.ndarray:
    """Noise without its low end: the difference to its neighbour, `share` of it."""
    return noise - share * np.concatenate([[0.0], noise[:-1]])


def _loud(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    fade = np.minimum(1, np.arange(len(wave))[::-1] / (0.02 * len(wave)))
    return wave / np.abs(wave).max() * rng.uniform(0.5, 0.95) * fade
