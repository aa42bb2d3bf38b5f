"""Keys of several columns: found by values, declared, refused where they do not hold together, kept in what is made."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import conjure
from conjure.core.errors import ConfigError, DataError
from conjure.domains.linked import composite, corpus, distinct
from conjure.domains.linked.checks import integrity, unique
from conjure.domains.linked.codec import LinkedCodec
from conjure.domains.linked.database import LinkedTables
from conjure.domains.linked.ties import Ties
from conjure.fitting import fit
from tests.unit.domains.linked.shop import shop, warehouse

SETTINGS = ["training.threads=1", "training.steps=80", "model.states=8"]


def read(tables: Any, **schema: Any) -> LinkedTables:
    return corpus.read_as(tables, LinkedCodec.Config(schema={"tables": schema} if schema else None))[0]


def trade() -> dict[str, pd.DataFrame]:
    """Orders with their lines and parcels alone."""
    return {t: f for t, f in warehouse().items() if t in ("orders", "lines", "parcels")}


@cache
def model() -> conjure.Generative:
    return conjure.Generative(fit(conjure.recipe_for("tables", settings=SETTINGS), trade()))


def test_keys_of_several_columns_are_found():
    ties = read(trade()).ties
    assert ties.keys == {"orders": ("order_id",), "lines": ("order_id", "line_no"), "parcels": ()}
    assert ties.counters == {"lines": "line_no"}
    assert [(k.child, k.columns, k.parent) for k in ties.links] == [
        ("lines", ("order_id",), "orders"),
        ("parcels", ("order_id", "line_no"), "lines"),  # that of the line says which order
    ]
    assert "order_id, line_no -> lines.order_id, line_no, found by name and values" in ties.describe()
    assert "table lines: key order_id, line_no; order_id -> orders.order_id" in ties.describe()
    assert Ties.from_state(ties.state()) == ties


def test_what_repeats_in_none_of_many_pairs_is_a_key_and_what_may_be_chance_is_not():
    rng = np.random.default_rng(0)
    pupils, courses = (pd.DataFrame({"id": range(n), "size": rng.integers(0, 3, n)}) for n in (80, 12))
    pairs = [(p, c) for p in range(80) for c in rng.permutation(12)[:5]]
    taken = pd.DataFrame(pairs, columns=["pupil_id", "course_id"])
    tables = {"pupils": pupils, "courses": courses, "taken": taken}
    assert read(tables).ties.keys["taken"] == ("pupil_id", "course_id")
    assert read({**tables, "taken": taken.iloc[::40]}).ties.keys["taken"] == ()
    made = conjure.Generative(fit(conjure.recipe_for("tables", settings=SETTINGS), tables)).sample(100, seed=1)
    assert not made["taken"].duplicated().any()
    assert made["taken"].groupby("pupil_id").size().mean() > 4  # rows that meet twice find others


def test_made_references_of_several_columns_mean_rows_and_keys_are_unique():
    made, ties = model().sample(400, seed=1), model().artifact.codec.ties
    assert set(integrity(made, ties).values()) == {1.0}
    assert set(unique(made, ties).values()) == {1.0}
    lines = made["lines"].groupby("order_id")["line_no"]
    assert (lines.min() == 1).all()
    assert (lines.max() == lines.size()).all()
    met = made["parcels"].merge(made["lines"], on=["order_id", "line_no"])
    assert len(met) == len(made["parcels"]) > 300
    heavy = met.groupby("price")["weight"].mean()
    assert heavy[90] - heavy[10] > 6  # parcels are drawn for their line
    assert model().score(trade()).shape == (200,)


def test_a_key_of_plain_columns_and_one_with_a_year():
    tables = {t: f for t, f in warehouse().items() if t in ("stock", "checks")}
    schema = {"checks": {"key": ["town", "sku", "year"]}}
    ties = read(tables, **schema).ties
    assert ties.keys["stock"] == ("town", "sku")
    assert ties.times == {"checks": "year"}
    recipe = conjure.recipe_for("tables", settings=SETTINGS)
    recipe.codec["schema"] = {"tables": schema}
    model = conjure.Generative(fit(recipe, tables))
    made = model.sample(60, seed=3)
    assert set(unique(model.artifact.codec.unlinked(60, 1), ties).values()) == {1.0}
    assert set(integrity(made, ties).values()) == set(unique(made, ties).values()) == {1.0}
    assert len(made["stock"]) > 55  # of 120 pairs there are
    full = made["stock"].merge(made["checks"], on=["town", "sku"])
    found = full.groupby("town")["found"].mean()
    assert found["Bonn"] > 2 * found.drop("Bonn").mean()


def test_columns_called_otherwise_and_in_another_order_are_declared():
    tables = trade()
    tables["parcels"] = tables["parcels"].rename(columns={"order_id": "of", "line_no": "nr"})
    ties = read(tables, parcels={"parents": {"nr, of": "lines.line_no, order_id"}, "owner": "of, nr"}).ties
    assert [k.columns for k in ties.of("parcels")] == [("nr", "of")]
    assert ties.owners["parcels"] == "nr, of"
    assert ties.keys["lines"] == ("line_no", "order_id")


def spoilt(column: str, row: int, value: Any) -> dict[str, pd.DataFrame]:
    tables = trade()
    tables["parcels"][column] = tables["parcels"][column].astype("Int64")
    tables["parcels"].loc[row, column] = value
    return tables


LINES = {"parents": {"order_id, line_no": "lines"}}


@pytest.mark.parametrize(
    ("tables", "schema", "kind", "naming"),
    [
        (spoilt("line_no", 3, 77), {"parcels": LINES}, DataError, ("row 4", ", 77 stands in no row", "1 such")),
        (spoilt("line_no", 3, pd.NA), {"parcels": LINES}, DataError, ("row 4", "'line_no' is empty", "all of")),
        (trade(), {"lines": {"key": ["order_id", "price"]}}, DataError, ("order_id, price", "rows")),
        (trade(), {"lines": {"key": ["order_id", "order_id"]}}, ConfigError, ("twice",)),
        (trade(), {"lines": {"key": 3}}, ConfigError, ("'lines'", "3")),
        (trade(), {"parcels": {"parents": {"order_id": "lines"}}}, ConfigError, ("order_id, line_no", "has 2")),
        (
            trade(),
            {"parcels": {"owner": "order_id"}},
            ConfigError,
            ("parcels.order_id", "order_id, line_no tells more"),
        ),
        (trade(), {"parcels": {"parents": {"order_id, line": "lines"}}}, ConfigError, ("'line'", "line_no")),
    ],
)
def test_keys_that_do_not_hold_together_are_refused(tables: Any, schema: Any, kind: Any, naming: tuple[str, ...]):
    with pytest.raises(kind) as refusal:
        read(tables, **schema)
    assert all(name in str(refusal.value) for name in naming), refusal.value


def firms(n: int = 40) -> dict[str, pd.DataFrame]:
    """People and jobs of firms, numbered in each, and who does which job of the own firm; old people do hard jobs."""
    rng = np.random.default_rng(0)
    tables: dict[str, pd.DataFrame] = {"firms": pd.DataFrame({"firm": np.arange(n), "size": rng.integers(0, 3, n)})}
    for name, number, column in (("people", "who", "age"), ("jobs", "what", "effort")):
        firm = np.repeat(np.arange(n), 2 + rng.integers(0, 4, n))
        numbers = pd.Series(firm).groupby(firm).cumcount() + 1
        tables[name] = pd.DataFrame({"firm": firm, number: numbers, column: rng.integers(0, 2, len(firm)) * 50})
    work = tables["people"].merge(tables["jobs"], on="firm")
    work = work[work["age"] == work["effort"]]
    tables["work"] = work[["firm", "who", "what"]].assign(hours=rng.integers(1, 40, len(work))).reset_index(drop=True)
    return tables


def test_references_that_share_a_column_agree_in_it():
    tables = firms()
    ties = read(tables).ties
    assert {(k.child, k.columns, k.parent) for k in ties.links if k.child == "work"} == {
        ("work", ("firm", "who"), "people"),
        ("work", ("firm", "what"), "jobs"),
    }
    model = conjure.Generative(fit(conjure.recipe_for("tables", settings=SETTINGS), tables))
    made = model.sample(60, seed=1)
    assert set(integrity(made, ties).values()) == set(unique(made, ties).values()) == {1.0}
    assert len(made["work"]) > 60
    met = made["work"].merge(made["people"], on=["firm", "who"]).merge(made["jobs"], on=["firm", "what"])
    assert len(met) == len(made["work"])
    assert (met["age"] == met["effort"]).mean() > 0.6
    random = model.artifact.codec.unlinked(60, 1)
    assert set(integrity(random, ties).values()) == {1.0}


def test_two_references_by_one_column_that_names_no_table_are_refused():
    tables = {name: f for name, f in firms().items() if name != "firms"}
    with pytest.raises(ConfigError, match="same column 'firm'"):
        read(tables)


def test_single_keys_are_found_as_before():
    assert read(shop()).ties.keys["items"] == ()


def test_only_what_numbers_rows_from_one_start_is_a_counter():
    frame = pd.DataFrame({"a": [1, 1, 2, 2, 2], "b": [1, 2, 1, 3, 2], "c": [1, 2, 1, 2, 4], "d": [0, 1, 1, 2, 3]})
    assert composite.counter(frame, ("a", "b"), []) == "b"
    assert composite.counter(frame, ("a", "c"), []) == ""
    assert composite.counter(frame, ("a", "d"), []) == ""


def test_trading_tells_rows_apart_where_it_can():
    rng = np.random.default_rng(0)
    held, free = rng.integers(0, 40, 800), rng.integers(0, 60, 800)
    taken = distinct._trade(held, free, rng)
    assert sorted(taken) == list(range(800))
    assert len(np.unique(held * 60 + free)) < 700
    assert len(np.unique(held * 60 + free[taken])) == 800
