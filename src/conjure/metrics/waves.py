"""Measures of waves by hand: bands by ear, distances, and the simple codecs that a learnt one is held against."""

from __future__ import annotations

import numpy as np

WINDOW, HOP = 512, 128  # samples of a frame, and from one to the next
BANDS = 32
ROWS = 32  # waves whose spectra are held at once
QUIET = 1e-7  # power added before the logarithm: -70 dB
LAW = 255  # mu of G.711


def spectrum(waves: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Power of each frame's frequencies, (N, F, window / 2 + 1), of waves (N, T); a sine of amplitude 1 has 1/4."""
    hann = np.hanning(window + 1)[:-1]
    padded = np.pad(waves, ((0, 0), (window // 2, window // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, 1)[:, :: window // 4]
    return np.abs(np.fft.rfft(frames * (hann / hann.sum()).astype(np.float32))) ** 2


def bands(waves: np.ndarray, rate: int) -> np.ndarray:
    """Level in dB of 32 bands, evenly spaced by ear (O'Shaughnessy 1987's mel), of each frame, (N, F, 32)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / rate)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    heard = np.maximum(0, np.minimum(rise, fall))
    return 10 * np.log10(spectrum(waves) @ heard.T + QUIET)


def features(waves: np.ndarray, rate: int) -> np.ndarray:
    """What a sound is like in 112 numbers: each band's mean, spread and mean over the first eighth; loudness in time.

    Shapes: waves (N, T), result (N, 3 x 32 + 16), in dB.
    """
    if len(waves) > ROWS:
        return np.concatenate([features(waves[start : start + ROWS], rate) for start in range(0, len(waves), ROWS)])
    levels = bands(waves, rate)
    begin = levels[:, : max(1, levels.shape[1] // 8)]
    along = np.stack([part.mean((1, 2)) for part in np.array_split(levels, 16, axis=1)], 1)
    return np.concatenate([levels.mean(1), levels.std(1), begin.mean(1), along], 1)


def si_sdr(real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Scale-invariant signal-to-distortion ratio in dB, (N,) (Le Roux et al. 2019, eq. 5): up is better."""
    real, made = real.astype(np.float64), made.astype(np.float64)
    power = (real**2).sum(1) + 1e-12
    target = ((made * real).sum(1) / power)[:, None] * real
    return 10 * np.log10(((target**2).sum(1) + 1e-12) / (((made - target) ** 2).sum(1) + 1e-12))


def log_spectral_distance(real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Mean distance in dB of the spectra's levels at three resolutions, (N,) (Gray & Markel 1976, root mean square)."""
    if len(real) > ROWS:
        starts = range(0, len(real), ROWS)
        return np.concatenate([log_spectral_distance(real[k : k + ROWS], made[k : k + ROWS]) for k in starts])
    found = []
    for window in (256, 512, 2048):
        a, b = (10 * np.log10(spectrum(side, window) + QUIET) for side in (real, made))
        found.append(np.sqrt(((a - b) ** 2).mean(2)).mean(1))
    return np.mean(found, 0)


def mu_law(waves: np.ndarray, rate: int, bits: float) -> np.ndarray:
    """Waves (N, T) after so many bits a second: brought to bits / 8 samples a second, each 8 bits by mu-law (G.711)."""
    asked, waves = waves.shape[1], np.pad(waves, ((0, 0), (0, waves.shape[1] // 4)))  # else ends meet in the transform
    length = waves.shape[1]
    kept = min(length, max(2, round(length * bits / 8 / rate)))
    low = np.fft.irfft(np.fft.rfft(waves)[:, : kept // 2 + 1], kept) * (kept / length)
    bent = np.sign(low) * np.log1p(LAW * np.minimum(1, np.abs(low))) / np.log1p(LAW)
    stepped = np.rint(bent * 127) / 127
    straight = np.sign(stepped) * np.expm1(np.abs(stepped) * np.log1p(LAW)) / LAW
    return (np.fft.irfft(np.fft.rfft(straight), length)[:, :asked] * (length / kept)).astype(np.float32)


def coloured_noise(waves: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n waves of noise with the mean spectrum and the mean loudness over time of `waves`, (n, T)."""
    length = waves.shape[1]
    shape = np.sqrt((np.abs(np.fft.rfft(waves)) ** 2).mean(0))
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal((n, length))) * shape, length)
    frame = max(1, length // 64)
    loud = np.sqrt(np.convolve((waves**2).mean(0), np.ones(frame) / frame, "same"))
    noise = noise / np.sqrt((noise**2).mean() + 1e-12) * (loud / max(1e-12, float(np.sqrt((loud**2).mean()))))
    return (noise * np.sqrt((waves**2).mean())).clip(-1, 1).astype(np.float32)
