"""Waves at another rate, by scipy's polyphase filter."""

from __future__ import annotations

import math

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.audio.sounds import Sound


def at_rate(one: Sound, rate: int) -> np.ndarray:
    """The wave of a recording at `rate`, float32; ConfigError where that needs scipy and there is none."""
    if one.rate == rate:
        return one.wave
    try:
        from scipy.signal import resample_poly
    except ImportError:
        raise ConfigError(
            f"{one.name or 'a sound'} is at {one.rate} Hz; bringing it to {rate} needs scipy: "
            "pip install 'conjure[audio]'"
        ) from None
    common = math.gcd(one.rate, rate)
    return np.clip(resample_poly(one.wave, rate // common, one.rate // common), -1, 1).astype(np.float32)
