"""Small clinical tables: do made rows tell the same of survival, hazards and odds as the patients they come from?

Usage: python benchmarks/clinical.py [--seeds 5] [--tables rossi,gbsg2,...] [--set A.B=C] [--minutes 15]. Each seed fits
a whole table and makes as many rows, by the recipe "small" and by the default one (circuit). A case is a survival curve
(log-rank test against the real rows: p above 0.05, all together and in each arm), the hazard ratio of a column (within
the real one's 95 % interval, Cox), or for breast cancer, which has no times, the odds ratio of a measurement.
Baseline: columns each by itself.
Ceiling: real rows drawn with replacement, as many. Runs are kept as made; started again, it goes on where it stopped.
Tables come with lifelines (MIT; from published trials) and scikit-learn (BSD; UCI breast cancer, CC BY 4.0).
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from stage import RESULTS, write

import conjure
from conjure.metrics.attacks.outcome import Rate

ALPHA = 0.05
WAYS = ("conjure, recipe small", "conjure, default", "independent columns", "real rows, drawn again")


@dataclass(frozen=True)
class Study:
    """A table of patients: where it comes from, its time and event columns (none: a class), and the arms compared."""

    load: str
    time: str
    event: str
    arm: str = ""
    drop: tuple[str, ...] = ()


STUDIES = {
    "rossi": Study("load_rossi", "week", "arrest", "fin"),
    "gbsg2": Study("load_gbsg2", "time", "cens", "horTh"),
    "lung": Study("load_lung", "time", "status", "sex", ("inst",)),
    "kidney": Study("load_kidney_transplant", "time", "death"),
    "larynx": Study("load_larynx", "time", "death"),
    "lymph": Study("load_lymph_node", "survtime", "censdead", "hormone", ("diagdateb", "recdate", "deathdate", "id")),
    "aids": Study("load_multicenter_aids_cohort_study", "T", "D", "", ("AIDSY", "W")),
    "waltons": Study("load_waltons", "T", "E", "group"),
    "breast": Study("", "", "malignant"),
}


def read(name: str) -> pd.DataFrame:
    """Patients without gaps."""
    study = STUDIES[name]
    if not study.load:
        from sklearn.datasets import load_breast_cancer

        found = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "malignant"})
        return found[["mean radius", "mean texture", "mean smoothness", "mean compactness", "malignant"]]
    from lifelines import datasets

    found = getattr(datasets, study.load)()
    found = found.drop(columns=[c for c in study.drop if c in found]).dropna().reset_index(drop=True)
    if found[study.event].dtype != bool and set(found[study.event].unique()) == {1, 2}:
        found[study.event] -= 1  # 1 is censored, 2 dead
    return found


def numeric(frame: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    """Words as indicators of the real table's values, all but the first."""
    out = {}
    for name, column in real.items():
        if column.dtype.kind in "biuf":
            out[name] = pd.to_numeric(frame[name]).astype(float)
        else:
            for value in sorted(column.astype(str).unique())[1:]:
                out[f"{name}={value}"] = (frame[name].astype(str) == value).astype(float)
    return pd.DataFrame(out)


