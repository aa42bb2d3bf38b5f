"""Reward models from simulated raters, and rounds."""

from __future__ import annotations

from typing import Any

from shown.cells import cell

ROWS = {
    "accuracy, fresh answers": "accuracy",
    "the same, heads at the end alone": "end",
    "TRL 1.12.0's RewardTrainer on the same judgements as pairs": "chain",
    "gained": "gained",
    "Bayes ceiling": "ceiling",
    "share of the ceiling": "share",
    "calibration error": "ece",
    "both careless raters found, nobody else": "careless_found",
}


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Learning from simulated raters**, {found['prompts']} prompts by four answers, eight raters, two of whom "
        f"click at random, {round(8 * found['share'])} to a prompt ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}; {found['seeds']} seeds).",
        "",
        "| | |",
        "|---|---|",
    ]
    made += [f"| {text} | {cell(found['figures'][key], 3)} |" for text, key in ROWS.items()]
    made += [f"| true reward gained, round {k} | {cell(lap, 2)} |" for k, lap in enumerate(found["gold"], 1)]
    return [*made, "", "`python benchmarks/human_loop.py`"]
