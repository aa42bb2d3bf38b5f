"""The encoder-decoder learns a translation whose conditional entropy is known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from conjure.core.space import Tokens
from conjure.domains.protocol import Encoded
from conjure.models.seq2seq import Seq2Seq
from conjure.objectives.likelihood import Likelihood
from tests.learning.toys import learn

WORDS, LONGEST, END = 8, 6, 8
NOISE = 0.2
ENTROPY = -(1 - NOISE + NOISE / WORDS) * math.log(1 - NOISE + NOISE / WORDS) - NOISE * (1 - 1 / WORDS) * math.log(
    NOISE / WORDS
)  # nats a word


def translated(n: int, seed: int) -> Encoded:
    """Sources of three to six words; the target is the source backwards, each word changed by a fixed table,
    and one in five replaced by any word."""
    rng = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, LONGEST + 1, (n, 1), generator=rng)
    place = torch.arange(LONGEST + 1)
    source = torch.randint(WORDS, (n, LONGEST + 1), generator=rng).masked_fill(place >= lengths, END)
    backwards = source.gather(1, (lengths - 1 - place).clamp(min=0))
    table = torch.randperm(WORDS, generator=torch.Generator().manual_seed(0))
    words = table[backwards.clamp(max=WORDS - 1)]
    noisy = torch.rand(words.shape, generator=rng) < NOISE
    words = torch.where(noisy, torch.randint(WORDS, words.shape, generator=rng), words)
    return Encoded(words.masked_fill(place >= lengths, END), given=source)


def entropy(target: Tensor) -> float:
    """Nats a target of the language itself, ends (which are certain) counted among them."""
    words = (target != END).sum()
    return float(ENTROPY * words / (words + len(target)))


def test_it_comes_within_two_percent_of_the_conditional_entropy():
    """About ten seconds of training on one core; the held-out set is large, for its own entropy has noise."""
    torch.manual_seed(0)
    space = Tokens(WORDS + 1, (LONGEST + 1,), END)
    model = Seq2Seq(space, space, Seq2Seq.Config(layers=(1, 1), width=48, heads=2, dropout=0.0))
    kept, held_out = translated(40_000, 1), translated(8_000, 2)
    found = learn(
        Likelihood(model, Likelihood.Config()),
        (kept, held_out),
        steps=500,
        batch=64,
        rate=0.01,
        optimizer="muon",
        schedule="linear",
        validate_every=500,
    )["held_out_loss"]
    best = entropy(held_out.x)
    assert found > 0.98 * best
    assert found < 1.02 * best
