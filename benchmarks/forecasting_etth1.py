"""Forecasts of ETTh1 96 hours ahead, beside DLinear and naive forecasts, on the standard split.

Rows 0:8640 train, 8640:11520 validate, 11520:14400 test, standardised by the training part, all 7 channels, all 2,785
test windows with histories that reach back into the part before. Settings are chosen on the validation part; the test
part is looked at once a seed. DLinear (Zeng et al. 2023) is written here after its paper and trained as its authors'
script for this set says: 336 rows of history, moving mean of 25, Adam at 0.005 halved each epoch, batches of 32, 10
epochs at most, patience 3. CPU-seconds are of the process, one thread, runs interleaved.

--backtest shows, on stretches before the test part alone, how exponents of the two conformal factors would have
covered: fitted on rows up to one place, calibrated up to a second, tried up to a third.

Usage: OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/forecasting_etth1.py [--seeds 3] [--transformer] [--backtest]
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import stage
import torch
from readme import table
from torch import Tensor, nn

from conjure.apps.forecasting import APP
from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.domains.series import corpus
from conjure.domains.series.codec import SeriesCodec
from conjure.domains.series.series import SeriesSet
from conjure.fitting import fit
from conjure.metrics import forecasts
from conjure.models.forecaster import COVERAGE, NORMAL_EDGE, Forecaster

TRAIN, VALIDATE, TEST, HORIZON = 8640, 11520, 14400, 96
HISTORIES = (192, 336, 432, 512, 720)
LEVELS = tuple(round(k / 100, 2) for k in range(1, 100))
ROWS = 64
STRETCHES = ((4500, 6000, 7500), (5000, 7000, 9500), (6000, 7500, 9000), (7500, 9400, 11520))
EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)


class DLinear(nn.Module):
    """The future as a linear map of the history's moving mean, and another of what is left, shared by all channels."""

    def __init__(self, history: int, horizon: int, width: int = 25):
        super().__init__()
        self.width, self.trend, self.rest = width, nn.Linear(history, horizon), nn.Linear(history, horizon)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) to (B, T, C)."""
        x = x.transpose(1, 2)
        half = (self.width - 1) // 2
        padded = torch.cat([x[..., :1].expand(-1, -1, half), x, x[..., -1:].expand(-1, -1, half)], -1)
        mean = nn.functional.avg_pool1d(padded, self.width, 1)
        return (self.trend(mean) + self.rest(x - mean)).transpose(1, 2)


def dlinear(parts: dict[str, Encoded], seed: int) -> tuple[nn.Module, float]:
    """Fitted as its authors do, and the CPU-seconds."""
    start = time.process_time()
    torch.manual_seed(seed)
    train, held = parts["train"], parts["validate"]
    model, best, stale = DLinear(train.given.shape[2], HORIZON), (np.inf, {}), 0
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for epoch in range(10):
        for group in optimizer.param_groups:
            group["lr"] = 0.005 * 0.5 ** max(0, epoch - 1)
        order = torch.randperm(len(train.x))
        for index in order.split(32)[: len(order) // 32]:
            loss = nn.functional.mse_loss(model(train.given[index, 0]), train.x[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            loss = float(np.mean([(model(g[:, 0]) - x).square().mean() for x, g in pieces(held)]))
        stale = 0 if loss < best[0] else stale + 1
        if loss < best[0]:
            best = loss, copy.deepcopy(model.state_dict())
        if stale == 3:
            break
    model.load_state_dict(best[1])
    return model.eval(), time.process_time() - start


def pieces(encoded: Encoded) -> list[tuple[Tensor, Tensor]]:
    return list(zip(encoded.x.split(ROWS), encoded.given.split(ROWS)))


def data() -> tuple[SeriesSet, SeriesSet]:
    """(training and validation rows, all rows with the test part to be judged)."""
    frame = pd.read_csv(stage.SHARED / "ETTh1.csv").iloc[:TEST]
    fitted, whole = (corpus.from_frame(part, "ETTh1", "ETTh1") for part in (frame.iloc[:VALIDATE], frame))
    return fitted, corpus.split(whole, (TEST - VALIDATE) / TEST, 0)[1]


def encoded(history: int, test: SeriesSet | None = None) -> dict[str, Encoded]:
    """The parts as windows; the test part where it is given."""
    train, validate = corpus.split(data()[0], (VALIDATE - TRAIN) / VALIDATE, 0)
    codec = SeriesCodec.learn(train, SeriesCodec.Config(HORIZON, history))
    parts = {"train": codec.encode(train), "validate": codec.encode(validate)}
    return parts if test is None else {**parts, "test": codec.encode(test)}


def choose() -> tuple[int, dict[int, float]]:
    """The history whose closed form errs least on the validation part, and all of their errors."""
    errors = {}
    for history in HISTORIES:
        parts = encoded(history)
        channels = parts["train"].x.shape[2]
        config = Forecaster.Config(factors=0, recent=0.0)
        model = Forecaster(Dense((HORIZON, channels)), Dense((2, history, channels)), config)
        model.observe(parts["train"].x, parts["train"].given, None)
        with torch.no_grad():
            error = sum(float((model.best(g) - x).square().sum()) for x, g in pieces(parts["validate"]))
        errors[history] = error / parts["validate"].x.numel()
    return min(errors, key=errors.get), errors


def ours(name: str, history: int, seed: int) -> tuple[Any, float]:
    """An artifact of the recipe, and the CPU-seconds of the whole fit, reading and encoding included.

    The map reads half of the history: the other half is where forecasts are made again to calibrate intervals.
    """
    start = time.process_time()
    codec = f"codec.horizon={HORIZON}", f"codec.history={2 * history}"
    recipe = APP.recipe(name).with_settings([*codec, "held_out=0.25", "training.threads=1"]).with_seed(seed)
    made = fit(recipe, data()[0])
    return made, time.process_time() - start


def judge_model(made: Any, test: SeriesSet) -> dict[str, float]:
    """Errors, CRPS from 99 quantiles, and coverage of values and of their sums over the horizon.

    Coverage has an interval by a bootstrap of blocks of two weeks, for windows that overlap err together.
    """
    found = made.codec.encode(test)
    assert len(found.x) == TEST - VALIDATE - HORIZON + 1
    totals: dict[str, list[float]] = {}
    sums, windows = [], []
    with torch.no_grad():
        for place, (x, given) in enumerate(pieces(found)):
            quantiles, median = made.model.quantiles(given, LEVELS), made.model.best(given)
            y, q = x.double().numpy(), quantiles.double().numpy()
            low, high = (quantiles[:, LEVELS.index(p)] for p in (0.1, 0.9))
            for key, value in (
                ("MSE", (median - x).square()),
                ("MAE", (median - x).abs()),
                ("CRPS", torch.from_numpy(forecasts.crps_quantiles(y, q, LEVELS))),
                ("coverage", ((x >= low) & (x <= high)).float()),
                ("width", high - low),
            ):
                totals.setdefault(key, []).append(float(value.sum()) / found.x.numel())
            windows.append(((x >= low) & (x <= high)).double().mean((1, 2)))
            rng = torch.Generator().manual_seed(place)
            paths = torch.stack([made.model.sample(200, given=g[None], rng=rng) for g in given[::24]]).sum(2)
            inside = [(x[::24].sum(1) >= paths.quantile(0.1, 1)) & (x[::24].sum(1) <= paths.quantile(0.9, 1))]
            sums.append(torch.cat(inside).float().mean(1))
    low, high = by_blocks(torch.cat(windows).numpy())
    ends = {"coverage low": low, "coverage high": high, "coverage of sums": float(torch.cat(sums).mean())}
    return {**{key: sum(parts) for key, parts in totals.items()}, **ends}


def by_blocks(values: np.ndarray, block: int = 14 * 24, draws: int = 2000) -> tuple[float, float]:
    """The 95 % interval of a series' mean: overlapping blocks drawn with replacement (Kuensch 1989)."""
    rng = np.random.default_rng(0)
    starts = rng.integers(len(values) - block + 1, size=(draws, len(values) // block))
    sums = np.concatenate([[0.0], values.cumsum()])
    means = (sums[starts + block] - sums[starts]).mean(1) / block
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def backtest(history: int) -> None:
    """Coverage of 80 % intervals on each stretch, by exponents of the history's and of the held-out part's factor."""
    frame, found = pd.read_csv(stage.SHARED / "ETTh1.csv"), {}
    for first, second, third in STRETCHES:
        known, whole = (corpus.from_frame(frame.iloc[:n], "ETTh1", "ETTh1") for n in (second, third))
        held_out = (second - first) / second
        words = [f"codec.horizon={HORIZON}", f"codec.history={2 * history}", f"held_out={held_out}"]
        made = fit(APP.recipe("linear").with_settings([*words, "training.threads=1"]), known)
        held, later = (
            errors(made, made.codec.encode(corpus.split(part, share, 0)[1]))
            for part, share in ((known, held_out), (whole, (third - second) / third))
        )
        for recent in EXPONENTS:
            asked = (held[0] / held[1] ** recent).flatten(0, 1)
            edge = torch.from_numpy(np.quantile(asked.numpy(), COVERAGE, axis=0)) / NORMAL_EDGE
            for calibrate in EXPONENTS:
                inside = later[0] <= NORMAL_EDGE * edge**calibrate * later[1] ** recent
                found.setdefault((recent, calibrate), []).append(float(inside.float().mean()))
    for (recent, calibrate), covered in found.items():
        off = np.mean([abs(c - COVERAGE) for c in covered])
        print(f"recent {recent}, calibrate {calibrate}: {np.round(covered, 3)}, off by {off:.4f}")


@torch.no_grad()
def errors(made: Any, found: Encoded) -> tuple[Tensor, Tensor]:
    """|z| of every third window before both factors, (N, T, C), and the history's whole factor, (N, 1, C)."""
    x, given = found.x[::3].split(ROWS), found.given[::3].split(ROWS)
    z = torch.cat([made.model.terms(a, g, raw=True)[1].abs() for a, g in zip(x, given)])
    made.model.config = replace(made.model.config, recent=1.0)
    return z, torch.cat([made.model.recent(g) for g in given])


def judge_points(predicted: Tensor, found: Encoded) -> dict[str, float]:
    error = (predicted - found.x).double()
    return {"MSE": float(error.square().mean()), "MAE": float(error.abs().mean()), "CRPS": float(error.abs().mean())}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--transformer", action="store_true")
    parser.add_argument("--backtest", action="store_true", help="try exponents of the conformal factors, and no more")
    options = parser.parse_args()
    torch.set_num_threads(1)
    test, start = data()[1], time.process_time()
    history, tried = choose()
    print(f"history {history} by validation MSE {tried}, {time.process_time() - start:.0f} CPU-s", flush=True)
    if options.backtest:
        return backtest(history)
    runs: dict[str, list[dict[str, float]]] = {}
    peer = encoded(336, test)
    for seed in range(options.seeds):
        for name in ("linear", "transformer") if options.transformer else ("linear",):
            made, seconds = ours(name, history, seed)
            runs.setdefault(name, []).append({**judge_model(made, test), "CPU-s": seconds})
            print(name, seed, runs[name][-1], flush=True)
        model, seconds = dlinear(peer, seed)
        with torch.no_grad():
            predicted = torch.cat([model(g[:, 0]) for _, g in pieces(peer["test"])])
        runs.setdefault("DLinear", []).append({**judge_points(predicted, peer["test"]), "CPU-s": seconds})
        print("DLinear", seed, runs["DLinear"][-1], flush=True)
    back = peer["test"].given[:, 0].double().numpy()
    for name in forecasts.BANDS:
        runs[name] = [judge_points(torch.from_numpy(forecasts.points(back, HORIZON, name, 24)), peer["test"])]
    figures = {n: {k: stage.interval([r[k] for r in found]) for k in found[0]} for n, found in runs.items()}
    result = {"history": history, "validation": tried, "runs": runs, "figures": figures}
    stage.write("forecasting_etth1", result)
    print(table("forecasting_etth1"))


if __name__ == "__main__":
    main()