def effects(frame: pd.DataFrame, study: Study) -> tuple[pd.Series, pd.DataFrame]:
    """Log hazard (or odds) ratios by column, and their 95 % intervals (columns low and high)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if study.time:
            from lifelines import CoxPHFitter

            fitted = CoxPHFitter().fit(frame, study.time, study.event)
            intervals = fitted.confidence_intervals_
            return fitted.params_, pd.DataFrame({"low": intervals.iloc[:, 0], "high": intervals.iloc[:, 1]})
        from sklearn.linear_model import LogisticRegression

        x = frame.drop(columns=study.event)
        fitted = LogisticRegression(C=np.inf, max_iter=5000).fit(x, frame[study.event])
        odds = fitted.predict_proba(x)[:, 1]
        design = np.column_stack([np.ones(len(x)), x])
        error = np.sqrt(np.diag(np.linalg.inv(design.T @ (design * (odds * (1 - odds))[:, None]))))[1:]
        found = pd.Series(fitted.coef_[0], x.columns)
        return found, pd.DataFrame({"low": found - 1.96 * error, "high": found + 1.96 * error})


def cases(name: str, real: pd.DataFrame, made: pd.DataFrame) -> list[dict[str, Any]]:
    """Every comparison of made with real rows, and whether it holds."""
    study = STUDIES[name]
    one, other = numeric(real, real), numeric(made, real)
    found = []
    if study.time:
        from lifelines.statistics import logrank_test

        arms: list[Any] = [None, *(sorted(real[study.arm].unique()) if study.arm else [])]
        for arm in arms:
            sides = [
                n if arm is None else n[f[study.arm].astype(str) == str(arm)] for n, f in ((one, real), (other, made))
            ]
            p = 0.0
            if min(map(len, sides)) > 1:
                events = [s[study.event] for s in sides]
                p = float(logrank_test(*(s[study.time] for s in sides), *events).p_value)
            found.append(
                {"kind": "survival", "what": "all" if arm is None else f"{study.arm}={arm}", "holds": p > ALPHA}
            )
    _, intervals = effects(one, study)
    try:
        theirs = effects(other, study)[0]
    except Exception:  # rows of which no model can be made tell nothing
        theirs = pd.Series(dtype=float)
    for column, (low, high) in intervals.iterrows():
        value = theirs.get(column, np.nan)
        found.append({"kind": "ratio", "what": str(column), "holds": bool(low <= value <= high)})
    return found


def made_by(way: str, real: pd.DataFrame, seed: int, settings: list[str]) -> pd.DataFrame:
    if way == "real rows, drawn again":
        return real.sample(len(real), replace=True, random_state=seed).reset_index(drop=True)
    choice: dict[str, Any] = {"independent columns": {"model": "independent"}, "conjure, default": {}}.get(
        way, {"recipe": "small", "settings": settings}
    )
    return conjure.fit("tables", real, seed=seed, **choice).sample(len(real), seed=seed)


def kept(path: Path, settings: list[str]) -> dict[tuple[str, str, int], dict[str, Any]]:
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return {(one["table"], one["way"], one["seed"]): one for one in found if one["settings"] == settings}


def summary(runs: list[dict[str, Any]], chosen: Callable[[dict[str, Any]], bool]) -> dict[str, float]:
    """The share of cases that hold, with Wilson's interval."""
    held = [case["holds"] for run in runs for case in run["cases"] if chosen(case)]
    if not held:
        return {}
    rate = Rate(sum(held), len(held))
    return {"share": rate.value, "low": rate.interval[0], "high": rate.interval[1], "cases": len(held)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", default=",".join(STUDIES))
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="A.B=C")
    parser.add_argument("--minutes", type=float, default=15.0, help="CPU-minutes after which it stops")
    parser.add_argument("--dry", action="store_true", help="print only")
    asked = parser.parse_args()
    names = asked.tables.split(",")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "clinical.jsonl"
    done, start = kept(path, asked.settings), time.process_time()
    for seed, name, way in [(s, n, w) for s in range(asked.seeds) for n in names for w in WAYS]:
        if (name, way, seed) in done or time.process_time() - start > 60 * asked.minutes:
            continue
        began, real = time.process_time(), read(name)
        made = made_by(way, real, seed, asked.settings)
        run = {"table": name, "way": way, "seed": seed, "settings": asked.settings, "rows": len(real)}
        run |= {"cpu": time.process_time() - began, "cases": cases(name, real, made)}
        done[name, way, seed] = run
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
        print(name, way, seed, [c["what"] for c in run["cases"] if not c["holds"]], round(run["cpu"], 1), flush=True)
    found: dict[str, Any] = {"tables": {}, "all": {}, "settings": asked.settings}
    for way in WAYS:
        runs = [run for (n, w, s), run in done.items() if w == way and n in names and s < asked.seeds]
        kinds = {"survival": lambda c: c["kind"] == "survival", "ratio": lambda c: c["kind"] == "ratio"}
        found["all"][way] = {k: summary(runs, f) for k, f in {**kinds, "every case": lambda c: True}.items()}
        for name in names:
            mine = [run for run in runs if run["table"] == name]
            if mine:
                row = {"rows": mine[0]["rows"], "seeds": len(mine), **summary(mine, lambda c: True)}
                found["tables"].setdefault(name, {})[way] = row
    print(json.dumps(found["all"], indent=1) if asked.dry else write("clinical", found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
