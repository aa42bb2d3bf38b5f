"""Voice leading: parallel fifths and octaves of what a composer writes beside Bach's own, with and without a mask.

The default recipe's model learns the 229 training chorales of the JSB split (sixteenths; it is that of
`music_verbs.py`, from benchmarks/.runs where it is there). Counted are parallels per 100 chords, Bach's by the same
function (`domains/music/leading.py`), with 95 % bootstrap intervals over pieces: of 200 free samples by the model alone
at temperatures 1, 0.9 and 0.8, and as `conjure sample` gives them, where what the training pieces avoid is masked
unless it is let be; of the 77 test chorales with each voice in turn hidden and drawn anew (temperature 0.9, one draft;
parallels in which that voice takes part), and with all voices below the soprano drawn anew. What the mask costs: nats a
quarter note of the samples under the model; the overlap of histograms of MusPy's statistics with the test chorales; the
share that has no run of 16 notes in common with training, in any key.

Usage: OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/music_leading.py [--steps 700] [--more 1400]
(about 4 CPU-minutes, and 14 to fit the model where it is not there; --more also fits and counts one of more steps)
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import music_verbs
import numpy as np
import stage
import torch
from torch import Tensor

from conjure.core.rng import generator
from conjure.domains.music import corpus, features, leading, words
from conjure.domains.music.piece import START, TICKS, Pieces
from conjure.domains.music.voices import DENSITY
from conjure.metrics.musical import overlap
from conjure.models.decoding import Choice

SAMPLES, FREE = 200, {"parallels": "yes", "crossing": "yes", "leaps": "yes"}
KINDS = ("parallel fifths", "parallel octaves")


def rates(pieces: Any, voices: list[int] | None = None) -> dict[str, Any]:
    """Parallels per 100 chords by kind and together, with intervals; voices: those in which this one takes part."""
    rows = []
    for number, one in enumerate(pieces):
        kinds = [f.kind for f in leading.parallels(one) if voices is None or voices[number] in f.parts]
        rows.append([*(kinds.count(kind) for kind in KINDS), len(kinds), len(np.unique(one.notes[:, START]))])
    counts, rng = np.array(rows), np.random.default_rng(0)
    drawn = counts[rng.integers(len(counts), size=(2000, len(counts)))].sum(1)
    low, high = np.quantile(100 * drawn[:, :3] / drawn[:, 3:], [0.025, 0.975], axis=0)
    mean = 100 * counts[:, :3].sum(0) / counts[:, 3].sum()
    names = (*KINDS, "together")
    return {
        name: {"mean": float(m), "low": float(a), "high": float(b)} for name, m, a, b in zip(names, mean, low, high)
    }


def drawn(made: Any, given: dict[str, Any], temperature: float = 1.0) -> tuple[Pieces, Tensor]:
    """Free samples as `sampling.sample` draws them, at a temperature, and their tokens."""
    how = {"choice": Choice(temperature), **made.codec.limits(given, SAMPLES)}
    x = made.model.sample(SAMPLES, given=made.codec.condition(given, SAMPLES), rng=generator(1, "sample"), **how)
    return made.codec.decode(x, None, given), x


@torch.no_grad()
def anew(made: Any, pieces: Pieces, hidden: list[int], given: dict[str, Any]) -> Pieces:
    """Pieces with some voices drawn anew, under the rules that hold."""
    form, encoded, rules = made.codec.form, made.codec.encode(pieces), made.codec.rules(given)
    x, mask, told = encoded.x.long(), encoded.mask, encoded.given.long()
    told[..., DENSITY] = 0  # of the whole piece, hidden voices included: not known
    shown = mask.clone()
    shown[..., hidden] = False
    told = made.model.informed(x, told, shown)
    plans = words.plans(form, {}, len(x))
    limits = {"allow": rules.allow(form, plans, told[..., -form.voices :] - 1)} if rules.any else {}
    y = made.model.sample(len(x), given=told, choice=Choice(0.9), rng=generator(2, "anew"), **limits)
    return Pieces(tuple(form.decode(y, [resized(p, int(m.any(1).sum())) for p, m in zip(plans, mask)])))


def resized(plan: Any, frames: int) -> Any:
    """A plan of other frames."""
    return replace(plan, frames=frames, meters=((0, 4, 4),))


@torch.no_grad()
def nats(made: Any, x: Tensor, given: dict[str, Any]) -> float:
    """Nats a quarter note of free samples under the model."""
    form, plans = made.codec.form, words.plans(made.codec.form, given, len(x))
    there = torch.arange(x.shape[1])[None, :] < torch.tensor([plan.frames for plan in plans])[:, None]
    mask = there[..., None].expand(x.shape)
    spent = -made.model.log_prob(x, made.codec.condition(given, len(x)), mask).sum()
    return float(spent / there.sum() * form.step)


def overlaps(pieces: Pieces, real: Pieces) -> dict[str, float]:
    """The area that histograms of each statistic share with those of real pieces."""
    ours, theirs = ([features.measures(one) for one in side] for side in (pieces, real))
    return {name: overlap(*(np.array([row[name] for row in side]) for side in (ours, theirs))) for name in ours[0]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--more", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    whole, _ = corpus.read(stage.SHARED / "jsb-chorales-16th.json")
    parts = {n: Pieces(tuple(p for p in whole if p.name.startswith(n))) for n in ("train", "test")}
    made, spent = music_verbs.composer(parts["train"], asked.steps)
    form = made.codec.form
    test = Pieces(tuple(p for p in made.codec.adapt(parts["test"]) if p.end * form.step <= form.facts.frames * TICKS))
    result: dict[str, Any] = {"steps": asked.steps, "CPU-s": spent, "free": {"Bach": rates(parts["test"])}}
    for temperature in (1.0, 0.9, 0.8):
        pieces, x = drawn(made, FREE, temperature)
        result["free"][f"no mask, temperature {temperature:g}"] = rates(pieces)
        if temperature == 1:
            cost = {"no mask": sides(made, pieces, parts, nats(made, x, FREE))}
    pieces, x = drawn(made, {})
    result["free"]["as sampled"] = rates(pieces)
    cost["as sampled"] = sides(made, pieces, parts, nats(made, x, {}))
    cost["Bach"] = sides(made, parts["test"], parts, None)
    result["what the mask costs"] = cost
    print(json.dumps(result, indent=1), flush=True)
    others: dict[str, Any] = {}
    order = [v for v in range(form.voices) for _ in test]
    for name, given in (("Bach", None), ("no mask", FREE), ("as sampled", {})):
        one = [p for v in range(form.voices) for p in (test if given is None else anew(made, test, [v], given))]
        rest = test if given is None else anew(made, test, list(range(1, form.voices)), given)
        others[name] = {"a voice filled in": rates(one, order), "three voices under a soprano": rates(rest)}
    result["given voices"] = others
    if asked.more:
        more, spent = music_verbs.composer(parts["train"], asked.more)
        result["more steps"] = {"steps": asked.more, "CPU-s": spent, "no mask": rates(drawn(more, FREE)[0])}
    print(stage.write("music_leading", result).read_text())


def sides(made: Any, pieces: Pieces, parts: dict[str, Pieces], spent: float | None) -> dict[str, Any]:
    """What is said of samples beside their faults."""
    found = {} if spent is None else {"nats a quarter note": spent}
    copied = music_verbs.copies(pieces, parts["train"], made.codec.form.heard)
    return {**found, "overlap": overlaps(pieces, parts["test"]), "without a copied run": copied}


if __name__ == "__main__":
    main()
