"""Keys are found by name and values; what does not hold together is named: table, column, row, value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from conjure.core.errors import ConfigError, DataError
from conjure.domains.linked import corpus
from conjure.domains.linked.codec import LinkedCodec
from conjure.domains.linked.database import LinkedTables
from tests.unit.domains.linked.shop import events, shop


def read(tables: Any, **settings: Any) -> LinkedTables:
    return corpus.read_as(tables, LinkedCodec.Config(**settings))[0]


def test_keys_owners_and_times_are_found():
    ties = read(shop()).ties
    assert ties.keys == {"customers": ("id",), "products": ("sku",), "orders": ("order_id",), "items": ()}
    assert {(k.child, k.columns, k.parent) for k in ties.links} == {
        ("orders", ("customer_id",), "customers"),
        ("items", ("order_id",), "orders"),
        ("items", ("sku",), "products"),
    }
    assert ties.owners == {"orders": "customer_id", "items": "order_id"}
    assert ties.times == {"orders": "date"}
    assert ties.root == "customers"
    assert "items: no key; order_id -> orders.order_id, found by name and values" in ties.describe()


def test_what_is_declared_goes_before_what_is_found():
    schema = {"tables": {"items": {"owner": "sku"}, "orders": {"time": "", "parents": {"customer_id": "customers.id"}}}}
    ties = read(shop(), schema=schema).ties
    assert ties.owners["items"] == "sku"
    assert ties.times == {}


def spoilt(table: str, **columns: Any) -> dict[str, pd.DataFrame]:
    tables = shop()
    tables[table] = tables[table].assign(**columns)
    return tables


def orphan() -> dict[str, pd.DataFrame]:
    tables = shop()
    tables["orders"].loc[4, "customer_id"] = 7
    return tables


def repeated() -> dict[str, pd.DataFrame]:
    tables = shop()
    tables["customers"].loc[8, "id"] = 100
    return tables


def circle() -> dict[str, pd.DataFrame]:
    return spoilt("customers", order_id=1)


@pytest.mark.parametrize(
    ("tables", "naming"),
    [
        (orphan(), ("orders.customer_id", "row 5", "7", "customers.id")),
        (repeated(), ("customers", "id = 100", "rows 1 and 9")),
        (circle(), ("customers -> orders -> customers",)),
        (spoilt("orders", customer_id=lambda f: "c" + f["customer_id"].astype(str)), ("text", "whole numbers")),
        (spoilt("customers", id=lambda f: f["id"].where(f["id"] > 100)), ("customers", "row 1", "empty")),
        ({**shop(), "orders": shop()["orders"].head(0)}, ("'orders'", "empty")),
        ({"a": pd.DataFrame({"x": [1, 2]}), "b": pd.DataFrame({"y": [1, 2]})}, ("a, b", "parents")),
        ({"../a": pd.DataFrame({"x": [1, 2]})}, ("../a",)),
    ],
)
def test_tables_that_do_not_hold_together_are_refused(tables: dict[str, pd.DataFrame], naming: tuple[str, ...]):
    with pytest.raises(DataError) as refusal:
        read(tables)
    assert all(name in str(refusal.value) for name in naming), refusal.value


@pytest.mark.parametrize(
    ("schema", "naming"),
    [
        ({"orders": {"key": "nr"}}, ("orders", "nr")),
        ({"order": {}}, ("'order'", "orders")),
        ({"orders": {"parent": {}}}, ("'parent'", "parents")),
        ({"orders": {"parents": {"customer_id": "clients"}}}, ("clients",)),
        ({"items": {"owner": "pieces", "parents": {"order_id": "orders"}}}, ("items.pieces",)),
        ({"orders": {"key": ["order_id", "dat"]}}, ("'dat'", "date")),
    ],
)
def test_declarations_of_what_is_not_there_are_refused(schema: dict[str, Any], naming: tuple[str, ...]):
    with pytest.raises(ConfigError) as refusal:
        read(shop(), schema={"tables": schema})
    assert all(name in str(refusal.value) for name in naming), refusal.value


def test_a_part_is_whole_and_parts_do_not_overlap():
    whole = read(shop())
    kept, held = corpus.split(whole, 0.2, 3)
    assert len(held) == 24
    for part in (kept, held):
        people, orders = part.frames["customers"], part.frames["orders"]
        assert orders["customer_id"].isin(people["id"]).all()
        assert part.frames["items"]["order_id"].isin(orders["order_id"]).all()
        assert (part.place(part.ties.of("orders")[0]) >= 0).all()
        assert len(part.frames["products"]) == 30
    assert not set(kept.frames["customers"]["id"]) & set(held.frames["customers"]["id"])
    assert len(kept.frames["items"]) + len(held.frames["items"]) == len(whole.frames["items"])


def test_events_come_apart_and_together_again():
    frame = events()
    database = read(frame, entity="patient", time="date")
    assert list(database.frames["patient"].columns) == ["patient", "sex"]
    pd.testing.assert_frame_equal(corpus.as_objects(database), frame)


def test_an_event_without_its_time_is_named():
    frame = events()
    frame.loc[3, "date"] = pd.NaT
    with pytest.raises(DataError, match="'date', row 4"):
        read(frame, entity="patient", time="date")


def test_a_circle_of_three_is_named():
    tables = {
        n: pd.DataFrame({"id": np.arange(20), f"{m}_id": np.arange(20) % 5})
        for n, m in (("apple", "pear"), ("pear", "plum"), ("plum", "apple"))
    }
    with pytest.raises(DataError, match="apple -> pear -> plum -> apple"):
        read(tables)
