"""Linked tables: a million child rows, and the peer on fewer."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    made: list[str] = []
    if large := found.get("large"):
        fit, sample, links = large["fit"], large["sample"], large["links"]
        made += [
            f"**Linked tables**: {large['patients']:,} patients, {large['visits']:,} visits with known dependencies "
            f"({found['machine']}, {found['day']}, commit {large['commit']}). Fit from CSV files "
            f"{fit['cpu'] / 60:.1f} CPU-minutes, {fit['gigabytes']:.1f} GB at most; {links['children']:,} visits "
            f"sampled and written in {sample['cpu'] / 60:.1f} CPU-minutes. References that mean a row: "
            f"{links['integrity']:.0%}. Numbers of visits: total variation distance {links['variation']:.4f}, "
            f"Kolmogorov-Smirnov {links['kolmogorov']:.4f}, of as many made patients to the data. One run.",
            "",
            "| against held-out patients | ours | parents at random | real (ceiling) |",
            "|---|---|---|---|",
        ]
        for name, f in large["figures"].items():
            interval = "" if f["low"] is None else f" ({f['low']:.3f} to {f['high']:.3f})"
            beside = ("-" if f[k] is None else f"{f[k]:.3f}" for k in ("baseline", "ceiling"))
            made.append(f"| {name} | {f['ours']:.3f}{interval} | {' | '.join(beside)} |")
    if small := found.get("small"):
        names = list(small["figures"])
        titles = {"ours": "ours", "hma": "SDV 1.38.5 HMA", "real": "real (ceiling)"}
        made += [
            "",
            f"On {small['patients']:,} patients, {small['visits']:,} visits, one fit each, against others of the "
            "same kind:",
            "",
            "| | " + " | ".join(titles.get(n, n) for n in names) + " |",
            "|---" * (len(names) + 1) + "|",
            "| fit (the peer's with sampling), CPU-s | "
            + " | ".join(f"{s:.0f}" if (s := small["seconds"].get(n)) else "-" for n in names)
            + " |",
        ]
        for figure in small["figures"][names[0]]:
            cells = (f"{small['figures'][n][figure]:.3f}" for n in names)
            made.append(f"| {figure.replace('_', ' ')} | {' | '.join(cells)} |")
        if isinstance(said := small.get("hma"), str):
            made += ["", f"SDV 1.38.5 HMA: {said}."]
    return [*made, "", "`python benchmarks/linked_tables.py`"]
