"""Episodes of PPO a CPU-second beside TRL."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    rows = {
        "episodes a CPU-second": ("episodes_a_second", 1),
        "peak memory, MB": ("peak", 0),
        "reward at 5 nats": ("at 5", 3),
        "reward at 10 nats": ("at 10", 3),
    }
    names = list(found["figures"])
    made = [
        f"**PPO**, a character policy of 0.8 M parameters, 8 + 32 tokens, 32 episodes, 4 epochs, one thread "
        f"({found['machine']}, {found['day']}, commit {found['commit']}; {found['repeats']} runs of {found['updates']} "
        f"updates, {found['price']:g} a nat). Ratios are of neighbouring runs; "
        "ours has its value head on the policy's trunk, TRL a value network of its own.",
        "",
        f"| | {' | '.join(names)} | ratio |",
        "|---" * (len(names) + 2) + "|",
    ]
    for text, (key, digits) in rows.items():
        cells = [cell(found["figures"][n][key], digits) if key in found["figures"][n] else "not reached" for n in names]
        ratio = cell(found["ratios"][key], 2) if key in found["ratios"] else ""
        made.append(f"| {text} | {' | '.join(cells)} | {ratio} |")
    return [*made, "", "`python benchmarks/ppo_throughput.py`"]
