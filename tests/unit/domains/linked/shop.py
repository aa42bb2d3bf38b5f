"""Small tables with known links: customers, their orders in time, items of these, and products that items name."""

from __future__ import annotations

import numpy as np
import pandas as pd


def shop(customers: int = 120, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Customers of the north order more, and dearer; the young order toys; an item costs what its order pays, about."""
    rng = np.random.default_rng(seed)
    north = rng.random(customers) < 0.5
    age = rng.integers(18, 80, customers)
    since = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, customers), "D")
    people = pd.DataFrame(
        {
            "id": np.arange(100, 100 + customers),
            "name": [f"Zaq{chr(97 + k % 26)} Wuzz{chr(97 + k // 26)}o" for k in range(customers)],
            "region": np.where(north, "north", "south"),
            "age": age,
            "since": since,
        }
    )
    products = pd.DataFrame({"sku": [f"P{1000 + k}" for k in range(30)], "kind": ["toy", "book", "tool"] * 10})
    number = rng.poisson(np.where(north, 4, 1))
    owner = np.repeat(np.arange(customers), number)
    gap = rng.poisson(9, len(owner)) + 1
    passed = pd.Series(gap).groupby(owner).cumsum().to_numpy()
    orders = pd.DataFrame(
        {
            "order_id": np.arange(1, len(owner) + 1),
            "customer_id": owner + 100,
            "date": since[owner] + pd.to_timedelta(passed, "D"),
            "paid": (np.where(north[owner], 50, 20) + rng.normal(0, 3, len(owner))).round(1),
        }
    )
    each = 1 + rng.poisson(0.5, len(orders))
    order = np.repeat(np.arange(len(orders)), each)
    toys = products.index[products["kind"] == "toy"].to_numpy()
    chosen = np.where(age[owner[order]] < 40, rng.choice(toys, len(order)), rng.integers(0, 30, len(order)))
    items = pd.DataFrame(
        {"order_id": order + 1, "sku": products["sku"].to_numpy()[chosen], "pieces": rng.integers(1, 4, len(order))}
    )
    return {"customers": people, "products": products, "orders": orders, "items": items}


def events(patients: int = 80, seed: int = 0) -> pd.DataFrame:
    """Visits of patients in no order of rows: sex stays, pressure follows the visit before, gaps depend on the sex."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        sex, day, pressure = rng.choice(["f", "m"]), rng.integers(0, 100), rng.normal(120, 15)
        for _ in range(1 + rng.poisson(3)):
            rows.append(
                (f"K-{patient:04d}", sex, pd.Timestamp("2025-01-01") + pd.Timedelta(int(day), "D"), round(pressure))
            )
            day, pressure = day + 1 + rng.poisson(20 if sex == "f" else 5), 0.9 * pressure + 12 + rng.normal(0, 3)
    frame = pd.DataFrame(rows, columns=["patient", "sex", "date", "pressure"])
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


def warehouse(orders: int = 200, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Keys of several columns: lines numbered within their order, parcels of lines, stock of a product in a town, and
    checks of that stock, a year each at most."""
    rng = np.random.default_rng(seed)
    big = rng.random(orders) < 0.5
    bought = pd.DataFrame({"order_id": np.arange(orders) + 500, "size": np.where(big, "big", "small")})
    each = np.where(big, 4, 1) + rng.integers(0, 2, orders)
    order = np.repeat(np.arange(orders), each)
    line = np.arange(len(order)) - np.repeat(np.cumsum(each) - each, each) + 1
    dear = rng.random(len(order)) < np.where(big[order], 0.8, 0.2)
    lines = pd.DataFrame({"order_id": order + 500, "line_no": line, "price": np.where(dear, 90, 10)})
    sent = np.repeat(np.arange(len(order)), rng.integers(0, 3, len(order)))
    parcels = lines[["order_id", "line_no"]].iloc[sent].reset_index(drop=True)
    parcels["weight"] = np.where(dear[sent], 9.5, 1.5) + rng.integers(0, 2, len(sent))
    towns = ["Bonn", "Ulm", "Jena", "Kiel"]
    stock = pd.DataFrame([(t, f"P{k:02d}") for t in towns for k in range(30)], columns=["town", "sku"])
    stock["pieces"] = np.where(stock["town"] == "Bonn", 100, 10) + rng.integers(0, 5, len(stock))
    checked = np.repeat(np.arange(len(stock)), rng.integers(1, 4, len(stock)))
    checks = stock[["town", "sku"]].iloc[checked].reset_index(drop=True)
    checks["year"] = 2010 + checks.groupby(["town", "sku"]).cumcount() * 2 + rng.integers(0, 2, len(checks))
    checks["found"] = np.where(checks["town"] == "Bonn", 100, 10)
    return {"orders": bought, "lines": lines, "parcels": parcels, "stock": stock, "checks": checks}
