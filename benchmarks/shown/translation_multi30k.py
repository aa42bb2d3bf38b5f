"""German to English: ours, what needs no model, and a published figure."""

from __future__ import annotations

from typing import Any

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
    for name, s in found["rows"].items():
        title = f"**{name}**" if name.startswith("conjure") else f"{name} (baseline)"
        made.append(f"| {title} | {cell(s['BLEU'], 1)} | {cell(s['chrF'], 1)} | {s['in_circles']} |")
    made.append(f"| {found['published']['what']} | {found['published']['BLEU']} | - | - |")
    signatures = ", ".join(f"{name} `{text}`" for name, text in found["signatures"].items())
    return [*made, "", f"sacrebleu: {signatures}. `python benchmarks/translation_multi30k.py`"]
