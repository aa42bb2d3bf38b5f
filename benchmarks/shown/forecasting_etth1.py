"""Forecasts 96 hours ahead beside DLinear and naive ones."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**ETTh1, 96 hours ahead**, standard split, 2,785 test windows, one thread ({found['machine']}, "
        f"{found['day']}, commit {found['commit']}). History {found['history']} rows, chosen on the validation part; "
        "standardised units. A point forecast's CRPS is its absolute error. Coverage: of the 80 % interval, of single "
        "values and of sums over the horizon; in brackets its 95 % interval over blocks of two weeks.",
        "",
        "| forecast | runs | MSE | MAE | CRPS | coverage | of sums | fit, CPU-s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    titles = {"linear": "**conjure** (default, linear)", "transformer": "conjure `--recipe transformer`"}
    for name, s in found["figures"].items():
        numbers = [cell(s[k], 4) for k in ("MSE", "MAE", "CRPS")]
        covered = cell(s.get("coverage"))
        if "coverage low" in s:
            covered += f" [{s['coverage low']['mean']:.3f}, {s['coverage high']['mean']:.3f}]"
        ends = [covered, cell(s.get("coverage of sums")), cell(s.get("CPU-s"), 0)]
        made.append(f"| {titles.get(name, name)} | {s['MSE']['n']} | " + " | ".join([*numbers, *ends]) + " |")
    return [*made, "", "`python benchmarks/forecasting_etth1.py`"]
