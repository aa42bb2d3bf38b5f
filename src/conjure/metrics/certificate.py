"""What a report says of an artifact's privacy budget: the claim, how it was spent, and what it does not promise."""

from __future__ import annotations

import math
from typing import Any

from conjure.metrics.figure import Table

NONE = (
    "This model was fitted without a privacy budget (--epsilon): nothing is proved about anybody's row. What stands "
    "here is what was tried, and stronger attacks may exist."
)


def tables(claim: dict[str, Any] | None) -> list[Table]:
    """The certificate and what was looked at, of an artifact's `card["privacy"]`; nothing without one."""
    if not claim:
        return []
    rows: list[tuple[Any, ...]] = [
        ("epsilon, claimed", f"{claim['epsilon']:g}"),
        ("delta", f"{claim['delta']:g}"),
        ("epsilon, spent", f"{claim['epsilon_spent']:.4f}"),
        ("neighbours", claim["neighbours"]),
        ("accountant", claim["accountant"]),
        ("private", claim["private"]),
        ("taken for public", claim["public"]),
        ("noise", claim["noise"]),
    ]
    looks = [(e["what"], f"{e['mu']:.4g}", f"{e['scale']:.4g}") for e in claim["entries"]]
    if d := claim.get("descent"):
        what = f"{d['steps']:,} gradients, each of about {d['batch']:,} rows drawn by chance, clipped at {d['clip']:g}"
        looks.append((what, "-", f"{d['noise'] * d['clip']:.4g}"))
    return [
        Table("Privacy certificate", ("", ""), rows),
        Table("What the budget was spent on", ("look", "mu", "scale of the noise"), looks),
    ]


def notes(claim: dict[str, Any] | None) -> list[str]:
    """What the claim promises, and what it does not."""
    if not claim:
        return [NONE]
    odds = math.exp(min(claim["epsilon"], 700))
    said = "groups of rows are hidden (a person with five rows has five times the epsilon)"
    return [
        f"Differential privacy: whether or not one row was in the data changes the odds of anything released at most "
        f"{odds:,.3g}-fold, but for a chance of {claim['delta']:g}, whoever asks and whatever they know.",
        f"It does not promise that {said}, that nothing true of people in general can be learnt, or that two private "
        "runs together spend no more than one.",
    ]
