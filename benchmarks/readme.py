"""The README's table of results, made from the JSON files in benchmarks/results.

Usage: python benchmarks/readme.py (a test holds the README to what this makes).
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
OPEN, CLOSE = "<!-- results -->", "<!-- end of results -->"
SHOWN = (  # in this order; each has results/NAME.json and shown/NAME.py
    "tables_adult",
    "privacy_adult",
    "attacks_planted",
    "clinical",
    "text_shakespeare",
    "forecasting_etth1",
    "music_jsb",
    "music_verbs",
    "likelihood_mnist",
    "engine_limits",
    "translation_multi30k",
    "cyclegan_glyphs",
    "decode_speed",
    "opening_weights",
    "language_speed",
    "finetuning",
    "flow_matching",
    "toys",
    "gan_mnist",
    "server_load",
    "server_fuzz",
    "serving_load",
    "tool_schemas",
    "ppo_throughput",
    "human_loop",
)


def markdown() -> str:
    """All tables there are results for."""
    if str(ROOT / "benchmarks") not in sys.path:
        sys.path.append(str(ROOT / "benchmarks"))
    return "\n\n".join(table(name) for name in SHOWN if (RESULTS / f"{name}.json").exists())


def table(name: str) -> str:
    """The table of one benchmark, from the results it wrote."""
    shown = importlib.import_module(f"shown.{name}")
    return "\n".join(shown.lines(json.loads((RESULTS / f"{name}.json").read_text("utf-8"))))


def updated(text: str) -> str:
    """A README with the table between its marks made anew."""
    before, _, rest = text.partition(OPEN)
    _, _, after = rest.partition(CLOSE)
    return f"{before}{OPEN}\n{markdown().replace(', 1 cores', ', 1 core')}\n{CLOSE}{after}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(updated(readme.read_text("utf-8")), "utf-8")
