"""Tables to compare: three columns that hang together, with gaps, and versions of them that are worse and worse."""

from __future__ import annotations

import numpy as np
import pandas as pd

KINDS = {"height": "number", "weight": "number", "born": "datetime", "team": "category", "won": "boolean"}
SDTYPES = {
    "height": "numerical",
    "weight": "numerical",
    "born": "datetime",
    "team": "categorical",
    "won": "boolean",
}


def table(rows: int, seed: int, noise: float = 0.0) -> pd.DataFrame:
    """Rows of a small world; with `noise`, that share of every column's cells comes from another row."""
    rng = np.random.default_rng(seed)
    height = rng.normal(170, 10, rows).round(1)
    weight = (0.9 * height - 85 + rng.normal(0, 5, rows)).round(1)
    weight[rng.random(rows) < 0.1] = np.nan
    born = pd.Timestamp("1990-01-01") + pd.to_timedelta(rng.integers(0, 9000, rows), unit="D")
    team = np.where(height > 175, "tall", np.where(rng.random(rows) < 0.3, "wide", "rest")).astype(object)
    team[rng.random(rows) < 0.05] = None
    won = rng.random(rows) < 1 / (1 + np.exp(-(height - 170) / 4))
    frame = pd.DataFrame({"height": height, "weight": weight, "born": born.as_unit("ns"), "team": team, "won": won})
    for name in frame:
        strayed = np.flatnonzero(rng.random(rows) < noise)
        frame.loc[strayed, name] = frame[name].to_numpy()[rng.integers(0, rows, len(strayed))]
    return frame
