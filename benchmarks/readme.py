"""The tables of results in the README and in docs/results.md, made from the JSON files in benchmarks/results.

Usage: python benchmarks/readme.py (a test holds both to what this makes).
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
OPEN, CLOSE = "<!-- results -->", "<!-- end of results -->"
HEAD = """# Results

Every table is made by the command below it, which also makes the peers' environments; the JSON is in
`benchmarks/results/`. Intervals are 95 %. Made by `make docs`; a test holds this page to the results.
"""
SHOWN = (  # in this order; each has results/NAME.json and shown/NAME.py
    "tables_adult",
    "privacy_adult",
    "attacks_planted",
    "nsl_kdd",
    "linked_tables",
    "real_links",
    "clinical",
    "text_shakespeare",
    "forecasting_etth1",
    "music_jsb",
    "music_verbs",
    "music_polish",
    "audio_codec",
    "audio_critic",
    "audio_levels",
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
    "studio_start",
    "server_load",
    "server_fuzz",
    "serving_load",
    "tool_schemas",
    "ppo_throughput",
    "ppo_smollm2",
    "human_loop",
    "hh_harmless",
    "sentiment",
    "sentiment_smollm2",
)


def markdown() -> str:
    """All tables there are results for."""
    if str(ROOT / "benchmarks") not in sys.path:
        sys.path.append(str(ROOT / "benchmarks"))
    made = "\n\n".join(table(name) for name in SHOWN if (RESULTS / f"{name}.json").exists())
    return made.replace(", 1 cores", ", 1 core")


def table(name: str) -> str:
    """The table of one benchmark, from the results it wrote."""
    shown = importlib.import_module(f"shown.{name}")
    return "\n".join(shown.lines(json.loads((RESULTS / f"{name}.json").read_text("utf-8"))))


def updated(text: str) -> str:
    """A README with the table between its marks made anew."""
    before, _, rest = text.partition(OPEN)
    _, _, after = rest.partition(CLOSE)
    return f"{before}{OPEN}\n{markdown()}\n{CLOSE}{after}"


def page() -> str:
    """docs/results.md: the same tables on a page of their own."""
    return f"{HEAD}\n{markdown()}\n"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(updated(readme.read_text("utf-8")), "utf-8")
    (ROOT / "docs" / "results.md").write_text(page(), "utf-8")
