"""Sentiment under a real reward: share positive by reward and by judge, distance, perplexity."""

from __future__ import annotations

from typing import Any

NAMES = {"before": "the writer before", "ppo": "PPO", "grpo": "GRPO", "dpo": "DPO"}


def lines(found: dict[str, Any]) -> list[str]:
    who = "SmolLM2-135M by adapters" if found["policy"] == "smollm2" else "a writer learnt from nothing"
    where = f"{found['gpu']}, {found['machine']}" if found["gpu"] else found["machine"]
    settings, before = found["settings"], found["methods"]["before"]["perplexity"]
    made = [
        f"**Reviews made positive**: {who}, {found['parameters'] / 1e6:.1f} M parameters, {found['tokens']} tokens "
        f"({where}, {found['day']}, commit {found['commit']}). The reward is a classifier of words "
        f"({found['accuracy']['reward']:.1%} right on held-out sentences), the judge one of letters from other reviews "
        f"({found['accuracy']['judge']:.1%}).",
        "",
        "| | episodes | positive by the reward | by the judge | nats from the writer | held-out perplexity |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in found["methods"].items():
        worse = (
            f"{one['perplexity']:.1f} ({one['perplexity'] / before - 1:+.1%})" if "perplexity" in one else "the same"
        )
        shares = [_share(one[key]) for key in ("positive", "judged")]
        learnt = settings["episodes"] if name == "dpo" else one.get("steps", 0) * settings["batch"]
        cells = [NAMES.get(name, name), one.get("episodes", learnt) or "", *shares, f"{one['kl']['value']:.1f}", worse]
        made.append(f"| {' | '.join(map(str, cells))} |")
    if "ppo" in found["methods"]:
        made += ["", f"Perplexity after PPO by the label of the sentence: {_by_label(found['methods'])}."]
    name = "" if found["policy"] == "small" else " --policy smollm2"
    return [*made, "", f"`python benchmarks/sentiment.py{name}`"]


def _by_label(methods: dict[str, Any]) -> str:
    keys = [f"perplexity, {label}" for label in ("positive", "negative")]
    rises = [methods["ppo"][key] / methods["before"][key] - 1 for key in keys]
    return f"positive {rises[0]:+.1%}, negative {rises[1]:+.1%}"


def _share(value: dict[str, float]) -> str:
    return f"{value['value']:.1%} ({value['low']:.1%} to {value['high']:.1%})"
