"""People of a known population, and made rows with leaks planted in them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from conjure.metrics.attacks.tables import Tables
from conjure.metrics.frames import kinds, side_by_side

TOWNS = np.array([f"town {k}" for k in range(12)])


def population(n: int, seed: int) -> pd.DataFrame:
    """Age, income that rises with it, a town, and an illness that depends on age."""
    rng = np.random.default_rng(seed)
    age = rng.normal(45, 15, n)
    return pd.DataFrame(
        {
            "age": age.round(1),
            "income": (300 * age + rng.normal(0, 4000, n)).round(),
            "town": TOWNS[rng.integers(0, 12, n)],
            "ill": np.where(rng.random(n) < 1 / (1 + np.exp(-(age - 60) / 6)), "yes", "no"),
        }
    )


def planted(leak: str, n: int = 1000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(members, controls, made): what is made is other people, but for the leak."""
    members, controls, made = (population(n, 10 * seed + k) for k in range(3))
    few = members.iloc[: n // 20].copy()
    match leak:
        case "copies":
            made = pd.concat([few, made.iloc[len(few) :]])
        case "near copies":
            few["income"] += 3
            few["age"] += 0.1
            made = pd.concat([few, made.iloc[len(few) :]])
        case "overfitted":
            made = members.copy()
            made["income"] += np.random.default_rng(seed).normal(0, 400, n).round()
    return members, controls, made.reset_index(drop=True)


def tables(leak: str, **how: int) -> Tables:
    frames = planted(leak, **how)
    return Tables(*side_by_side(list(frames), kinds(frames[0], {}), {}))  # type: ignore[arg-type]
