"""Sound: the codec beside mu-law of as many bits, read back by Basic Pitch, and what a decoder of its tokens makes.

Two sets that anyone can make again: 600 drum sounds by formula (half a second, four classes), and the beginnings of
120 chorales played by additive synthesis, cut into clips of 2 s; both at 16 kHz, a tenth of the recordings held out.
On each the default run: the codec, then the decoder through it. On held-out sounds: SI-SDR and log-spectral distance
of what comes back from tokens, beside mu-law at the same bits a second (a lower rate), mu-law at 8 bits a sample, and
the linear code that the codec begins as, its books on the same data. Held-out chorales are read back whole by Basic
Pitch's bundled model and held against their score: F1 of onsets and of notes, for the original, the codec, and mu-law.
Samples: the report's distance, copies and class accuracy. Budgets are steps; CPU-seconds of one thread are kept.

With --critic the codec alone, and what its critic brings: with it, without it in as many steps, and without it in about
as much time; differences are paired, sound by sound.

Usage: OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/audio_codec.py [--steps 1500] [--tokens 300]
(about 12 CPU-minutes and 2 GB); with --critic [--steps 600] [--seeds 2] (about 10 CPU-minutes)
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import stage
import torch

from conjure import evaluation
from conjure.artifact import Artifact
from conjure.core.rng import generator
from conjure.domains.audio import corpus, files, rendered
from conjure.domains.audio.sounds import Sound, Sounds, sound
from conjure.domains.music import embedded
from conjure.domains.music.piece import LENGTH, PITCH, START
from conjure.domains.music.sound import seconds
from conjure.fitting import fit
from conjure.metrics import waves
from conjure.metrics.frechet import frechet
from conjure.models.vq import VQ
from conjure.verbs import recipe_for

SETS = {"drums": 256, "chorales": 64}  # samples judged
WITH, WITHOUT, LONGER = ARMS = ("with the critic", "without it", "without it, as much time")
PEER = ("onnxruntime", "librosa", "mir_eval", "pretty_midi", "resampy<0.4.3", "scikit-learn", "setuptools<81")
HEARD = "basic-pitch==0.4.0"  # without what it asks for: its other backends take gigabytes


def learnt(name: str, steps: int, tokens: int, seed: int) -> tuple[Artifact, float]:
    """The default run on a set, and its CPU-seconds."""
    words = [f"training.steps={tokens}", "training.threads=1", "training.minutes=600"]
    words += [f"first.training.steps={steps}", "first.training.threads=1", "first.training.minutes=600"]
    began = time.process_time()
    return fit(recipe_for("audio", settings=words).with_seed(seed), name), time.process_time() - began


def coder(name: str, steps: int, seed: int, *words: str) -> tuple[Artifact, float]:
    """The codec alone on a set, and its CPU-seconds."""
    words = (f"training.steps={steps}", "training.threads=1", *words)
    began = time.process_time()
    made = fit(recipe_for("audio", recipe="codec", settings=list(words)).with_seed(seed), name)
    return made, time.process_time() - began


def interval(values: np.ndarray) -> dict[str, float]:
    return stage.interval([float(v) for v in values])


def written_again(made: Artifact, held: Sounds, kept: Sounds) -> dict[str, Any]:
    """Distances of held-out clips from what comes back of them through a codec, by code."""
    codec, model = made.codec, made.model
    x = codec.encode(held).x
    rate, before = codec.config.rate, x.numpy()
    bits = math.prod(model.latent_shape) * math.log2(model.vocab) / codec.seconds
    torch.manual_seed(0)
    linear = VQ(model.space, None, model.config).eval()
    linear.begin(codec.encode(kept).x[:256], generator(0, "books"))
    with torch.no_grad():
        sides = {
            "conjure": (model.decode(model.encode(x)).numpy(), bits),
            "the linear code it begins as": (linear.decode(linear.encode(x)).numpy(), bits),
            "mu-law at the same bits": (waves.mu_law(before, rate, bits), bits),
            "mu-law, 8 bits a sample": (waves.mu_law(before, rate, 8 * rate), 8.0 * rate),
        }
    labels = np.array([one.label for one in held])
    return {
        who: {
            "bits a second": round(kbits),
            "SI-SDR by class": {
                kind: float(waves.si_sdr(before, wave)[labels == kind].mean()) for kind in held.classes
            },
            "SI-SDR (dB)": interval(waves.si_sdr(before, wave)),
            "log-spectral distance (dB)": interval(waves.log_spectral_distance(before, wave)),
        }
        for who, (wave, kbits) in sides.items()
    }


def read_back(coders: dict[str, Artifact], held: Sounds) -> dict[str, Any]:
    """F1 of what Basic Pitch hears in whole held-out chorales, original and written again, against their scores."""
    python = stage.peer_python("basic-pitch", list(PEER), pinned=False)
    subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", HEARD], check=True)
    pieces = [rendered.beginning(one) for one in embedded.load("chorales", rendered.PIECES)]
    scores = {corpus.digest(Sounds((rendered.played(one),))): one for one in pieces}
    with tempfile.TemporaryDirectory() as place:
        notes = {}
        for row, one in enumerate(held):
            score, name = scores[corpus.digest(Sounds((one,)))], f"{row:03d}"
            spans = [seconds(score, score.notes[:, START] + score.notes[:, LENGTH] * k) for k in (0, 1)]
            notes[name] = np.stack([*spans, score.notes[:, PITCH]], 1).tolist()
            for side, heard in _sides(coders, one).items():
                (Path(place) / side).mkdir(exist_ok=True)
                (Path(place) / side / f"{name}.wav").write_bytes(files.to_wav(sound(heard, one.rate)))
        (Path(place) / "notes.json").write_text(json.dumps(notes))
        words = [str(python), str(stage.ROOT / "benchmarks" / "peers" / "listening.py"), place, f"{place}/notes.json"]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        side: {what: interval(np.array([v[what] for v in by_name.values()])) for what in ("onsets", "notes")}
        for side, by_name in found.items()
    }


def _sides(coders: dict[str, Artifact], one: Sound) -> dict[str, np.ndarray]:
    """A recording as it is, through each codec, and by mu-law of as many bits a second."""
    wave, sides = torch.from_numpy(one.wave)[None], {"original": one.wave}
    for who, made in coders.items():
        model: Any = made.model
        with torch.no_grad():
            tokens = model.encode(wave)
            sides[who] = model.decode(tokens)[0, : len(one)].numpy()
        bits = tokens.shape[2] * math.log2(model.vocab) * one.rate / model.config.hop
    return {**sides, "mu-law": waves.mu_law(wave.numpy(), one.rate, bits)[0]}


def judged(made: Artifact, name: str, n: int) -> dict[str, Any]:
    """The report's figures of samples, each beside baseline and ceiling."""
    report = evaluation.evaluate(made, name, n=n)
    return {
        f.name: {"ours": f.ours, "low": f.low, "high": f.high, "baseline": f.baseline, "ceiling": f.ceiling}
        for f in report.figures
        if not f.name.startswith("reconstruction")
    }


