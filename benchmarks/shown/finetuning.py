"""Fine-tuning: what ten minutes gain on held-out answers, and the speed beside TRL."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Fine-tuning SmolLM2-135M on chitchat** by LoRA on every linear layer ({found['machine']}, {found['day']}, "
        f"commit {found['commit']}). Held out: {found.get('held_out', 0)} conversations, the assistant's turns alone.",
        "",
    ]
    if "figures" in found:
        f = found["figures"]
        ours, before = f["perplexity of answers"], f["perplexity before"]
        steps, gained = found["metrics"]["steps"], f["nats gained a token"]
        made += [
            "| perplexity of held-out answers | |",
            "|---|---|",
            f"| **after {found['minutes']:g} minutes on {found['threads']} threads** ({steps} steps) | {_span(ours)} |",
            f"| before | {_span(before)} |",
            f"| frequencies of tokens (baseline) | {ours['baseline']:.1f} |",
            "",
            f"Nats gained a token: {_span(gained, 3)}.",
            "",
        ]
    if "speed" in found:
        made += [
            "| one thread, rank 16, 2 x 1,024 tokens, bf16 | real tokens a CPU-second | ours over it |",
            "|---|---|---|",
        ]
        for name, rate in found["speed"].items():
            ratio = found["ratios"].get(f"over {name}")
            title = (
                f"**{name}**" if ratio is None else f"{name}'s SFTTrainer 1.16 with peft".replace(", packed's", "'s")
            )
            title += ", packed" if "packed" in name else ""
            made.append(f"| {title} | {cell(rate, 0)} | {'' if ratio is None else cell(ratio, 2)} |")
        made.append("")
    return [*made, "`python benchmarks/finetuning.py`"]


def _span(figure: dict[str, float], digits: int = 2) -> str:
    return f"{figure['value']:.{digits}f} ({figure['low']:.{digits}f} to {figure['high']:.{digits}f})"
