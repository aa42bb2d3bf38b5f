"""Sentiment under a real reward: share positive by reward and by judge, distance, perplexity."""

from __future__ import annotations

from typing import Any

NAMES = {"before": "the writer before", "ppo": "PPO", "grpo": "GRPO", "dpo": "DPO"}


def lines(found: dict[str, Any]) -> list[str]:
    who = "SmolLM2-135M by adapters" if found["policy"] == "smollm2" else "a writer learnt from nothing"
    where = f"{found['gpu']}, {found['machine']}" if found["gpu"] else found["machine"]
    settings, before = found["settings"], found["methods"]["before"]["perplexity"]
    made = [
        f"**Reviews made positive**: {who}, {found['parameters'] / 1e6:.1f} M parameters, {found['tokens']} tokens, "
        f"{settings['episodes']} episodes for PPO, GRPO and DPO each ({where}, {found['day']}, commit "
        f"{found['commit']}). The reward is a classifier of words ({found['accuracy']['reward']:.1%} right on held-out "
        f"sentences), the judge one of letters from other reviews ({found['accuracy']['judge']:.1%}).",
        "",
        "| | positive by the reward | by the judge | nats from the writer | held-out perplexity |",
        "|---|---|---|---|---|",
    ]
    for name, one in found["methods"].items():
        worse = (
            f"{one['perplexity']:.1f} ({one['perplexity'] / before - 1:+.1%})" if "perplexity" in one else "the same"
        )
        shares = [_share(one[key]) for key in ("positive", "judged")]
        made.append(f"| {NAMES.get(name, name)} | {' | '.join(shares)} | {one['kl']['value']:.1f} | {worse} |")
    name = "" if found["policy"] == "small" else " --policy smollm2"
    return [*made, "", f"`python benchmarks/sentiment.py{name}`"]


def _share(value: dict[str, float]) -> str:
    return f"{value['value']:.1%} ({value['low']:.1%} to {value['high']:.1%})"