def critic_weighed(name: str, steps: int, seeds: int) -> dict[str, Any]:
    """What the critic brings to the codec of a set: distances of held-out clips with and without it."""
    found: dict[str, Any] = {arm: {"steps": steps, "CPU-s": []} for arm in ARMS}
    values: dict[str, dict[str, list[np.ndarray]]] = {arm: defaultdict(list) for arm in ARMS}
    corpus.read(name)  # which takes its time once, and is no part of learning
    for seed in range(seeds):
        coders: dict[str, Artifact] = {}
        for arm in ARMS:
            if arm == LONGER:
                times = [found[a]["CPU-s"][0] for a in (WITH, WITHOUT)]
                found[arm]["steps"] = round(steps * times[0] / times[1])
            words = () if arm == WITH else ("objective.game=0.0",)
            coders[arm], spent = coder(name, found[arm]["steps"], seed, *words)
            found[arm]["CPU-s"].append(spent)
        held = corpus.split(corpus.read(name)[0], coders[WITH].recipe.held_out, seed)[1]
        for arm, made in coders.items():
            for what, each in _distances(made, held).items():
                values[arm][what].append(each)
        if name == "chorales" and not seed:
            found["read back"] = read_back(coders, held)
    for arm in ARMS:
        found[arm] |= {what: interval(np.concatenate(each)) for what, each in values[arm].items()}
        gains = {what: [a - b for a, b in zip(values[WITH][what], values[arm][what])] for what in values[arm]}
        if arm != WITH:
            found[arm]["critic's gain"] = {what: interval(np.concatenate(each)) for what, each in gains.items()}
    return found


def _distances(made: Artifact, held: Sounds) -> dict[str, np.ndarray]:
    """Both distances of each held-out clip from what comes back of it, and the Frechet distance between all of them."""
    model: Any = made.model
    x, rate = made.codec.encode(held).x, made.codec.config.rate
    with torch.no_grad():
        again = model.decode(model.encode(x)).numpy()
    real, back = (waves.features(side, rate) for side in (x.numpy(), again))
    real, back = ((side - real.mean(0)) / (real.std(0) + 1e-3) for side in (real, back))
    return {
        "SI-SDR (dB)": waves.si_sdr(x.numpy(), again),
        "log-spectral distance (dB)": waves.log_spectral_distance(x.numpy(), again),
        "FD(band levels)": np.array([frechet(real, back).value]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="of each codec: 1500, with --critic 600")
    parser.add_argument("--tokens", type=int, default=300, help="steps of each decoder")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--critic", action="store_true", help="weigh what the critic of the codec brings")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each codec with --critic")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.steps = asked.steps or (600 if asked.critic else 1500)
    if asked.critic:
        weighed = {name: critic_weighed(name, asked.steps, asked.seeds) for name in asked.sets}
        print(json.dumps(weighed, indent=1))
        if asked.sets == list(SETS):
            print(stage.write("audio_critic", {"steps": asked.steps, "seeds": asked.seeds, "sets": weighed}))
        return
    result: dict[str, Any] = {"steps": asked.steps, "tokens": asked.tokens, "seed": asked.seed, "sets": {}}
    for name in asked.sets:
        made, spent = learnt(name, asked.steps, asked.tokens, asked.seed)
        kept, held = corpus.split(corpus.read(name)[0], made.recipe.held_out, made.recipe.seed)
        found = {"CPU-s": spent, "held out": len(held), "written again": written_again(made.first, held, kept)}
        found["samples"] = judged(made, name, SETS[name])
        if name == "chorales":
            found["read back"] = read_back({"conjure": made.first}, held)
        result["sets"][name] = found
        print(json.dumps({name: found}, indent=1), flush=True)
    if asked.sets == list(SETS):
        print(stage.write("audio_codec", result))


if __name__ == "__main__":
    main()
