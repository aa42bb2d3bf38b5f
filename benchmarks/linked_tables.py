"""Two linked tables: patients and a million visits, whose dependencies are known; fit, memory, integrity, fidelity.

A visit depends on its patient (age, chronic, region), on an effect of the patient that no column shows, on the visit
before (ward, pressure, gap) and on how many there are. Figures are across the key: how many visits a patient has
(total variation and Kolmogorov-Smirnov distance to the training data), pairs of columns across the key and from row to
row, gaps, detection of visits beside their patient and the visit before. Baseline: columns by themselves, patients at
random. Ceiling: training tables in the place of made ones. The peer, SDV's HMA, is fitted to a smaller set of the same
kind, once, and beside it ours on the same set.

Usage: python benchmarks/linked_tables.py [--patients 177000] [--peer-patients 500] [--keep] (about 15 CPU-minutes;
--patients 20000 takes 5; --keep leaves out the large run and keeps its figures, --peer-patients 0 the peer).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stage import RESULTS, ROOT, facts, peer_python, write

import conjure
from conjure.domains.linked import corpus
from conjure.domains.linked.checks import integrity, variation
from conjure.domains.linked.codec import LinkedCodec
from conjure.metrics import linked
from conjure.metrics.figure import Report
from conjure.metrics.judged import Judged

WARDS = ["heart", "lung", "bone", "eye", "general"]
REGIONS = ["north", "south", "east", "west"]
PEER = ["sdv==1.38.5"]
LIMIT = 180  # CPU-seconds of the peer


def clinic(patients: int, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Tables of patients and of their visits, about 5.8 each, a twelfth of the patients without any."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(52, 18, patients).round(), 1, 99).astype(int)
    chronic = rng.random(patients) < 1 / (1 + np.exp(-(age - 60) / 10))
    region = rng.choice(4, patients, p=[0.4, 0.3, 0.2, 0.1])
    enrolled = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 730, patients), "D")
    rate = np.where(chronic, 9.0, 3.2) * (1 + 0.15 * (region == 0)) * rng.gamma(3, 1 / 3, patients)
    count = np.minimum(rng.poisson(rate), 40)
    owner = np.repeat(np.arange(patients), count)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    ward, pressure, gap, cost = (np.zeros(len(owner)) for _ in range(4))
    effect = rng.normal(0, 8, patients)
    likes = np.array([[5, 1, 1, 1, 4], [1, 5, 1, 1, 4], [1, 1, 5, 1, 4], [1, 1, 1, 5, 4]], float)
    for t in range(int(count.max())):
        rows = np.flatnonzero(turn == t)
        who = owner[rows]
        drawn = (likes / likes.sum(1, keepdims=True)).cumsum(1)[region[who]]
        fresh = (rng.random(len(rows))[:, None] > drawn).sum(1)
        stays = (rng.random(len(rows)) < 0.6) & (t > 0)
        ward[rows] = np.where(stays, ward[np.maximum(rows - 1, 0)], fresh)
        usual = 105 + 0.4 * age[who] + effect[who]
        before = np.where(t > 0, pressure[np.maximum(rows - 1, 0)] - usual, 0)
        pressure[rows] = (usual + 0.6 * before + rng.normal(0, 6, len(rows))).round()
        mean = np.where(chronic[who], 25.0, 90.0) * np.where(ward[rows] == 0, 0.6, 1.0)
        gap[rows] = 1 + rng.poisson(rng.gamma(2, mean / 2))
        cost[rows] = np.exp(rng.normal(4 + 0.5 * (ward[rows] == 0) + 0.01 * (pressure[rows] - 120), 0.4)).round(2)
    passed = pd.Series(gap).groupby(owner).cumsum().to_numpy()
    people = pd.DataFrame(
        {
            "patient_id": np.arange(1, patients + 1),
            "email": [f"p{k}.real@clinic.test" for k in range(patients)],
            "age": age,
            "chronic": chronic,
            "region": np.array(REGIONS)[region],
            "enrolled": enrolled.astype("datetime64[s]"),
        }
    )
    visits = pd.DataFrame(
        {
            "visit_id": np.arange(1, len(owner) + 1),
            "patient_id": owner + 1,
            "date": people["enrolled"].to_numpy()[owner] + pd.to_timedelta(passed, "D").to_numpy(),
            "ward": np.array(WARDS)[ward.astype(int)],
            "pressure": pressure.astype(int),
            "cost": cost,
        }
    )
    return {"patients": people, "visits": visits}


def command(*words: str) -> dict[str, float]:
    """One command of conjure in a process of its own: seconds and peak memory."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "conjure", *words], cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"conjure {words[0]} failed")
    return {
        "wall": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "gigabytes": usage.ru_maxrss / 2**20,
    }


def numbers(tables: dict[str, pd.DataFrame]) -> np.ndarray:
    counts = tables["visits"]["patient_id"].value_counts()
    return counts.reindex(tables["patients"]["patient_id"], fill_value=0).to_numpy()


def read(folder: Path) -> dict[str, pd.DataFrame]:
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in ("patients", "visits")}
    tables["visits"]["date"] = pd.to_datetime(tables["visits"]["date"])
    tables["patients"]["enrolled"] = pd.to_datetime(tables["patients"]["enrolled"])
    return tables


