"""Unusual ties: references that may be empty, that always agree, tables of keys alone, parents without children."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import conjure
from conjure.domains.linked.checks import integrity
from conjure.fitting import fit

SETTINGS = ["training.threads=1", "training.steps=60", "model.states=8"]


def clinic(n: int = 300) -> dict[str, pd.DataFrame]:
    """Doctors who may have a ward, their cases, and bills that name the case and, again, its doctor."""
    rng = np.random.default_rng(0)
    wards = pd.DataFrame({"id": range(6), "floor": [1, 1, 1, 2, 2, 2]})
    old = rng.random(n) < 0.5
    ward = np.where(old, rng.integers(0, 3, n), rng.integers(3, 6, n)).astype(float)
    ward[rng.random(n) < 0.25] = np.nan
    doctors = pd.DataFrame(
        {"doctor_id": range(n), "ward_id": ward, "age": np.where(old, 60, 30) + rng.integers(0, 5, n)}
    )
    doctor = np.repeat(np.arange(n), rng.poisson(1.5, n))
    cases = pd.DataFrame({"case_id": [f"C{k:06d}" for k in range(len(doctor))], "doctor_id": doctor})
    case = np.repeat(np.arange(len(cases)), rng.integers(0, 3, len(cases)))
    bills = pd.DataFrame({"case_id": cases["case_id"].to_numpy()[case], "doctor_id": doctor[case]})
    bills["sum"] = rng.integers(10, 99, len(bills))
    return {"wards": wards, "doctors": doctors, "cases": cases, "bills": bills}


@cache
def model() -> conjure.Generative:
    schema = {"tables": {"bills": {"owner": "case_id"}}}
    recipe = conjure.recipe_for("tables", settings=SETTINGS)
    recipe.codec["schema"] = schema
    return conjure.Generative(fit(recipe, clinic()))


def test_a_reference_that_may_be_empty_stays_so_and_is_matched():
    made = model().sample(600, seed=1)
    ties = model().artifact.codec.ties
    assert ties.root == "doctors"
    assert set(integrity(made, ties).values()) == {1.0}
    doctors = made["doctors"]
    assert doctors["ward_id"].isna().mean() == pytest.approx(0.25, abs=0.08)
    floor = doctors["ward_id"].map(made["wards"].set_index("id")["floor"])
    assert (doctors["age"] > 50)[floor == 1].mean() > 0.8
    assert (doctors["age"] > 50)[floor == 2].mean() < 0.2


def test_a_reference_to_the_owners_own_parent_agrees_with_it():
    made = model().sample(100, seed=2)
    doctor = made["bills"]["case_id"].map(made["cases"].set_index("case_id")["doctor_id"])
    assert len(doctor)
    assert (doctor == made["bills"]["doctor_id"]).all()


def test_parents_without_children_leave_empty_tables_below():
    made = model().sample(3, given={"doctors.count(cases)": 0}, seed=1)
    assert len(made["doctors"]) == 3
    assert len(made["cases"]) == len(made["bills"]) == 0
    assert list(made["bills"].columns) == ["case_id", "doctor_id", "sum"]
