"""The figure of the page on linked tables: numbers of children, gaps, and a column across the key."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import conjure

SHOWN = (("real", "#4a5568"), ("made", "#2b6cb0"), ("at random", "#cbd5e0"))


def shop(n: int = 1500, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Customers of two regions: those of the north order more often, sooner again and for more."""
    rng = np.random.default_rng(seed)
    north = rng.random(n) < 0.5
    since = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), "D")
    customers = pd.DataFrame({"id": np.arange(n), "region": np.where(north, "north", "south"), "since": since})
    owner = np.repeat(np.arange(n), rng.poisson(np.where(north, 6, 1.5)))
    gap = rng.poisson(np.where(north[owner], 6, 20)) + 1
    passed = pd.Series(gap).groupby(owner).cumsum().to_numpy()
    paid = (np.where(north[owner], 50, 20) + rng.normal(0, 6, len(owner))).round(1)
    dates = since[owner] + pd.to_timedelta(passed, "D")
    return {"customers": customers, "orders": pd.DataFrame({"customer_id": owner, "date": dates, "paid": paid})}


def draw() -> plt.Figure:
    """Three panels, each real beside made beside parents at random."""
    real = shop()
    model = conjure.fit("tables", real, settings=["training.threads=1", "model.states=32"])
    sets = [real, model.sample(1500), model.artifact.codec.unlinked(1500, 0)]
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 2.6))
    for k, (tables, (label, colour)) in enumerate(zip(sets, SHOWN)):
        orders, customers = tables["orders"].sort_values(["customer_id", "date"]), tables["customers"].set_index("id")
        number = orders["customer_id"].value_counts().reindex(customers.index, fill_value=0)
        shares = np.bincount(number, minlength=16)[:16] / len(number)
        left.bar(np.arange(16) + 0.28 * (k - 1), shares, 0.28, color=colour, label=label)
        gaps = orders["date"].groupby(orders["customer_id"]).diff().dt.days.dropna()
        middle.plot(np.sort(gaps.clip(upper=60)), np.linspace(0, 1, len(gaps)), color=colour)
        paid = orders["paid"].groupby(orders["customer_id"].map(customers["region"]))
        right.bar(np.arange(2) + 0.28 * (k - 1), paid.mean(), 0.28, yerr=paid.std(), color=colour, ecolor="#718096")
    left.set(xlabel="orders of a customer", ylabel="share")
    left.legend(frameon=False)
    middle.set(xlabel="days to the next order", ylabel="share below", xlim=(0, 60))
    right.set(xticks=[0, 1], xticklabels=["north", "south"], ylabel="paid")
    figure.tight_layout()
    return figure
