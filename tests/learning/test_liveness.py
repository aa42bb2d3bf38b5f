"""Simulated attacks teach: a plain detector learns from some species and finds one that it never saw."""

from __future__ import annotations

import numpy as np
import pytest

from conjure.domains.image.attacks.species import SPECIES, simulate
from conjure.metrics.presentation import BONA_FIDE, leave_one_out
from tests.learning.documents import document

PICTURES, SIDE = 24, 48


def looks(picture: np.ndarray) -> np.ndarray:
    """Power of rings of frequency, how uneven each is, and colour: what a detector could look at."""
    light = picture.astype(float) / 255
    grey = light.mean(2) - light.mean()
    power = np.abs(np.fft.fft2(grey * np.outer(np.hanning(SIDE), np.hanning(SIDE)))) ** 2
    v = np.fft.fftfreq(SIDE)
    ring = (np.hypot(v[:, None], v[None]) * 24).astype(int)
    rings = [power[ring == k] for k in range(1, 13)]
    chroma = light[..., 0] - light[..., 2]
    colour = [light.mean(), light.max(), light.min(), chroma.mean(), chroma.std()]
    return np.array(
        [*(np.log(r.mean() + 1e-6) for r in rings), *(np.log(r.max() / r.mean() + 1e-6) for r in rings), *colour]
    )


def presentations() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a detector looks at (N, F), the species (N,), and which are held out: other documents altogether."""
    rows, species, held_out = [], [], []
    for k in range(PICTURES):
        real = document(k, SIDE)
        for name in (BONA_FIDE, *SPECIES):
            rows.append(looks(real if name == BONA_FIDE else simulate(real, name, k).picture))
            species.append(name)
            held_out.append(k % 2 == 1)
    return np.array(rows), np.array(species), np.array(held_out)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_species_left_out_is_found_more_often_than_by_chance():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fit(x: np.ndarray, bona_fide: np.ndarray):
        judge = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", C=0.1)).fit(x, bona_fide)
        return lambda asked: judge.decision_function(asked)

    x, species, held_out = presentations()
    found = leave_one_out(fit, x, species, held_out)
    for kind, one in found.items():
        low, high = one.apcer[kind].interval
        print(f"{kind}: APCER {one.apcer[kind].value:.2f} ({low:.2f} to {high:.2f}), BPCER {one.bpcer.value:.2f}")
    # Chance lets in as many attacks as it turns bona fide away: APCER + BPCER = 1.
    sure = [kind for kind, one in found.items() if one.apcer[kind].interval[1] + one.bpcer.interval[1] < 1]
    assert len(sure) >= 3, found
