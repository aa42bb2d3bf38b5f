"""Artifacts and uploads as an enemy would send them, by the thousand: how each is answered, what gets out.

Usage: python benchmarks/server_fuzz.py [--cases 10000]
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

import stage

sys.path.append(str(stage.ROOT))
from starlette.testclient import TestClient

from conjure import artifact as artifacts
from conjure.fitting import fit
from conjure.server.app import create
from conjure.server.settings import Limits, Settings
from conjure.verbs import recipe_for
from tests.unit.server.mutants import archive_mutants, upload_mutants


def packed(folder: Path) -> bytes:
    """A small artifact as a zip file."""
    settings = ["training.epochs=1", "training.threads=1", "model.states=2"]
    place = artifacts.save(fit(recipe_for("tables", settings=settings), "wine"), folder / "wine")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(place.iterdir()):
            archive.write(path, path.name)
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    cases = parser.parse_args().cases
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as spare:
        content, root = packed(Path(spare)), Path(spare) / "inner" / "root"
        root.mkdir(parents=True)
        app = create(Settings(root=root, limits=Limits(upload=4 << 20)))
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
            for number, mutant in enumerate(archive_mutants(content, random.Random(0), cases // 2)):
                status = client.put(f"/artifacts/m{number}", content=mutant).status_code
                found[f"artifact {status}"] += 1
                if status == 201:
                    drawn = client.post(f"/artifacts/m{number}/sample", json={"n": 1}).status_code
                    found[f"sample {drawn}"] += 1
                    client.delete(f"/artifacts/m{number}")
            for name, mutant in upload_mutants(content, random.Random(1), cases - cases // 2):
                answer = client.put(f"/uploads/{name}", content=mutant)
                found[f"upload {answer.status_code}"] += 1
                if answer.status_code == 201:
                    client.delete(f"/uploads/{answer.json()['upload']}")
        escaped = [p.name for p in root.parent.iterdir() if p.name != "root"]
        left = [p.name for p in (root / "artifacts").iterdir()] + [p.name for p in (root / "uploads").iterdir()]
    crashes = sum(n for key, n in found.items() if key.split()[1].startswith("5"))
    figures = {"cases": cases, "answers": dict(found), "crashes": crashes, "escapes": len(escaped), "left": len(left)}
    stage.write("server_fuzz", {"figures": figures})
    print(figures)


if __name__ == "__main__":
    main()
