"""Music beside its peers: a hidden voice filled in, voice leading, copies, speeds of reading, writing, rendering.

One model of voices (the default recipe) learns the 229 training chorales of the JSB split (sixteenths). On the 77 test
chorales each voice in turn is hidden and filled in from the other three, notes taken greedily, the density of notes
untold; accuracy is the share of frames whose pitch is Bach's, with a bootstrap interval over pieces. Beside it: an
n-gram that backs off over what the other voices sound and this one sounded before, in no key; and an LSTM (the
recurrent family, 2 x 256) over the voices interleaved, the hidden one last in each frame, so that it knows the past and
the others' present: the same chorales in the same keys, as many minutes of learning, its own notes read back, taken
greedily too. 200 free samples: the share that has no run of 16 notes in common with training, in any key (their voice
leading: `music_leading.py`). A second model learns 66 short tunes (the first of `folk` with at most 32 bars) and writes
66: self-BLEU of both. Chord symbols written to the test chorales' sopranos, one a half bar at most, are compared with
those heard in Bach's four voices, beside the likeliest symbol for what the melody sounds there (counted on the training
chorales, in no key), with 95 % bootstrap intervals over pieces. Speeds are CPU-seconds of one thread: reading 1,000
MIDI files beside pretty_midi; quarter notes written a second, one piece at a time and 16 side by side; the time to the
first frame; sound, as a share of its length.

Usage: OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/music_verbs.py [--steps 700] [--only PART ...]
(about 45 CPU-minutes; a stopped fit goes on from benchmarks/.runs. --only measures some parts anew: reading, voices,
lstm, copies, symbols, tunes, speed; the others stay as they are, "measured" says at which commit each was)
"""

from __future__ import annotations

import argparse
import copy
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
from safetensors.torch import load_file, save_file

from conjure import artifact as artifacts
from conjure import catalog, composing, sampling
from conjure.apps.music import APP
from conjure.core.config import fill as filled_settings
from conjure.core.space import Tokens
from conjure.domains.music import checks, corpus, harmony
from conjure.domains.music.piece import START, TICKS, Piece, Pieces, bar_lines, piece
from conjure.domains.music.sound import seconds, to_wav
from conjure.domains.music.voices import DENSITY
from conjure.domains.protocol import Encoded
from conjure.fitting import FitOptions, fit
from conjure.metrics.musical import self_bleu
from conjure.models.decoding import Choice
from conjure.nets.chords import sounding
from conjure.training import checkpoint
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer

RUN, SAMPLES, FILES, TUNES = 16, 200, 1000, 66
WINDOW = 256  # tokens the LSTM learns from at a time: 64 frames
PEER = """
import glob, sys, time, pretty_midi
files = sorted(glob.glob(sys.argv[1] + '/*.mid'))
start = time.process_time()
notes = sum(len(i.notes) for f in files for i in pretty_midi.PrettyMIDI(f).instruments)
print(time.process_time() - start, notes)
"""


def composer(pieces: Pieces, steps: int, name: str = "composer") -> tuple[Any, float]:
    """The default recipe's model, from `.runs` where it was fitted before, and its CPU-seconds."""
    folder = stage.ROOT / "benchmarks" / ".runs" / f"{name}-{steps}"
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
def filled(made: Any, pieces: Pieces) -> tuple[list[np.ndarray], np.ndarray]:
    """Of each voice filled in by the model which frames are right; and what sounds, tokens (frames, V): all pieces in
    a row.
    """
    form = made.codec.form
    encoded = made.codec.encode(pieces)
    x, mask, given = encoded.x.long(), encoded.mask, encoded.given.long()
    given[..., DENSITY] = 0
    truth = sounding(x, 2)
    accuracy = []
    for voice in range(form.voices):
        known = torch.ones_like(mask)
        known[..., voice] = False
        told = made.model.informed(x, given, known & mask)
        guess = sounding(made.model.sample(len(x), given=told, choice=Choice(temperature=0)), 2)
        there = mask[..., voice]
        accuracy.append((guess[..., voice] == truth[..., voice])[there].numpy())
    return accuracy, truth[mask.any(2)].numpy()


