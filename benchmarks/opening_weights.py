"""CPU-seconds and memory from a GGUF file to a model that can be asked, beside transformers; runs interleaved.

Usage: python benchmarks/opening_weights.py [--rounds N] (half a minute a round); writes results/opening_weights.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

import stage

START = "import time, resource, torch; torch.set_num_threads(1); torch.set_grad_enabled(False)\n"
END = """
print(json.dumps({"cpu": used, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "sum": total}))
"""
WRITERS = {
    "conjure": """
import json
from conjure.pretrained import opening
begun = time.process_time()
opened = opening.load("smollm2")
used = time.process_time() - begun
x = torch.tensor([opened.codec.tokenizer.cut("The capital of France is")])
total = float(opened.model.logits(opened.model._hidden(x, None)).double().sum())
""",
    "transformers": """
import json, transformers
from conjure.pretrained import embedded
path = embedded.find("smollm2")
begun = time.process_time()
model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name)
tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
used = time.process_time() - begun
total = float(model(**tokenizer("The capital of France is", return_tensors="pt")).logits.double().sum())
""",
}


def main(rounds: int) -> None:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in WRITERS}
    for _ in range(rounds):
        for name, script in WRITERS.items():
            done = subprocess.run(
                [sys.executable, "-c", START + script + END], capture_output=True, text=True, check=True
            )
            runs[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(name, runs[name][-1], flush=True)
    assert abs(runs["conjure"][0]["sum"] / runs["transformers"][0]["sum"] - 1) < 1e-5, "two different models"
    found: dict[str, Any] = {"what": "SmolLM2-135M-Instruct.Q4_1.gguf", "figures": {}}
    for name, made in runs.items():
        found["figures"][name] = {key: stage.interval([run[key] for run in made]) for key in ("cpu", "peak")}
    pairs = zip(runs["transformers"], runs["conjure"])
    found["ratio"] = stage.interval([theirs["cpu"] / ours["cpu"] for theirs, ours in pairs])
    found["transformers"] = stage.metadata.version("transformers")
    stage.write("opening_weights", found)


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rounds", type=int, default=3)
    main(words.parse_args().rounds)
