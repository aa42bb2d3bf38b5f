"""Synthetic Adult: every model of the run, in the order of the lists above."""

from __future__ import annotations

from typing import Any

from shown.cells import cell

TABLE_ROWS = ("conjure circuit", "conjure columns", "conjure vae", "conjure gan")
PEER_ROWS = ("tabularargn", "tvae", "ctgan", "independent columns", "real rows")
TITLES = {
    "conjure circuit": "**conjure** (default, circuit)",
    "conjure columns": "conjure `--model columns`",
    "conjure vae": "conjure `--model vae`",
    "conjure gan": "conjure `--model gan`",
    "tabularargn": "mostlyai-engine 2.7.3, TabularARGN",
    "tvae": "ctgan 0.12.1, TVAE, 300 epochs",
    "ctgan": "ctgan 0.12.1, CTGAN, 300 epochs",
    "independent columns": "independent columns (baseline)",
    "real rows": "real rows (ceiling)",
}


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Synthetic Adult** ({found['machine']}, {found['day']}, commit {found['commit']}). C2ST: AUC of XGBoost "
        "that tells training rows from made ones; TSTR: AUC of XGBoost learnt on made rows, tested on real ones; "
        "shapes and pairs by sdmetrics.",
        "",
        "| model | fits | C2ST (0.5 is best) | TSTR | pairs | shapes | nats a row | fit, CPU-s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in (*TABLE_ROWS, *PEER_ROWS):
        if s := found["summary"].get(name):
            numbers = [cell(s.get(k)) for k in ("c2st", "tstr", "pairs", "shapes")]
            ends = [cell(s.get("nats"), 2), cell(s.get("fit_cpu"), 0)]
            made.append(f"| {TITLES[name]} | {s['tstr']['n']} | " + " | ".join([*numbers, *ends]) + " |")
    return [*made, "", "`python benchmarks/tables_adult.py`"]
