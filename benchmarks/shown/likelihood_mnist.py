"""Families by their likelihood of the same binarised digits, the best first."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    figures, epochs = found["figures"], found["peer"]["epochs"]
    titles = {"pythae VAE": f"pythae 0.1.2 VAE, {epochs['vae']} epochs", "pixels": "pixels (autoregressive)"}
    titles["pythae IWAE-50"] = f"pythae 0.1.2 IWAE-50, {epochs['iwae']} epoch"
    made = [
        f"**Likelihood of binarised MNIST** (one fixed random draw), 10,000 test pictures, brief fits on one thread "
        f"({found['machine']}, {found['day']}, commit {found['commit']}). Estimate: 5,000 importance weights; VAEs and "
        "pythae share one perceptron; published 89.78 (VAE), 86.82 (IWAE-50), 85.79 (VAMP) are of hundreds of epochs.",
        "",
        "| model | fits | NLL, nats | is | CPU-s | share of pythae's |",
        "|---|---|---|---|---|---|",
    ]
    for name, s in sorted(figures.items(), key=lambda item: item[1]["nll"]["mean"]):
        exact = found["kinds"].get(name) == "exact"
        numbers = [cell(s["nll"], 2), "exact" if exact else "estimate", cell(s["cpu_seconds"], 0)]
        row = [titles.get(name, name), str(s["nll"]["n"]), *numbers, cell(s.get("ratio"), 2)]
        made.append(f"| {' | '.join(row)} |")
    return [*made, "", "`python benchmarks/likelihood_mnist.py`"]
