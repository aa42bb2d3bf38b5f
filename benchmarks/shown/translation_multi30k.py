"""German to English: ours, what needs no model, and a published figure."""

from __future__ import annotations

import json
from typing import Any

from stage import RESULTS

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    fit, test = found["fit"], found["translate_test"]
    made = [
        f"**Multi30k, German to English**, test2016, one thread ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}). {found['parameters'] / 1e6:.1f} M parameters, {found['metrics']['steps']:,} steps; fit "
        f"{fit['cpu_seconds']:.0f} CPU-s ({fit['wall_seconds'] / 60:.0f} min on a shared machine), 1,000 sentences "
        f"translated in {test['cpu_seconds']:.0f} CPU-s. Loops: outputs with four words in a row three times.",
        "",
        "| targets | BLEU | chrF | loops |",
        "|---|---|---|---|",
    ]
    at = RESULTS / "translation_multi30k_gpu.json"
    rows = dict(found["rows"])
    if at.exists():
        gpu = json.loads(at.read_text("utf-8"))
        title = f"conjure translation on one {gpu['device']}, fit in {gpu['fit']['wall_seconds'] / 60:.1f} min"
        rows[f"{title} (commit {gpu['commit']})"] = gpu["rows"]["conjure translation"]
    for name, s in rows.items():
        title = f"**{name}**" if name.startswith("conjure") else f"{name} (baseline)"
        made.append(f"| {title} | {cell(s['BLEU'], 1)} | {cell(s['chrF'], 1)} | {s['in_circles']} |")
    made.append(f"| {found['published']['what']} | {found['published']['BLEU']} | - | - |")
    signatures = ", ".join(f"{name} `{text}`" for name, text in found["signatures"].items())
    return [*made, "", f"sacrebleu: {signatures}. `python benchmarks/translation_multi30k.py`"]
