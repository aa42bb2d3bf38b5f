"""A composer polished by a rule of voice leading, with pieces of before and after to listen to and to read.

Usage: python examples/polish.py FOLDER (a few minutes on one core; music21's chorales are read first)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import conjure
from conjure import aligning
from conjure.domains.music import corpus, leading

SMALL = ["codec.step=2", "model.width=128", "model.hidden=192", "training.threads=1"]
POLISH = ["training.steps=40", "training.batch=64", "training.rate=1e-3", "training.threads=1"]
ASKED = {"bars": 8, "meter": "4/4", "end": "tonic", "parallels": "yes"}  # no mask, so that it shows what was learnt
POLISH += ["objective.trace=1", "objective.mix=1"]  # one reward for a whole phrase; nothing forgotten meanwhile


def main(folder: Path, steps: int = 300) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chorales, source = corpus.read("chorales")
    print(f"{source.name}: {len(chorales)} pieces ({source.licence})")
    composer = conjure.fit("music", chorales, settings=[*SMALL, f"training.steps={steps}"])
    how = aligning.How(POLISH, remember=chorales)
    polished = aligning.align(composer.artifact, [{"bars": 2, "meter": "4/4"}] * 256, leading.reward, how=how)
    for name, made in (("before", composer), ("after", conjure.Generative(polished))):
        pieces = made.sample(50, given=ASKED, seed=1)
        rate = np.mean([leading.rate(one) for one in pieces])
        print(f"{name}: {rate:.1f} parallel fifths and octaves per 100 chords; in {folder / name}.wav the first piece")
        for suffix in (".mid", ".wav", ".svg"):
            corpus.write(pieces[0], folder / f"{name}{suffix}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "polished"))
