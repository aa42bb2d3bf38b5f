"""Columns that tell who somebody is are recognised, never kept, and made anew."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import conjure
from conjure.core.errors import ConfigError
from conjure.domains.table import people

pytest.importorskip("faker", reason="Faker comes with the extra `people`")
N = 60
FIRST = ["Quilla", "Wobert", "Xandrix", "Yvonda", "Zebulox"]


def staff() -> pd.DataFrame:
    """Names and numbers that no provider of Faker has."""
    rng = np.random.default_rng(0)
    first = rng.choice(FIRST, N)
    last = [f"Vrz{chr(97 + k % 26)}kx{chr(97 + k // 26)}" for k in range(N)]
    return pd.DataFrame(
        {
            "staff_id": [f"QX{k:05d}" for k in rng.permutation(90_000)[:N]],
            "first_name": first,
            "last name": last,
            "Name": [f"{a} {b}" for a, b in zip(first, last)],
            "E-Mail": [f"{a}.{b}@vrz.test" for a, b in zip(first, last)],
            "phone": [f"+99 555 {k:06d}" for k in rng.permutation(900_000)[:N]],
            "home address": [f"{k} Vrzkx Alley" for k in range(N)],
            "sex": rng.choice(["f", "m"], N),
            "team": rng.choice(["red", "blue"], N),
            "pay": rng.integers(2000, 5000, N),
        }
    )


def test_names_addresses_and_the_like_are_recognised_and_categories_are_not():
    frame = staff()
    found = {c: people.recognised(c, frame[c]) for c in frame.columns}
    assert found == {
        "staff_id": "", "first_name": "first_name", "last name": "last_name", "Name": "name", "E-Mail": "email",
        "phone": "phone_number", "home address": "street_address", "sex": "", "team": "", "pay": "",
    }  # fmt: skip
    assert people.recognised("name", pd.Series(["Wine red", "Wine white"] * 40)) == ""  # a name of things
    assert people.recognised("contact", frame["E-Mail"]) == "email"  # by its values alone


def test_no_real_value_reaches_the_artifact_and_rows_are_one_persons(tmp_path: Path):
    frame = staff()
    settings = ["training.steps=3", "training.threads=1", "model.states=4"]
    conjure.fit("tables", frame, tmp_path / "a", settings=settings)
    written = b"".join(p.read_bytes() for p in sorted((tmp_path / "a").rglob("*")) if p.is_file())
    personal = ["staff_id", "first_name", "last name", "Name", "E-Mail", "phone", "home address"]
    leaked = [v for c in personal for v in frame[c].unique() if str(v).encode() in written]
    assert not leaked
    made = conjure.load(tmp_path / "a").sample(80, seed=1)
    assert list(made.columns) == list(frame.columns)
    assert (made["Name"] == made["first_name"] + " " + made["last name"]).all()
    assert made["E-Mail"].str.contains("@example.", regex=False).all()
    for column in ("Name", "E-Mail", "last name", "phone", "staff_id"):
        assert made[column].is_unique, column
    assert not set(made["Name"]) & set(frame["Name"])
    pd.testing.assert_frame_equal(made, conjure.load(tmp_path / "a").sample(80, seed=1))
    assert not made["Name"].equals(conjure.load(tmp_path / "a").sample(80, seed=2)["Name"])


def test_locale_and_declared_providers():
    frame = staff()[["team", "pay"]].assign(where="x", city=[f"Vrztown {k}" for k in range(N)])
    schema = {"columns": {"city": {"faker": "city"}}}
    choice = ["codec.locale=de_DE", "training.steps=3", "training.threads=1", "model.states=4"]
    recipe = conjure.recipe_for("tables", settings=choice)
    recipe.codec["schema"] = schema
    from conjure.fitting import fit
    from conjure.sampling import sample

    made = sample(fit(recipe, frame), 30)
    assert not made["city"].str.contains("Vrz").any()
    recipe.codec["schema"] = {"columns": {"city": {"faker": "citty"}}}
    with pytest.raises(ConfigError, match="did you mean 'city'"):
        fit(recipe, frame)
    with pytest.raises(ConfigError, match="xx_YY"):
        fit(recipe.with_settings(["codec.locale=xx_YY"]), frame)


def test_without_faker_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(ConfigError, match=r"pip install 'conjure\[people\]'"):
        people.make({"n": ("name", people.learn(pd.Series(["a", "b"])))}, 3, np.random.default_rng(0), {})
