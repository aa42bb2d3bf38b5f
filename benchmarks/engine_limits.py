"""Limits of the engine: seconds to start, memory of a fit of five million rows, seconds to sample.

Usage: python benchmarks/engine_limits.py [--rows 5000000] [--minutes 1]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from stage import write


def seconds(command: list[str], times: int) -> dict[str, float]:
    """Wall seconds of a whole process: median, least and most, after one run to warm the disk."""
    found = []
    for _ in range(times + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - started)
    return {"median": statistics.median(found[1:]), "least": min(found[1:]), "most": max(found[1:])}


def make_table(path: Path, rows: int) -> None:
    """People with an age, an income that follows it, a debt that may be missing, an owner flag and 500 cities."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, writer, block = np.random.default_rng(0), None, 100_000
    cities = np.array([f"city {k}" for k in range(500)])
    for start in range(0, rows, block):
        n = min(block, rows - start)
        age = rng.integers(18, 90, n)
        income = rng.normal(age * 100, 500).round(2)
        debt = np.where(rng.random(n) < 0.1, np.nan, income * rng.random(n))
        part = pa.table(
            {
                "age": age,
                "income": income,
                "debt": debt,
                "owner": rng.random(n) < age / 100,
                "city": rng.choice(cities, n),
            }
        )
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part)
    assert writer is not None
    writer.close()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, default=5_000_000)
    words.add_argument("--minutes", type=float, default=1.0)
    asked = words.parse_args()
    python, empty = sys.executable, [sys.executable, "-c", "pass"]
    result = {
        "python start": seconds(empty, 10),
        "import conjure": seconds([python, "-c", "import conjure"], 10),
        "conjure --help": seconds([python, "-m", "conjure", "--help"], 10),
    }
    with tempfile.TemporaryDirectory() as temporary:
        data, out = Path(temporary) / "people.parquet", Path(temporary) / "model"
        make_table(data, asked.rows)
        started = time.perf_counter()
        fit = [python, "-m", "conjure", "fit", "tables", str(data), "-o", str(out), "--minutes", str(asked.minutes)]
        subprocess.run(fit, check=True, capture_output=True)
        took = time.perf_counter() - started
        # A child's peak is the largest of all children's so far; those before were start-ups.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
        result["fit"] = {
            "rows": asked.rows,
            "minutes asked": asked.minutes,
            "wall_seconds": took,
            "peak_gigabytes": peak,
        }
        sample = [python, "-m", "conjure", "sample", str(out), "-n", "100000", "-o", str(Path(temporary) / "s.csv")]
        result["sample 100,000 rows, whole command"] = seconds(sample, 3)
    for name, value in result.items():
        print(name, {k: round(v, 3) for k, v in value.items()})
    print(write("engine_limits", {"processors": len(os.sched_getaffinity(0)), "figures": result}))


if __name__ == "__main__":
    main()
