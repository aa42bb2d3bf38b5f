"""Leaks planted into rows of Adult that are otherwise clean: how often each attack finds them, and cries wolf.

Usage: python benchmarks/attacks_planted.py [--runs 40]. Each run deals Adult anew: 10,000 members, 10,000 controls and
5,000 other rows that stand for made ones. Leaks: 1 % of these are members' rows; 1 % are members' rows with age, hours
and weight slightly changed; all are members' rows with a third of their cells dealt among each other (an overfitted
model). An attack finds a leak when its p is below 0.05 over the number of attacks shown here.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from stage import SHARED, write

from conjure.metrics.attacks import copying, membership
from conjure.metrics.attacks.tables import Tables
from conjure.metrics.frames import kinds, side_by_side

SIZE, MADE = 10_000, 5_000
LEAKS = ("nothing", "1 % copies", "1 % near copies", "overfitted")
ATTACKS = ("exact copies", "near copies", "membership by distance")
SANITY = "nearer to training (sanity check only)"
LEVEL = 0.05


def deal(adult: pd.DataFrame, leak: str, seed: int) -> Tables:
    """Members, controls and what stands for made rows, with a leak."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(adult))
    members, controls, made = (adult.iloc[order[s : s + n]] for s, n in ((0, SIZE), (SIZE, SIZE), (2 * SIZE, MADE)))
    few = members.iloc[: MADE // 100].copy()
    if leak == "1 % near copies":
        few["age"] += rng.integers(-1, 2, len(few))
        few["hours-per-week"] += rng.integers(-2, 3, len(few))
        few["fnlwgt"] += rng.integers(-500, 501, len(few))
    if leak in ("1 % copies", "1 % near copies"):
        made = pd.concat([few, made.iloc[len(few) :]])
    elif leak == "overfitted":
        made = members.iloc[rng.permutation(SIZE)[:MADE]].copy()
        for name in made.columns:
            where = np.flatnonzero(rng.random(MADE) < 1 / 3)
            column = made[name].to_numpy().copy()
            column[where] = column[rng.permutation(where)]
            made[name] = column
    return Tables(*side_by_side([members, controls, made], kinds(members, {}), {}))  # type: ignore[arg-type]


def p_values(tables: Tables) -> dict[str, float]:
    """What each attack says."""
    found = membership.judge(membership.by_distance(tables), len(tables.members), ATTACKS[2], "")
    outcomes = [copying.exact(tables), copying.near(tables), found.start, copying.nearer_share(tables)]
    return {outcome.name: outcome.p for outcome in outcomes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    adult = pd.read_csv(SHARED / "adult.csv", skipinitialspace=True)
    found: dict[str, dict[str, list[float]]] = {}
    start = time.process_time()
    for leak in LEAKS:
        said = [p_values(deal(adult, leak, seed)) for seed in range(runs)]
        found[leak] = {name: [p[name] for p in said] for name in (*ATTACKS, SANITY)}
        print(leak, summary(found[leak]), flush=True)
    figures = {leak: summary(values) for leak, values in found.items()}
    cpu = time.process_time() - start
    print("wrote", write("attacks_planted", {"runs": runs, "figures": figures, "p": found, "cpu_seconds": cpu}))


def summary(values: dict[str, list[float]]) -> dict[str, float]:
    """The share of runs in which each attack cries leak, and any of them."""
    limit = LEVEL / len(ATTACKS)
    any_of = np.min([values[name] for name in ATTACKS], 0)
    out = {name: float(np.mean(np.array(values[name]) < limit)) for name in ATTACKS}
    return {
        **out,
        "any attack": float(np.mean(any_of < limit)),
        SANITY: float(np.mean(np.array(values[SANITY]) < LEVEL)),
    }


if __name__ == "__main__":
    main()
