"""The season of a series: after how many rows it is most like itself."""

from __future__ import annotations

import numpy as np

LEAST = 0.2  # autocorrelation that counts as a season
NEAR = 0.85  # of the highest peak: a shorter season of about that strength is the season
LONGEST = 2000
ROWS = 20_000


def period(values: np.ndarray) -> int:
    """Rows of the clearest season of (T, C), 1 where there is none.

    The mean autocorrelation of the channels, less a straight line each, is looked through for peaks: of those
    about as high as the highest the first is taken, for a day returns after two days as well.
    """
    peaks, found = [], autocorrelation(values[-ROWS:], min(LONGEST, len(values) // 3))
    for lag in range(2, len(found) - 1):
        if found[lag] >= found[lag - 1] and found[lag] > found[lag + 1] and found[:lag].min() < found[lag] - 0.05:
            peaks.append((found[lag], lag))
    if not peaks or max(peaks)[0] < LEAST:
        return 1
    highest = max(peaks)[0]
    return next(lag for height, lag in peaks if height >= NEAR * highest)


def autocorrelation(values: np.ndarray, lags: int) -> np.ndarray:
    """The channels' mean autocorrelation at 0 .. lags, missing values on a straight line, trend taken off."""
    rows = np.arange(len(values), dtype=float)
    parts = []
    for column in values.T:
        there = np.isfinite(column)
        if there.sum() < 4:
            continue
        filled = np.interp(rows, rows[there], column[there])
        rest = filled - np.polyval(np.polyfit(rows, filled, 1), rows)
        if rest.std() < 1e-9 * max(1.0, np.abs(filled).max()):
            continue
        size = 1 << (2 * len(rest) - 1).bit_length()
        power = np.abs(np.fft.rfft(rest, size)) ** 2
        along = np.fft.irfft(power, size)[: lags + 1] / (len(rest) - np.arange(lags + 1))
        parts.append(along / along[0])
    return np.mean(parts, 0) if parts else np.zeros(1)
