"""The masked convolution learns a language of known entropy that is written downwards."""

from __future__ import annotations

import math

import torch

from conjure.core.space import Tokens
from conjure.domains.protocol import Encoded
from conjure.models.pixels import Pixels
from conjure.objectives.likelihood import Likelihood
from tests.learning.languages import chain
from tests.learning.toys import learn

VOCAB, HEIGHT, WIDTH = 6, 8, 8


def test_it_comes_within_two_percent_of_the_entropy():
    """Every column of a grid is a stretch of a Markov chain; its neighbours say nothing of it."""
    stream, odds = chain(VOCAB, 2000 * HEIGHT * WIDTH)
    grids = stream.view(-1, WIDTH, HEIGHT).mT.contiguous()  # (N, H, W)
    kept, held_out = grids[:1600], grids[1600:]
    torch.manual_seed(0)
    model = Pixels(Tokens(VOCAB, (HEIGHT, WIDTH)), None, Pixels.Config(reach=2, width=48))
    data = Encoded(kept), Encoded(held_out)
    found = learn(Likelihood(model, Likelihood.Config()), data, steps=400, batch=64, rate=1e-2, average=0.98)
    after = -odds[held_out[:, :-1], held_out[:, 1:]].log().sum()
    first = torch.bincount(kept[:, 0].flatten(), minlength=VOCAB).float()
    best = (after - (first / first.sum()).log()[held_out[:, 0]].sum()) / held_out.numel()
    assert best < 0.9 * math.log(VOCAB)
    assert float(best) - 0.01 < found["held_out_loss"] < 1.02 * float(best)
