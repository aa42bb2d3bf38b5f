"""Sampling under a condition that evidence cannot say exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd

import conjure


def test_a_range_on_a_derived_column_keeps_its_distribution():
    rng = np.random.default_rng(0)
    start = rng.integers(0, 300, 3000)
    frame = pd.DataFrame(
        {"start": start, "end": start + rng.geometric(0.2, 3000), "kind": rng.choice(list("ab"), 3000)}
    )
    model = conjure.fit("tables", frame, settings=['codec.rules=["end >= start"]', "training.epochs=5"])
    made = model.sample(600, given={"end": "100..130"})
    real = frame[frame["end"].between(100, 130)]
    assert made["end"].between(100, 130).all()
    assert (made["end"] >= made["start"]).all()
    assert (made["end"] == 100).mean() < 0.15
    assert abs((made["end"] - made["start"]).mean() - (real["end"] - real["start"]).mean()) < 0.8
    assert abs(made["end"].mean() - real["end"].mean()) < 1.5
