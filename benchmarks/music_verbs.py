"""Music beside its peers: a hidden voice filled in, voice leading, copies, speeds of reading, writing, rendering.

One model of voices (the default recipe) learns the 229 training chorales of the JSB split (sixteenths). On the 77 test
chorales each voice in turn is hidden and filled in from the other three, notes taken greedily; accuracy is the share of
frames whose pitch is Bach's. Beside it: an n-gram that backs off over what the other voices sound and this one sounded
before, in no key. 200 free samples: parallel fifths and octaves per 100 chords beside
Bach's own rate on the test part; the share that has no run of 16 notes in common with training, in any key. Speeds are
CPU-seconds of one thread: reading 1,000 MIDI files beside pretty_midi; quarter notes written a second, one piece at a
time and 16 side by side; the time to the first frame; sound, as a share of its length.

Usage: OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/music_verbs.py [--steps 1500]
(about 40 minutes; a stopped fit goes on from benchmarks/.runs)
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import stage
import torch

from conjure import artifact as artifacts
from conjure import sampling
from conjure.apps.music import APP
from conjure.domains.music import checks, corpus, leading
from conjure.domains.music.piece import START, Piece, Pieces, piece
from conjure.domains.music.sound import seconds, to_wav
from conjure.fitting import FitOptions, fit
from conjure.models.decoding import Choice
from conjure.nets.chords import sounding
from conjure.training import checkpoint

RUN, SAMPLES, FILES = 16, 200, 1000
PEER = """
import glob, sys, time, pretty_midi
files = sorted(glob.glob(sys.argv[1] + '/*.mid'))
start = time.process_time()
notes = sum(len(i.notes) for f in files for i in pretty_midi.PrettyMIDI(f).instruments)
print(time.process_time() - start, notes)
"""


def composer(pieces: Pieces, steps: int) -> tuple[Any, float]:
    """The default recipe's model, from `.runs` where it was fitted before, and its CPU-seconds."""
    folder = stage.ROOT / "benchmarks" / ".runs" / f"composer-{steps}"
    spent = folder.with_suffix(".json")
    before = json.loads(spent.read_text())["seconds"] if spent.exists() else 0.0
    if artifacts.occupied(folder):
        return artifacts.load(folder), before
    folder.parent.mkdir(exist_ok=True)
    recipe = APP.recipe().with_settings([f"training.steps={steps}", "training.threads=1"])
    recipe = replace(recipe, training={k: v for k, v in recipe.training.items() if k != "minutes"})
    start, shown = time.process_time(), [0.0]

    def watch(progress: Any) -> None:
        now = before + time.process_time() - start
        spent.write_text(json.dumps({"seconds": now}))
        if now - shown[0] > 30:
            shown[0] = now
            print(f"step {progress.step} {now:.0f} CPU-s {progress.metrics}", flush=True)

    made = fit(recipe, pieces, folder, FitOptions(resume=checkpoint.find(folder) is not None, watch=watch))
    return made, json.loads(spent.read_text())["seconds"]


@torch.no_grad()
def filled(made: Any, pieces: Pieces) -> tuple[list[float], np.ndarray]:
    """Accuracy of each voice filled in by the model; and what sounds, tokens (frames, V), of all pieces in a row."""
    form = made.codec.form
    encoded = made.codec.encode(pieces)
    x, mask, given = encoded.x.long(), encoded.mask, encoded.given.long()
    truth = sounding(x, 2)
    accuracy = []
    for voice in range(form.voices):
        known = torch.ones_like(mask)
        known[..., voice] = False
        told = made.model.informed(x, given, known & mask)
        guess = sounding(made.model.sample(len(x), given=told, choice=Choice(temperature=0)), 2)
        there = mask[..., voice]
        accuracy.append(float((guess[..., voice] == truth[..., voice])[there].float().mean()))
    return accuracy, truth[mask.any(2)].numpy()


def contexts(frame: np.ndarray, before: int, voice: int) -> list[tuple[int, ...]]:
    """What an n-gram knows of a hidden note, from the most to the least: others and its last note, from the bass up."""
    others = np.delete(frame, voice)
    base = int(others[-1])
    around = tuple(int(o) - base for o in others)
    return [(*around, before - base), (around[0], before - base), around, (before - base,)]


