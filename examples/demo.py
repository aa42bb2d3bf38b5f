"""The main job on real records that ship with scikit-learn: fit, sample, evaluate, by the command line's own words.

Usage: python examples/demo.py FOLDER
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from conjure.domains.table import corpus

DATA = "breast-cancer"


def run(*words: str) -> None:
    """Show a command as one would type it, and run it."""
    print(f"\n$ conjure {' '.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "conjure", *words], check=True)


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    records, source = corpus.read(DATA)
    train, held_out = corpus.split(records, 0.2, seed=0)
    corpus.write(train, folder / "train.csv")
    corpus.write(held_out, folder / "held_out.csv")
    print(f"{source.name}: {len(train)} records to learn from, {len(held_out)} held out ({source.licence})")
    run("fit", "tables", str(folder / "train.csv"), "-o", str(folder / "model"))
    run("sample", str(folder / "model"), "-n", str(len(train)), "-o", str(folder / "synthetic.csv"))
    run("evaluate", str(folder / "model"), str(folder / "held_out.csv"), "-o", str(folder / "report.html"))
    print(f"\nnew table:   {folder / 'synthetic.csv'}\nHTML report: {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
