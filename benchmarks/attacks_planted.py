"""Leaks planted into rows of Adult that are otherwise clean: how often each attack finds them, and cries wolf.

Usage: python benchmarks/attacks_planted.py [--runs 20] [--near 40] [--small 300] [--minutes 25]. Each run deals Adult
anew: 10,000 members, 10,000 controls and 5,000 other rows that stand for made ones. Leaks: 1 % of these are members'
rows; 1 % are members' rows with age, hours and weight slightly changed; all are members' rows with a third of their
cells dealt among each other (an overfitted model). An attack finds a leak when its p is below 0.05 over the number of
attacks shown here. Whether p is true shows where nothing leaks, and does not depend on size: hence many small deals, a
tenth as large. Runs are kept as they are made (results/attacks_planted.jsonl, not in git): started again, it goes on
where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stage import RESULTS, SHARED, write

from conjure.metrics.attacks import copying, membership
from conjure.metrics.attacks.outcome import Rate
from conjure.metrics.attacks.tables import Tables, neighbours
from conjure.metrics.frames import kinds, side_by_side

SIZE, MADE = 10_000, 5_000
SMALL = "nothing, a tenth of the rows"
NEAR = "1 % near copies"
LEAKS = ("nothing", "1 % copies", NEAR, "overfitted")
ATTACKS = ("exact copies", "near copies", "membership by distance")
SANITY = "nearer to training (sanity check only)"
LEVEL = 0.05


def deal(adult: pd.DataFrame, leak: str, seed: int) -> Tables:
    """Members, controls and what stands for made rows, with a leak."""
    rng = np.random.default_rng(seed)
    order, tenth = rng.permutation(len(adult)), 10 if leak == SMALL else 1
    size, count = SIZE // tenth, MADE // tenth
    members, controls, made = (adult.iloc[order[s : s + n]] for s, n in ((0, size), (size, size), (2 * size, count)))
    few = members.iloc[: count // 100].copy()
    if leak == NEAR:
        few["age"] += rng.integers(-1, 2, len(few))
        few["hours-per-week"] += rng.integers(-2, 3, len(few))
        few["fnlwgt"] += rng.integers(-500, 501, len(few))
    if leak in ("1 % copies", NEAR):
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
    beside = neighbours(tables)
    outcomes = [copying.exact(tables), copying.near(tables, beside), found.start, copying.nearer_share(tables, beside)]
    return {outcome.name: outcome.p for outcome in outcomes}


def kept(path: Path) -> dict[tuple[str, int], dict[str, float]]:
    """Runs made before, by leak and seed."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return {(one["leak"], one["seed"]): one for one in found if one["sizes"] == [SIZE, MADE]}


def wanted(runs: int, near: int, small: int) -> list[tuple[str, int]]:
    """Leaks and seeds; large ones alternate, so that a run cut short has some of each."""
    most = {leak: near if leak == NEAR else runs for leak in LEAKS}
    large = [(leak, s) for s in range(max(most.values())) for leak in LEAKS if s < most[leak]]
    return [(SMALL, s) for s in range(small)] + large


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--near", type=int, default=40, help="runs of near copies, the hardest to find")
    parser.add_argument("--small", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=25.0, help="CPU-minutes after which it stops")
    asked = parser.parse_args()
    adult = pd.read_csv(SHARED / "adult.csv", skipinitialspace=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "attacks_planted.jsonl"
    done, start = kept(path), time.process_time()
    for leak, seed in wanted(asked.runs, asked.near, asked.small):
        if (leak, seed) in done:
            continue
        if time.process_time() - start > 60 * asked.minutes:
            break
        began = time.process_time()
        p = p_values(deal(adult, leak, seed))
        done[leak, seed] = {"leak": leak, "seed": seed, "sizes": [SIZE, MADE], "cpu": time.process_time() - began, **p}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(done[leak, seed]) + "\n")
    said = {leak: [one for (name, _), one in sorted(done.items()) if name == leak] for leak in (SMALL, *LEAKS)}
    found = {
        "members": SIZE,
        "made": MADE,
        "figures": {leak: summary(ones) for leak, ones in said.items() if ones},
        "p": {leak: {n: [one[n] for one in ones] for n in (*ATTACKS, SANITY)} for leak, ones in said.items()},
        "cpu_seconds": sum(one["cpu"] for one in done.values()),
    }
    print("wrote", write("attacks_planted", found))


def summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """In how many runs each attack cries leak, and any of them, with Wilson's 95 % interval."""
    limit = LEVEL / len(ATTACKS)
    p = {name: np.array([one[name] for one in runs]) for name in (*ATTACKS, SANITY)}
    cries = {name: p[name] < limit for name in ATTACKS}
    cries |= {"any attack": np.any(list(cries.values()), 0), SANITY: p[SANITY] < LEVEL}
    out = {}
    for name, cried in cries.items():
        rate = Rate(int(cried.sum()), len(runs))
        out[name] = {"share": rate.value, "low": rate.interval[0], "high": rate.interval[1], "runs": len(runs)}
    return out


if __name__ == "__main__":
    main()
