"""The levels of a codec's frames: one token after the other, as conjure's decoder has them, or side by side, delayed.

One codec of the embedded drums, one set of tokens, 3 blocks of width 128 on either side. In a row each token is drawn
given all before it. Delayed (Copet et al. 2023, sec. 2.2) level l of frame t is drawn at step t + l with the other
levels of that step, independent of them given the steps before: a quarter of the steps, and no longer the exact chain
rule. Held-out nats of a clip are log-likelihoods of the same tokens; of drawn sounds the report's class accuracy and
distance of band levels, and CPU-milliseconds a sound.

Usage: OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/audio_levels.py [--steps 300] [--seeds 2] (about 6 CPU-minutes)
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import stage
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure import evaluation, sampling
from conjure.artifact import Artifact
from conjure.core.space import Columns, Tokens
from conjure.domains.audio import corpus
from conjure.fitting import fit
from conjure.models.decoder import Decoder
from conjure.models.protocol import Model
from conjure.nets.transformer import Sizes, Transformer
from conjure.objectives.likelihood import Likelihood
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer
from conjure.verbs import recipe_for

ROW, DELAYED, LONGER = ARMS = ("one after the other", "delayed", "delayed, as much time")
SOUNDS = 256


class Delayed(Model):
    """A grid of tokens (F, L) written in F + L - 1 steps of L tokens each."""

    spaces: ClassVar = (Tokens,)
    given_spaces: ClassVar = (Columns,)
    score_kind = "exact"

    @dataclass(frozen=True)
    class Config:
        """As of the decoder."""

        layers: int = 3
        width: int = 128
        heads: int = 4
        dropout: float = 0.1

    def __init__(self, space: Tokens, given: Columns, config: Config):
        super().__init__(space, given, config)
        c, (frames, levels) = config, space.shape
        self.steps = frames + levels - 1
        self.tokens = nn.ModuleList(nn.Embedding(space.vocab + 1, c.width) for _ in range(levels))  # the last: none
        self.labels = nn.ModuleList(nn.Embedding(size, c.width) for size in given.sizes)
        self.places = nn.Embedding(self.steps, c.width)
        self.trunk = Transformer(Sizes(c.layers, c.width, c.heads, c.heads, self.steps, 4.0, c.dropout))
        self.heads = nn.ModuleList(nn.Linear(c.width, space.vocab, bias=False) for _ in range(levels))

    def delayed(self, x: Tensor) -> Tensor:
        """x (B, F, L) with level l moved l steps down, (B, F + L - 1, L); V where there is no token."""
        last, levels = x.shape[2] - 1, x.unbind(2)
        return torch.stack([F.pad(level, (k, last - k), value=self.space.vocab) for k, level in enumerate(levels)], 2)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """log P(x | given) in nats, (B,)."""
        grid = self.delayed(x)
        before = F.pad(grid[:, :-1], (0, 0, 1, 0), value=self.space.vocab)
        hidden = self.trunk(self._entered(before, given, 0))
        nats = [
            F.cross_entropy(head(hidden).mT, grid[..., k], ignore_index=self.space.vocab, reduction="none").sum(1)
            for k, head in enumerate(self.heads)
        ]
        return -torch.stack(nats).sum(0)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """n grids (N, F, L), a step at a time."""
        frames, levels = self.space.shape
        grid = torch.full((n, self.steps + 1, levels), self.space.vocab)
        memories = self.trunk.memories(n, self.places.weight)
        for step in range(self.steps):
            hidden = self.trunk(self._entered(grid[:, step : step + 1], given.expand(n, -1), step), memories)[:, 0]
            for k in range(max(0, step - frames + 1), min(levels, step + 1)):
                drawn = torch.multinomial(self.heads[k](hidden).softmax(1), 1, generator=rng)
                grid[:, step + 1, k] = drawn[:, 0]
        return torch.stack([grid[:, 1 + k : 1 + k + frames, k] for k in range(levels)], 2)

    def _entered(self, grid: Tensor, given: Tensor, start: int) -> Tensor:
        x = sum(table(grid[..., k]) for k, table in enumerate(self.tokens))
        x = x + self.places.weight[start : start + grid.shape[1]]
        return x + sum(table(given[:, k]) for k, table in enumerate(self.labels)).unsqueeze(1)


def based(steps: int) -> tuple[Artifact, tuple[Any, Any]]:
    """A composition whose decoder is still to be learnt, and the tokens of training and held-out sounds."""
    words = [f"first.training.steps={steps}", "training.steps=1", "training.threads=1", "first.training.threads=1"]
    made = fit(recipe_for("audio", settings=words), "drums")
    parts = corpus.split(corpus.read("drums")[0], made.recipe.held_out, made.recipe.seed)
    return made, tuple(made.codec.encode(part) for part in parts)


def learnt(base: Artifact, parts: tuple[Any, Any], arm: str, steps: int, seed: int) -> tuple[Artifact, float]:
    """A decoder of one kind over the tokens, in place of the base's, and its CPU-seconds."""
    torch.manual_seed(seed)
    codec = base.codec
    if arm == ROW:
        model = Decoder(codec.space, codec.given_space, Decoder.Config(layers=3, width=128, heads=4, dropout=0.1))
    else:
        model = Delayed(codec.space, codec.given_space, Delayed.Config())
    told = {k: v for k, v in base.recipe.training.items() if k not in ("steps", "minutes", "threads")}
    training = Training(**told, steps=steps, threads=1)
    data = tuple(Examples(part, seed) for part in parts)
    began = time.process_time()
    Trainer(Likelihood(model, Likelihood.Config()), training, data, seed=seed).run()
    return replace(base, model=model.eval()), time.process_time() - began


def judged(made: Artifact, held: Any) -> dict[str, float]:
    """Held-out nats of a clip, what the report says of drawn sounds, and how long drawing takes."""
    with torch.no_grad():
        nats = -made.model.log_prob(held.x.long(), held.given)
    began = time.process_time()
    sampling.sample(made, SOUNDS, seed=1)
    spent = (time.process_time() - began) / SOUNDS
    figures = {f.name: f.ours for f in evaluation.evaluate(made, "drums", n=SOUNDS).figures}
    kept = ("class accuracy", "FD(band levels)", "near copies")
    return {"held-out nats": float(nats.mean()), "CPU-ms a sound": 1000 * spent} | {k: figures[k] for k in kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", type=int, default=600, help="steps of the codec")
    parser.add_argument("--steps", type=int, default=300, help="of each decoder")
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    base, parts = based(asked.codec)
    found: dict[str, dict[str, list[float]]] = {arm: defaultdict(list) for arm in ARMS}
    for seed in range(asked.seeds):
        for arm in ARMS:
            times = [found[a]["CPU-s"][0] for a in (ROW, DELAYED)] if arm == LONGER else [1.0, 1.0]
            steps = round(asked.steps * times[0] / times[1])
            made, spent = learnt(base, parts, arm, steps, seed)
            for name, value in {"steps": steps, "CPU-s": spent, **judged(made, parts[1])}.items():
                found[arm][name].append(float(value))
            print(json.dumps({arm: found[arm]}), flush=True)
    result = {arm: {name: stage.interval(values) for name, values in one.items()} for arm, one in found.items()}
    print(stage.write("audio_levels", {"codec": asked.codec, "seeds": asked.seeds, "arms": result}))


if __name__ == "__main__":
    main()