def links(real: dict[str, pd.DataFrame], made: dict[str, pd.DataFrame], codec: LinkedCodec) -> dict[str, float]:
    """What must hold of made tables, whatever their quality, and how many visits a patient has."""
    one, other = numbers(real), numbers(made)
    size = max(one.max(), other.max()) + 1
    shares = [np.bincount(n, minlength=size) / len(n) for n in (one, other)]
    after = made["visits"].merge(made["patients"], on="patient_id")
    emails = set(real["patients"]["email"])
    return {
        "children": len(made["visits"]),
        "integrity": min(integrity(made, codec.ties).values()),
        "unique_keys": float(made["visits"]["visit_id"].is_unique and made["patients"]["patient_id"].is_unique),
        "variation": variation(one, other),
        "kolmogorov": float(np.abs(np.cumsum(shares[0] - shares[1])).max()),
        "after_enrolment": float((after["date"] > after["enrolled"]).mean()),
        "in_order": float(made["visits"].groupby("patient_id")["date"].is_monotonic_increasing.mean()),
        "real_emails": float(made["patients"]["email"].isin(emails).mean()),
    }


def large(patients: int, folder: Path) -> dict[str, Any]:
    """Fit and sample as a user does, from CSV files, and the report."""
    real = clinic(patients)
    data = folder / "clinic"
    data.mkdir()
    for name, frame in real.items():
        frame.to_csv(data / f"{name}.csv", index=False)
    found: dict[str, Any] = {"commit": facts()["commit"], "patients": patients, "visits": len(real["visits"])}
    found["fit"] = command("fit", "tables", str(data), "-o", str(folder / "model"))
    found["sample"] = command("sample", str(folder / "model"), "-n", str(patients), "-o", str(folder / "made"))
    model = conjure.load(folder / "model")
    made = read(folder / "made")
    found["links"] = links(real, made, model.artifact.codec)
    found["figures"] = across(model, data, made)
    return found


def across(model: conjure.Generative, data: Path, made: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Figures across the key against the patients that the fit held out."""
    recipe, codec = model.artifact.recipe, model.artifact.codec
    train, held_out = corpus.split(recipe.read(str(data))[0], recipe.held_out, recipe.seed)
    judged = Judged(
        held_out=held_out,
        synthetic=made,
        train=train,
        baseline=codec.unlinked(len(held_out), 0),
        facts=codec.judging,
    )
    keys = ("ours", "low", "high", "baseline", "ceiling")
    return {f.name: {k: getattr(f, k) for k in keys} for f in linked.across(judged, Report("", []))}


def small(patients: int, folder: Path) -> dict[str, Any]:
    """Ours and the peer on the same few patients, judged by the same figures against others of the same kind."""
    folder = folder / "small"
    data = folder / "data"
    data.mkdir(parents=True)
    train, test = clinic(patients, seed=1), clinic(10 * patients, seed=2)
    for name, frame in train.items():
        frame.to_csv(data / f"{name}.csv", index=False)
    started = time.process_time()
    ours = conjure.fit("tables", train)
    seconds = time.process_time() - started
    made = {"ours": ours.sample(patients)} | peer(patients, folder)
    codec = ours.artifact.codec
    found: dict[str, Any] = {"patients": patients, "visits": len(train["visits"]), "seconds": {"ours": seconds}}
    found["figures"] = {}
    for name, tables in (made | {"real": train}).items():
        if isinstance(tables, str):
            found[name] = tables
            continue
        if "seconds" in tables:
            found["seconds"][name] = float(tables.pop("seconds"))
        judged = Judged(held_out=test, synthetic=tables, facts=codec.judging)
        figures = {f.name: f.ours for f in linked.across(judged, Report("", []))}
        found["figures"][name] = figures | links(test, tables, codec)
    return found


def peer(patients: int, folder: Path) -> dict[str, Any]:
    """SDV's HMA in its own environment, within a limit of CPU time."""
    python = peer_python("sdv", PEER)
    words = [
        str(python),
        str(ROOT / "benchmarks/peers/linked.py"),
        str(folder / "data"),
        str(folder / "hma"),
        str(patients),
    ]
    done = subprocess.run(
        ["bash", "-c", f'ulimit -t {LIMIT}; exec "$@"', "bash", *words], capture_output=True, text=True
    )
    if done.returncode < 0:
        return {"hma": f"not done in {LIMIT} CPU-seconds"}
    if done.returncode:
        return {"hma": f"failed: {done.stderr.strip().splitlines()[-1][:200]}"}
    spent = json.loads(done.stdout.splitlines()[-1])["cpu"]
    return {"hma": {**read(folder / "hma"), "seconds": spent}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", type=int, default=177_000)
    parser.add_argument("--peer-patients", type=int, default=500)
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args()
    at = RESULTS / "linked_tables.json"
    found = json.loads(at.read_text("utf-8")) if asked.keep and at.exists() else {}
    with tempfile.TemporaryDirectory() as spare:
        if not asked.keep:
            found["large"] = large(asked.patients, Path(spare))
        if asked.peer_patients:
            found["small"] = small(asked.peer_patients, Path(spare))
    print(f"wrote {write('linked_tables', {k: found[k] for k in ('large', 'small') if k in found})}")


if __name__ == "__main__":
    main()
