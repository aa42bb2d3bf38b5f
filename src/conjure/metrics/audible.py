"""The judge of sounds: how they are written again from their codes, and how made ones compare with real ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.core.rng import derive
from conjure.metrics import likelihood, plots, waves
from conjure.metrics.bootstrap import Interval, mean_interval
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.frechet import frechet, metric
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.manifold import nearest
from conjure.metrics.words import summary

FEWEST, MOST = 4, 1_000  # sounds a side
NAME = "band levels"
SHARE = 0.05
SDR = Metric(
    "reconstruction SI-SDR (dB)",
    "held-out sounds written again from their tokens: how far the wave itself stands above what differs from it",
    (-math.inf, math.inf),
)
DISTANCE = Metric(
    "reconstruction log-spectral distance (dB)",
    "held-out sounds written again from their tokens: how far levels of frequencies are off, at three resolutions",
    (0.0, math.inf),
    "down",
)
NEAR = Metric(
    "near copies",
    "share of made sounds nearer to a training sound than 95 % of held-out ones are; the ceiling is the rest of those",
    direction="down",
    guard=True,
)
CLASS = Metric(
    "class accuracy",
    "share of made sounds that their nearest training sound says are of the class asked for; the ceiling is that of "
    "held-out sounds",
)
SILENT = Metric("silent", "share of made sounds that never reach -60 dB", direction="down", guard=True)
CLIPPED = Metric("clipped", "share of made sounds with samples cut off at full scale", direction="down", guard=True)


def judge(judged: Judged) -> Report:
    """Reconstruction beside mu-law at the same bits a second, and samples beside noise of the data's mean spectrum.

    Objects are sounds with `wave`, `rate` and `label`. judged.facts: `coded` writes sounds again through the model's
    tokens, which take `bits` a second, where it has some. DataError for fewer than 4 sounds on a side.
    """
    rng = np.random.default_rng(derive(judged.seed, "metrics", "audio"))
    real, made, train = _cut(judged, rng)
    rate, length = real[0].rate, max(len(one) for one in [*real, *made])
    sides = {
        who: None if s is None else matrix(s, length) for who, s in (("real", real), ("made", made), ("train", train))
    }
    report = Report(judged.title, [], notes=list(judged.notes))
    if "coded" in judged.facts:
        _reconstructed(report, judged, real, length)
    seen = {who: None if side is None else waves.features(side, rate) for who, side in sides.items()}
    if sides["train"] is not None:
        seen["noise"] = waves.features(waves.coloured_noise(sides["train"], len(made), rng), rate)
    report.figures.append(_distance(seen, rng))
    report.figures += _copies(seen)
    report.figures += _classes(seen, made, real, train)
    report.figures += _faults(sides)
    report.figures += likelihood.nats(judged)
    report.notes.append(
        f"{len(made)} made and {len(real)} held-out sounds of {length / rate:.2f} s at {rate / 1000:g} kHz. "
        f"Features: mean, spread and beginning of {waves.BANDS} bands spaced by ear, and loudness over time, in dB. "
        "Baseline of samples: noise with the training sounds' mean spectrum and loudness. Ceiling: training sounds in "
        "their place."
    )
    if judged.scores is not None and "coded" in judged.facts:
        report.notes.append("The log-probability is that of a sound's tokens, not of its wave.")
    if train is None:
        report.notes.append("Not measured: baseline, ceiling, copies, classes (training data not found).")
    report.plots.append(_pictures(sides))
    report.summary = summary(report.figures)
    return report


def matrix(sounds: Sequence[Any], length: int) -> np.ndarray:
    """Waves of sounds filled up with silence to one length, float32 (N, T)."""
    out = np.zeros((len(sounds), length), np.float32)
    for row, one in enumerate(sounds):
        out[row, : len(one)] = one.wave[:length]
    return out


def _cut(judged: Judged, rng: np.random.Generator) -> tuple[list[Any], list[Any], list[Any] | None]:
    """Held-out sounds as the codec has them, under their own labels, made ones and training ones; at most so many."""
    found = []
    for objects, as_made in ((judged.held_out, True), (judged.synthetic, False), (judged.train, True)):
        if objects is None:
            found.append(None)
            continue
        rows = (objects.take([row]) for row in range(len(objects))) if as_made else ()
        cut = [replace(part, label=one[0].label) for one in rows for part in judged.as_made(one)] or list(objects)
        found.append([cut[row] for row in np.sort(rng.permutation(len(cut))[:MOST])])
    if (few := min(len(side) for side in found if side is not None)) < FEWEST:
        raise DataError(f"{few} sounds on a side are too few to judge; at least {FEWEST} are needed")
    return tuple(found)  # type: ignore[return-value]


def _reconstructed(report: Report, judged: Judged, real: list[Any], length: int) -> None:
    """Figures and a table of what comes back from tokens, and from simpler codes."""
    before, rate, bits = matrix(real, length), real[0].rate, judged.facts["bits"]
    coded = list(judged.facts["coded"](type(judged.held_out)(tuple(real))))
    sides = {
        "the tokens": (matrix(coded, length), bits),
        "mu-law at the same bits": (waves.mu_law(before, rate, bits), bits),
        "mu-law, 8 bits a sample": (waves.mu_law(before, rate, 8 * rate), 8.0 * rate),
    }
    found = {
        who: [mean_interval(measure(before, wave)) for measure in (waves.si_sdr, waves.log_spectral_distance)]
        for who, (wave, _) in sides.items()
    }
    ours, same, full = found.values()
    report.figures += [m.figure(ours[k], same[k].value, full[k].value) for k, m in enumerate((SDR, DISTANCE))]
    rows = [(who, round(sides[who][1]), *(round(v.value, 2) for v in values)) for who, values in found.items()]
    report.tables.append(
        Table("Written again", ("code", "bits a second", "SI-SDR (dB)", "log-spectral distance (dB)"), rows)
    )


def _distance(seen: dict[str, Any], rng: np.random.Generator) -> Figure:
    mean, spread = seen["real"].mean(0), seen["real"].std(0) + 1e-3
    points = {who: None if side is None else (side - mean) / spread for who, side in seen.items()}
    ours = frechet(points["real"], points["made"], rng)
    beside = [
        frechet(points["real"], side).value if side is not None else None
        for side in map(points.get, ("noise", "train"))
    ]
    return metric(NAME).figure(ours, *beside)


def _copies(seen: dict[str, Any]) -> list[Figure]:
    if seen["train"] is None:
        return []
    far = {who: nearest(seen[who], seen["train"])[0] for who in ("made", "real", "noise")}
    limit = float(np.quantile(far["real"], SHARE))
    shares = {who: (values <= limit + 1e-6).astype(float) for who, values in far.items()}
    ours = mean_interval(shares["made"], (0, 1))
    return [NEAR.figure(ours, float(shares["noise"].mean()), float(shares["real"].mean()))]


def _classes(seen: dict[str, Any], made: list[Any], real: list[Any], train: list[Any] | None) -> list[Figure]:
    """Accuracy of a judge that knows training sounds and nothing else; nothing where there are no classes."""
    if train is None or len({one.label for one in train}) < 2 or not all(one.label for one in made):
        return []
    known = np.array([one.label for one in train])

    def right(points: np.ndarray, sounds: list[Any]) -> np.ndarray:
        return (known[nearest(points, seen["train"])[1]] == [one.label for one in sounds]).astype(float)

    chance = float(np.mean(right(seen["noise"], made)))
    ceiling = float(right(seen["real"], real).mean()) if all(one.label for one in real) else None
    return [CLASS.figure(mean_interval(right(seen["made"], made), (0, 1)), chance, ceiling)]


def _faults(sides: dict[str, Any]) -> list[Figure]:
    peaks = {who: np.abs(side).max(1) for who, side in sides.items() if side is not None}
    found = []
    for fault, share in ((SILENT, lambda p: p < 1e-3), (CLIPPED, lambda p: p >= 1.0)):
        ours: Interval = mean_interval(share(peaks["made"]).astype(float), (0, 1))
        found.append(fault.figure(ours, None, float(share(peaks["real"]).mean())))
    return found


def _pictures(sides: dict[str, Any]) -> Any:
    """Spectrograms of the first made sounds above those of real ones."""
    shown, count = [], min(plots.STRIP // 2, len(sides["made"]), len(sides["real"]))
    for who in ("made", "real"):
        levels = 10 * np.log10(waves.spectrum(sides[who][:count]) + waves.QUIET)
        grey = ((levels + 70) / 60 * 255).clip(0, 255).astype(np.uint8)[:, :, ::4]
        step = max(1, grey.shape[1] // 64)
        shown.append([one[::step].T[::-1, :, None] for one in grey])
    return plots.strip(
        *shown, "Spectrograms", "Above: samples. Below: held-out sounds. Time to the right, pitch upwards."
    )
