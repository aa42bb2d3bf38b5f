"""Whether a recording is one, and whether two are the same."""

from __future__ import annotations

import numpy as np

from conjure.domains.audio.sounds import FULL, Sound

SILENCE = 10 ** (-60 / 20)  # of full scale: below it nothing is heard


def valid(one: Sound) -> bool:
    """Whether it is 16-bit samples of which some can be heard."""
    shaped = isinstance(one, Sound) and one.samples.dtype == np.int16 and one.samples.ndim == 1
    return bool(shaped and not silent(one))


def silent(one: Sound) -> bool:
    """Whether no sample reaches -60 dB of full scale."""
    return bool(np.abs(one.samples.astype(np.int32)).max(initial=0) < SILENCE * FULL)


def clipped(one: Sound) -> float:
    """The share of samples at full scale, where loud waves are cut off."""
    return float((np.abs(one.samples.astype(np.int32)) >= FULL).mean()) if len(one) else 0.0


def same(one: Sound, other: Sound) -> bool:
    """Whether two recordings agree sample by sample."""
    return one.rate == other.rate and np.array_equal(one.samples, other.samples)
