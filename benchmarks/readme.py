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
    "text_shakespeare",
    "forecasting_etth1",
    "likelihood_mnist",
    "engine_limits",
    "translation_multi30k",
    "cyclegan_glyphs",
    "decode_speed",
    "flow_matching",
    "toys",
    "gan_mnist",
)


def markdown() -> str:
    """All tables there are results for."""
    if str(ROOT / "benchmarks") not in sys.path:
        sys.path.append(str(ROOT / "benchmarks"))
    parts = []
    for name in SHOWN:
        path = RESULTS / f"{name}.json"
        if path.exists():
            shown = importlib.import_module(f"shown.{name}")
            parts.append("\n".join(shown.lines(json.loads(path.read_text("utf-8")))))
    return "\n\n".join(parts)


def updated(text: str) -> str:
    """A README with the table between its marks made anew."""
    before, _, rest = text.partition(OPEN)
    _, _, after = rest.partition(CLOSE)
    return f"{before}{OPEN}\n{markdown().replace(', 1 cores', ', 1 core')}\n{CLOSE}{after}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(updated(readme.read_text("utf-8")), "utf-8")
