"""What every benchmark needs: peers' environments, intervals, results with commit, machine and versions.

Run by itself it lists the benchmarks.
"""

from __future__ import annotations

import ast
import json
import math
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PEERS = ROOT / "benchmarks" / ".peers"
SHARED = ROOT.parent / "shared" / "data"


def peer_python(name: str, packages: list[str], unwanted: list[str] | None = None, *, pinned: bool = True) -> Path:
    """The Python of a peer's own environment, made on first use; with our torch unless the peer wants its own."""
    home = PEERS / name
    python = home / "bin" / "python"
    if not (home / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *["torch==2.13.0"] * pinned, *packages], check=True)
        if unwanted:
            subprocess.run([str(python), "-m", "pip", "uninstall", "-q", "-y", *unwanted], check=True)
        (home / ".ready").touch()
    return python


def interval(values: list[float]) -> dict[str, float]:
    """Mean and its 95 % interval by Student's t over repetitions."""
    n, mean = len(values), sum(values) / len(values)
    if n < 2:
        return {"mean": mean, "n": n}
    from scipy.stats import t

    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    half = float(t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def facts() -> dict[str, Any]:
    """Commit, day, machine and our versions; what this machine does not know is left out or "unknown"."""
    commit, changed = _git("rev-parse", "--short", "HEAD") or "unknown", _git("status", "--porcelain", "src")
    names = ("torch", "numpy", "pandas", "xgboost-cpu", "scikit-learn")
    return {
        "commit": commit + ("+changes" if changed else ""),
        "day": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": {n: version for n in names if (version := _version(n))},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(*words: str) -> str:
    """What git says of this folder; nothing where there is no git or no repository."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""


def accelerator() -> str:
    """The name of the GPU that torch sees, "" without one."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def write(name: str, result: dict[str, Any]) -> Path:
    """The result with its facts as JSON in benchmarks/results."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**facts(), **result}, indent=2) + "\n", "utf-8")
    return path


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def listing() -> str:
    """Each benchmark's command with the first line of what it says of itself."""
    rows = []
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        if path.name != "stage.py":
            rows.append(f"{'python benchmarks/' + path.name:<40} {text.splitlines()[0]}")
    return "\n".join(rows)


if __name__ == "__main__":
    print(listing())