def interleaved(rows: np.ndarray, lengths: np.ndarray, vocab: int) -> np.ndarray:
    """One stream of what sounds (N, T, V), frame by frame, a range of tokens a voice; each row says which is last."""
    voices, parts = rows.shape[2], [np.array([rows.shape[2] * vocab])]
    for number, (row, length) in enumerate(zip(rows, lengths)):
        order = np.roll(np.arange(voices), -(number % voices) - 1)
        tokens = (row[:length].astype(np.int64) + np.arange(voices) * vocab)[:, order]
        parts += [tokens.ravel(), parts[0]]
    return np.concatenate(parts)


def lstm(made: Any, pieces: Pieces, budget: float, place: Path) -> tuple[Any, float]:
    """The recurrent family on interleaved voices, learnt for about so many CPU-seconds, and what it took.

    From `place` where it was trained before.
    """
    form, spent = made.codec.form, place.with_suffix(".json")
    space = Tokens(form.voices * form.vocab + 1, (WINDOW,), stream=True)
    family = catalog.resolve("models", "recurrent")
    torch.manual_seed(0)
    model = family(space, None, family.Config(layers=2, width=256, dropout=0.3))
    if place.exists() and spent.exists():
        model.load_state_dict(load_file(place))
        return model.eval(), json.loads(spent.read_text())["seconds"]
    encoded = made.codec.encode_training(pieces)
    rows, lengths = sounding(encoded.x.long(), 2).to(torch.int16).numpy(), encoded.mask.any(2).sum(1).numpy()
    order = np.random.default_rng(0).permutation(len(rows))
    stream = interleaved(rows[order], lengths[order], form.vocab)
    objective = catalog.resolve("objectives", "likelihood")
    data = Encoded(torch.from_numpy(stream.astype(np.int16)), window=WINDOW)

    def run(model: Any, steps: int) -> float:
        settings = {"steps": steps, "batch": 16, "rate": 4e-3, "schedule": "linear", "warmup": 0.04, "clip": 1.0}
        wanted, start = filled_settings(Training, {**settings, "threads": 1}), time.process_time()
        parts = Examples(data, 0), None
        Trainer(objective(model, objective.Config()), wanted, parts, seed=0, folder=None).run(lambda _: None)
        return time.process_time() - start

    each = run(copy.deepcopy(model), 4) / 4
    seconds_ = run(model, max(1, round(budget / each)))
    save_file(model.state_dict(), place)
    spent.write_text(json.dumps({"seconds": seconds_}))
    return model.eval(), seconds_


@torch.no_grad()
def written(model: Any, made: Any, pieces: Pieces) -> list[np.ndarray]:
    """Of each voice written by the LSTM, frame by frame after the others, which frames are right."""
    form, encoded = made.codec.form, made.codec.encode(pieces)
    x, mask, voices = sounding(encoded.x.long(), 2), encoded.mask, form.voices
    found = []
    for voice in range(voices):
        known = [(voice + 1 + k) % voices for k in range(voices - 1)]
        reading, wrote = model.begin(len(x)), torch.zeros_like(x)
        last = torch.full((len(x), 1), voices * form.vocab)
        for t in range(int(mask.any(2).sum(1).max())):
            others = torch.stack([x[:, t, u] + u * form.vocab for u in known], 1)
            logits = model.read(torch.cat([last, others], 1), reading)
            wrote[:, t, voice] = logits[:, voice * form.vocab : (voice + 1) * form.vocab].argmax(1)
            last = wrote[:, t, voice : voice + 1] + voice * form.vocab
        found.append((wrote[..., voice] == x[..., voice])[mask[..., voice]].numpy())
    return found


def share(right: np.ndarray, lengths: np.ndarray) -> dict[str, float]:
    """The share of frames that are right, and its 95 % bootstrap interval over pieces."""
    sums = np.add.reduceat(right.astype(float), np.concatenate([[0], lengths.cumsum()[:-1]]))
    rows = np.random.default_rng(0).integers(len(lengths), size=(2000, len(lengths)))
    low, high = np.quantile(sums[rows].sum(1) / lengths[rows].sum(1), [0.025, 0.975])
    return {"mean": float(right.mean()), "low": float(low), "high": float(high)}


def melodies(one: Piece, size: int) -> tuple[list[int], list[tuple[int, ...]], int]:
    """(ticks of half bars, pitch classes above the tonic that the soprano sounds in each, tonic) of a chorale."""
    top = replace(one, notes=one.voice(0), parts=one.parts[:1])
    tonic, ticks = top.key[0], list(range(0, one.end, size))
    sounds = [top.notes[(top.notes[:, START] < t + size) & (top.notes[:, START] + top.notes[:, 1] > t)] for t in ticks]
    return ticks, [tuple(sorted({(int(p) - tonic) % 12 for p in s[:, 2]})) for s in sounds], tonic


