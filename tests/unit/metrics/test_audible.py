"""Measures of waves by hand, and an order among real sounds, noise of their spectrum and copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conjure.core.errors import DataError
from conjure.domains.audio.drums import drum_sounds
from conjure.domains.audio.sounds import Sounds, sounds
from conjure.metrics import audible, waves
from conjure.metrics.judged import Judged

RATE = 16_000
TONE = 0.5 * np.sin(2 * np.pi * 500 * np.arange(8192) / RATE)[None].astype(np.float32)


def test_si_sdr_by_hand_and_whatever_the_scale():
    noise = np.random.default_rng(0).normal(size=TONE.shape)
    noise -= (noise @ TONE.T) / (TONE @ TONE.T) * TONE  # orthogonal, so that the ratio is exact
    noise *= np.sqrt((TONE**2).sum() / (noise**2).sum() / 100)  # 20 dB below
    assert waves.si_sdr(TONE, TONE + noise)[0] == pytest.approx(20, abs=1e-3)
    assert waves.si_sdr(TONE, 0.1 * (TONE + noise))[0] == pytest.approx(20, abs=1e-3)


def test_log_spectral_distance_of_half_the_level():
    noise = np.random.default_rng(0).normal(size=(1, 8192)) * 0.3
    assert waves.log_spectral_distance(noise, noise)[0] == 0
    assert waves.log_spectral_distance(noise, noise / 10)[0] == pytest.approx(20, abs=1.5)


def test_a_band_hears_its_pitch():
    levels = waves.bands(TONE, RATE).mean((0, 1))
    top = 2595 * np.log10(1 + 8000 / 700)
    assert abs(levels.argmax() - (2595 * np.log10(1 + 500 / 700) / top * (waves.BANDS + 1) - 1)) <= 1
    assert waves.features(TONE, RATE).shape == (1, 112)


def test_mu_law_keeps_what_its_rate_can():
    full, none = waves.mu_law(TONE, RATE, 8 * RATE), waves.mu_law(TONE, RATE, 2_000)
    assert waves.si_sdr(TONE, full)[0] > 30
    assert np.abs(none).max() < 0.05  # 250 samples a second hold no 500 Hz
    assert waves.si_sdr(TONE, waves.mu_law(TONE, RATE, 16_000))[0] > 25  # 2,000 a second do


def test_noise_has_the_colour_and_the_loudness_of_what_it_is_made_of():
    real = np.stack([one.wave for one in drum_sounds(20)[:20]])  # hats
    made = waves.coloured_noise(real, 20, np.random.default_rng(0))
    assert made.std() == pytest.approx(real.std(), rel=0.2)
    assert np.abs(waves.bands(made, RATE).mean((0, 1)) - waves.bands(real, RATE).mean((0, 1))).mean() < 6


def judged(made: Sounds, **more) -> Judged:
    drums = drum_sounds(60)
    train, held = drums.take([k for k in range(240) if k % 3]), drums.take(range(0, 240, 3))
    return Judged(held_out=held, synthetic=made, train=train, **more)


def test_real_sounds_are_best_and_copies_are_seen():
    other = drum_sounds(90)
    fresh = other.take([k for k in range(360) if k % 90 >= 60])
    report = audible.judge(judged(fresh))
    distance = report["FD(band levels)"]
    assert distance.ours < 0.3 * distance.baseline
    assert report["class accuracy"].ours > 0.9
    assert report["near copies"].ours < 0.2
    assert report["silent"].ours == report["clipped"].ours == 0
    copied = judged(fresh)
    report = audible.judge(replace(copied, synthetic=copied.train))
    assert report["near copies"].ours == 1
    assert "<img" in report.to_html()


def test_faults_and_wrong_classes_are_seen():
    quiet = sounds(np.concatenate([np.zeros((5, 8000)), np.ones((5, 8000))]), labels=["kick"] * 10)
    report = audible.judge(judged(quiet))
    assert report["silent"].ours == report["clipped"].ours == 0.5
    hats = drum_sounds(10)[:10]
    wrong = Sounds(tuple(replace(one, label="kick") for one in hats))
    assert audible.judge(judged(wrong))["class accuracy"].ours < 0.2


def test_what_comes_back_from_tokens_stands_beside_mu_law():
    facts = {"coded": lambda s: s, "bits": 2_000.0}
    report = audible.judge(judged(drum_sounds(5), facts=facts))
    assert report["reconstruction log-spectral distance (dB)"].ours == 0
    figure = report["reconstruction SI-SDR (dB)"]
    assert figure.ours > figure.ceiling > figure.baseline
    assert [row[1] for row in report.tables[0].rows] == [2_000, 2_000, 128_000]


def test_too_few_are_refused():
    with pytest.raises(DataError, match="3 sounds on a side"):
        audible.judge(judged(drum_sounds(5)[:3]))
