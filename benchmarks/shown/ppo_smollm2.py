"""PPO of SmolLM2 with adapters beside TRL."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    scale, names = found["scale"], list(found["figures"])
    runs = "one run" if found["repeats"] == 1 else f"{found['repeats']} runs"
    made = [
        f"**PPO of SmolLM2-135M with adapters** of rank {scale['rank']}, {scale['prompt']} + {scale['drawn']} tokens, "
        f"{scale['batch']} episodes, {scale['epochs']} epochs, one thread ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}; {runs} of {found['updates']} updates). Ours has its value head on the "
        "policy's trunk, TRL a value model with adapters of its own.",
        "",
        f"| | {' | '.join(names)} | ratio |",
        "|---" * (len(names) + 2) + "|",
    ]
    for text, (key, digits) in {
        "episodes a CPU-second": ("episodes_a_second", 3),
        "peak memory, MB": ("peak", 0),
    }.items():
        cells = [cell(found["figures"][n][key], digits) for n in names]
        made.append(f"| {text} | {' | '.join(cells)} | {cell(found['ratios'][key], 2)} |")
    command = f"python benchmarks/ppo_throughput.py --model smollm2 --updates {found['updates']}"
    return [*made, "", f"`{command} --repeats {found['repeats']}`"]