def symbols(made: Any, train: Pieces, test: Pieces, size: int = 48) -> dict[str, dict[str, dict[str, float]]]:
    """Shares of half bars whose chord has Bach's root, and root and kind, by the model and by counts."""
    counts: dict[tuple[int, ...], Counter[tuple[int, str]]] = defaultdict(Counter)
    for one in train:
        ticks, sounds, tonic = melodies(one, size)
        for root, kind, keys in zip(*standing(harmony.heard_in(one), ticks), sounds):
            for key in (keys, keys[:1], ()):
                counts[key][(root - tonic) % 12, kind] += 1
    right: dict[str, list[tuple[bool, bool]]] = {"conjure": [], "counts": []}
    room, lengths = made.codec.form.facts.frames * TICKS // made.codec.form.step, []
    for whole in test:  # of the longest chorale the model can write a part
        one = replace(whole, notes=whole.notes[whole.notes[:, START] + whole.notes[:, 1] <= room])
        ticks, sounds, tonic = melodies(one, size)
        lengths.append(len(ticks))
        sheet = composing.lead_sheet(made, replace(one, notes=one.voice(0), parts=one.parts[:1]))
        roots, kinds = standing(harmony.heard_in(one), ticks)
        for row, (root, kind) in enumerate(zip(*standing(sheet.symbols, ticks))):
            right["conjure"].append((root == roots[row], root == roots[row] and kind == kinds[row]))
            likely = next(counts[key] for key in (sounds[row], sounds[row][:1], ()) if key in counts)
            root, kind = likely.most_common(1)[0][0]
            same = (root + tonic) % 12 == roots[row]
            right["counts"].append((same, same and kind == kinds[row]))
    names = ("root", "root and kind")
    return {
        who: {name: share(np.array(found)[:, k], np.array(lengths)) for k, name in enumerate(names)}
        for who, found in right.items()
    }


def standing(found: Any, ticks: list[int]) -> tuple[list[int], list[str]]:
    """Roots and kinds of the symbols that stand at some ticks."""
    at = np.clip(np.searchsorted([s.tick for s in found], ticks, side="right") - 1, 0, None)
    return [found[k].root for k in at], [found[k].kind for k in at]


