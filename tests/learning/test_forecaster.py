"""The forecaster on a process whose best forecast is known: score near the oracle's, intervals that hold."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import norm

from conjure import fit
from conjure.domains.series import corpus
from conjure.metrics import forecasts

RHO, HORIZON = 0.9, 12


def test_an_autoregression_with_a_season_is_forecast_nearly_as_well_as_can_be():
    rng = np.random.default_rng(0)
    rows = np.arange(4000)
    noise = np.zeros((4000, 2))
    for k in range(1, 4000):
        noise[k] = RHO * noise[k - 1] + rng.normal(size=2)
    season = 3 * np.sin(2 * np.pi * rows / 12)[:, None]
    data = pd.DataFrame(noise + season, columns=["a", "b"])
    settings = [f"codec.horizon={HORIZON}", "codec.history=240", "training.steps=75", "training.threads=1"]
    made = fit("forecasting", data.iloc[:3000], settings=settings).artifact
    whole, _ = corpus.read(data)
    test = corpus.split(whole, 0.25, 0)[1]
    found = made.codec.encode(test)
    levels = tuple(k / 20 for k in range(1, 20))
    q = made.codec._plain(made.model.quantiles(found.given, levels).detach())
    truth = made.codec._plain(found.x)
    ours = forecasts.crps_quantiles(truth, q, levels).mean()
    step = np.arange(1, HORIZON + 1)
    sd = np.sqrt((1 - RHO ** (2 * step)) / (1 - RHO**2))[:, None]
    starts = np.arange(3000, 4000 - HORIZON + 1)
    centre = noise[starts - 1][:, None] * (RHO**step)[:, None] + season[starts[:, None] + step - 1]
    best = forecasts.crps_quantiles(truth, np.stack([centre + norm.ppf(p) * sd for p in levels], 1), levels).mean()
    assert ours < 1.1 * best, (ours, best)
    inside = forecasts.coverage(truth, q[:, 1], q[:, 17])
    assert math.isclose(inside, 0.8, abs_tol=0.04), inside
