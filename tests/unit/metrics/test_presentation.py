"""ISO/IEC 30107-3 figures against cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from conjure.core.errors import DataError
from conjure.metrics.presentation import BONA_FIDE, detect, equal_error, leave_one_out

SCORES = np.array([0.9, 0.8, 0.7, 0.2, 0.6, 0.1, 0.3, 0.1])
SPECIES = np.array([BONA_FIDE] * 4 + ["print", "print", "mask", "mask"])


def test_errors_at_a_threshold():
    found = detect(SCORES, SPECIES, 0.5)
    assert found.bpcer.value == 0.25  # 0.2 is turned away
    assert found.apcer["print"].value == 0.5  # 0.6 is let in
    assert found.apcer["mask"].value == 0.0
    assert found.worst == "print"
    assert found.acer == pytest.approx((0.5 + 0.25) / 2)


def test_the_worst_species_decides_the_equal_error_rate():
    rate, at = equal_error(SCORES, SPECIES)
    assert rate == pytest.approx(0.125)  # at 0.7 no attack passes and one of four bona fide fails
    assert at.threshold == 0.7
    perfect, _ = equal_error(np.array([1.0, 0.9, 0.1, 0.2]), np.array([BONA_FIDE, BONA_FIDE, "mask", "print"]))
    assert perfect == 0.0


def test_a_detector_is_judged_on_a_species_it_never_saw():
    """Prints shift the first number, masks the second: whoever knows prints alone lets masks in."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 2))
    species = np.repeat(np.array([BONA_FIDE, "print", "mask"]), 300)
    x[species == "print", 0] += 6
    x[species == "mask", 1] += 6
    held_out = np.tile([True, False], 450)

    def fit(rows, bona_fide):
        away = rows[~bona_fide].mean(0) - rows[bona_fide].mean(0)
        return lambda asked: -asked @ away

    found = leave_one_out(fit, x, species, held_out)
    assert set(found) == {"print", "mask"}
    assert all(d.apcer[kind].value > 0.8 for kind, d in found.items())
    both = fit(x[~held_out], species[~held_out] == BONA_FIDE)
    assert equal_error(both(x[held_out]), species[held_out])[0] < 0.1


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(DataError, match="no BPCER"):
        detect(SCORES[4:], SPECIES[4:], 0.5)
    with pytest.raises(DataError, match="no APCER"):
        detect(SCORES[:4], SPECIES[:4], 0.5)
    with pytest.raises(DataError, match="presentation 2 is not a number"):
        detect(np.array([0.1, np.nan]), np.array([BONA_FIDE, "mask"]), 0.5)
    with pytest.raises(DataError, match="one of each"):
        detect(SCORES[:3], SPECIES, 0.5)