def tunes(steps: int) -> dict[str, float]:
    """Self-BLEU of 66 short tunes and of as many written by a model of them; and how many hold no copied run."""
    whole, _ = corpus.read("folk")
    few = Pieces(tuple([one for one in whole if len(bar_lines(one)) <= 32][:TUNES]))
    made, spent = composer(few, max(1, steps // 3), "tunes")
    samples = sampling.sample(made, TUNES, seed=1)
    alike = [self_bleu(some, checks.runs, np.random.default_rng(0), TUNES) for some in (samples, few)]
    asked = sampling.sample(made, TUNES, given={"copies": "no"}, seed=1)
    return {
        "self-BLEU": alike[0],
        "of the data": alike[1],
        "ratio": alike[0] / alike[1],
        "without a copied run": copies(samples, few, made.codec.form.heard),
        "without one, copies=no": copies(asked, few, made.codec.form.heard),
        "CPU-s": spent,
    }


def contexts(frame: np.ndarray, before: int, voice: int) -> list[tuple[int, ...]]:
    """What an n-gram knows of a hidden note, from the most to the least: others and its last note, from the bass up."""
    others = np.delete(frame, voice)
    base = int(others[-1])
    around = tuple(int(o) - base for o in others)
    return [(*around, before - base), (around[0], before - base), around, (before - base,)]


def ngram(train: np.ndarray, test: np.ndarray, voice: int) -> np.ndarray:
    """Which frames the n-gram gets right, going on from what it wrote itself, as in use."""
    counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for before, frame in itertools.pairwise(train):
        for level, context in enumerate(contexts(frame, int(before[voice]), voice)):
            counts[(level, *context)][int(frame[voice]) - int(np.delete(frame, voice)[-1])] += 1
    right, last = [], int(np.median(train[:, voice]))
    for frame in test:
        base = int(np.delete(frame, voice)[-1])
        for level, context in enumerate(contexts(frame, last, voice)):
            if found := counts.get((level, *context)):
                last = base + found.most_common(1)[0][0]
                break
        right.append(last == int(frame[voice]))
    return np.array(right)


def copies(made: Any, train: Pieces, heard: Any) -> float:
    """The share of pieces without any run of 16 notes that a training piece has, as the model's grid writes it."""
    known = {run for one in train for run, _ in checks.runs(heard(one), RUN)}
    return float(np.mean([not any(run in known for run, _ in checks.runs(one, RUN)) for one in made]))


def speeds(made: Any, pieces: Pieces) -> dict[str, float]:
    found = {}
    for name, n in (("one", 1), ("sixteen", 16)):
        start = time.process_time()
        sampling.sample(made, n, given={"bars": 16, "meter": "4/4"}, seed=5)
        found[f"quarter notes a second, {name}"] = n * 64 / (time.process_time() - start)
    times: list[float] = []
    sampling.sample(made, 1, given={"bars": 1, "meter": "4/4"})  # what is loaded once is loaded
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
    python = stage.peer_python("pretty_midi", ["pretty_midi==0.2.11", "setuptools<81"], pinned=False)
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


def voices(made: Any, parts: dict[str, Pieces]) -> dict[str, Any]:
    """A hidden voice filled in by the model and by an n-gram."""
    accuracy, test = filled(made, parts["test"])
    encoded = made.codec.encode(parts["train"])
    train = sounding(encoded.x.long(), 2)[encoded.mask.any(2)].numpy()
    return shares(made, parts, {"conjure": accuracy, "n-gram": [ngram(train, test, v) for v in range(test.shape[1])]})


def by_lstm(made: Any, parts: dict[str, Pieces], steps: int, budget: float) -> dict[str, Any]:
    """The same by an LSTM that learns as long."""
    place = stage.ROOT / "benchmarks" / ".runs" / f"lstm-{steps}.safetensors"
    model, spent = lstm(made, parts["train"], budget, place)
    return {**shares(made, parts, {"LSTM": written(model, made, parts["test"])}), "CPU-s of the LSTM": spent}


def shares(made: Any, parts: dict[str, Pieces], rights: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """Shares of right frames of each hidden voice, under each name."""
    lengths = made.codec.encode(parts["test"]).mask.any(2).sum(1).numpy()
    return {"hidden voice": {who: [share(right, lengths) for right in found] for who, found in rights.items()}}


def copied(made: Any, parts: dict[str, Pieces]) -> dict[str, float]:
    """The shares of free samples and of Bach's that have no copied run."""
    sides = {"conjure": sampling.sample(made, SAMPLES, seed=1), "Bach": parts["test"]}
    return {who: copies(some, parts["train"], made.codec.form.heard) for who, some in sides.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=700)
    names = ("reading", "voices", "lstm", "copies", "symbols", "tunes", "speed")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    whole, _ = corpus.read(stage.SHARED / "jsb-chorales-16th.json")
    parts = {n: Pieces(tuple(p for p in whole if p.name.startswith(n))) for n in ("train", "valid", "test")}
    made, spent = composer(parts["train"], asked.steps)
    ways: dict[str, Any] = {
        "reading": lambda: {"reading": reading(parts["train"])},
        "voices": lambda: voices(made, parts),
        "lstm": lambda: by_lstm(made, parts, asked.steps, spent),
        "copies": lambda: {"without a copied run": copied(made, parts)},
        "symbols": lambda: {"chord symbols": symbols(made, parts["train"], parts["test"])},
        "tunes": lambda: {"66 tunes": tunes(asked.steps)},
        "speed": lambda: {"speed": speeds(made, parts["test"])},
    }
    path = stage.RESULTS / "music_verbs.json"
    before = json.loads(path.read_text("utf-8")) if path.exists() and set(asked.only) < set(names) else {}
    measured = before.pop("measured", {name: before.get("commit", "") for name in names if before})
    result = {**{k: v for k, v in before.items() if k not in stage.facts()}, "steps": asked.steps, "CPU-s": spent}
    for name in asked.only:
        found = ways[name]()
        print(name, json.dumps(found, indent=1), flush=True)
        if "hidden voice" in found:
            found["hidden voice"] = {**result.get("hidden voice", {}), **found["hidden voice"]}
        result, measured = {**result, **found}, {**measured, name: stage.facts()["commit"]}
        stage.write("music_verbs", {**result, "measured": measured})


if __name__ == "__main__":
    main()