def ngram(train: np.ndarray, test: np.ndarray, voice: int) -> float:
    """Accuracy of the n-gram, which goes on from what it wrote itself, as in use."""
    counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for before, frame in itertools.pairwise(train):
        for level, context in enumerate(contexts(frame, int(before[voice]), voice)):
            counts[(level, *context)][int(frame[voice]) - int(np.delete(frame, voice)[-1])] += 1
    right, last = 0, int(np.median(train[:, voice]))
    for frame in test:
        base = int(np.delete(frame, voice)[-1])
        for level, context in enumerate(contexts(frame, last, voice)):
            if found := counts.get((level, *context)):
                last = base + found.most_common(1)[0][0]
                break
        right += last == int(frame[voice])
    return right / len(test)


def faults(pieces: Any) -> dict[str, float]:
    chords = sum(len(np.unique(p.notes[:, 0])) for p in pieces)
    found = Counter(f.kind for p in pieces for f in leading.parallels(p))
    return {kind: 100 * found[kind] / chords for kind in leading.KINDS.values()}


def copies(made: Any, train: Pieces) -> float:
    """The share of pieces without any run of 16 notes that a training piece has."""
    known = {run for one in train for run, _ in checks.runs(one, RUN)}
    return float(np.mean([not any(run in known for run, _ in checks.runs(one, RUN)) for one in made]))


def speeds(made: Any, pieces: Pieces) -> dict[str, float]:
    found = {}
    for name, n in (("one", 1), ("sixteen", 16)):
        start = time.process_time()
        sampling.sample(made, n, given={"bars": 16, "meter": "4/4"}, seed=5)
        found[f"quarter notes a second, {name}"] = n * 64 / (time.process_time() - start)
    times: list[float] = []
    start = time.process_time()
    condition = made.codec.condition({"bars": 16, "meter": "4/4"}, 1)

    def first(at: Any) -> list[Any]:
        if at.voice == 0 and at.frame == 1:
            times.append(time.process_time() - start)
        return []

    made.model.sample(1, given=condition, rng=torch.Generator().manual_seed(0), allow=first)
    found["first frame, s"] = times[0]
    start = time.process_time()
    some = list(pieces)[:20]
    for one in some:
        to_wav(one)
    length = sum(float(seconds(one, np.array([one.end]))[0]) for one in some)
    found["sound, share of real time"] = (time.process_time() - start) / length
    return found


def joined(pieces: Pieces, start: int, count: int) -> Piece:
    """So many pieces one after the other, as one of a common length of files people have."""
    rows, at = [], 0
    for k in range(start, start + count):
        one = pieces[k % len(pieces)]
        notes = one.notes.copy()
        notes[:, START] += at
        at += one.end
        rows.append(notes)
    return piece(np.concatenate(rows), pieces[0].parts)


def reading(pieces: Pieces) -> dict[str, dict[str, float]]:
    """CPU-seconds to read 1,000 MIDI files, here and by pretty_midi: single chorales, and ten of them in a file."""
    python = stage.peer_python("pretty_midi", ["pretty_midi==0.2.11", "setuptools<81"])
    found = {}
    for name, count in (("of one chorale", 1), ("of ten chorales", 10)):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "midi"
            corpus.write([joined(pieces, k, count) for k in range(FILES)], folder)
            start = time.process_time()
            read, _ = corpus.read(folder)
            ours = time.process_time() - start
            words = [str(python), "-W", "ignore", "-c", PEER, str(folder)]
            theirs, notes = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        assert sum(len(p.notes) for p in read) == int(notes)
        found[name] = {"conjure": ours, "pretty_midi": float(theirs), "times faster": float(theirs) / ours}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1500)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    whole, _ = corpus.read(stage.SHARED / "jsb-chorales-16th.json")
    parts = {n: Pieces(tuple(p for p in whole if p.name.startswith(n))) for n in ("train", "valid", "test")}
    result: dict[str, Any] = {"reading": reading(parts["train"])}
    print(result, flush=True)
    made, result["CPU-s"] = composer(parts["train"], steps)
    accuracy, test = filled(made, parts["test"])
    train = sounding(made.codec.encode(parts["train"]).x.long(), 2)[
        made.codec.encode(parts["train"]).mask.any(2)
    ].numpy()
    grams = [ngram(train, test, v) for v in range(test.shape[1])]
    result["hidden voice"] = {"conjure": accuracy, "n-gram": grams}
    samples = sampling.sample(made, SAMPLES, seed=1)
    result["faults per 100 chords"] = {"conjure": faults(samples), "Bach": faults(parts["test"])}
    result["without a copied run"] = {
        "conjure": copies(samples, parts["train"]),
        "Bach": copies(parts["test"], parts["train"]),
    }
    result["speed"] = speeds(made, parts["test"])
    stage.write("music_verbs", {"steps": steps, **result})
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
