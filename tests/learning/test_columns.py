"""The any-order model learns a table of known entropy: a column that the others decide in part, a parity, a chain."""

from __future__ import annotations

import math

import torch

from conjure.core.space import Category, Columns
from conjure.domains.protocol import Encoded
from conjure.models.columns import AnyOrder
from conjure.models.independent import Independent
from conjure.objectives.orderless import Orderless
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer

SPACE = Columns((Category("a", 4), Category("b", 4), Category("sum", 4), Category("next", 5, ordered=True)))
NOISE = 0.2  # chance that "sum" is drawn anew instead of being (a + b) mod 4; "next" is sum or sum + 1 alike
CHANGED = NOISE / 4
TRUTH = 2 * math.log(4) + math.log(2)  # a, b and next's step
TRUTH -= 3 * CHANGED * math.log(CHANGED) + (1 - 3 * CHANGED) * math.log(1 - 3 * CHANGED)


def table(rows, seed):
    rng = torch.Generator().manual_seed(seed)
    a, b, anew, step = (torch.randint(k, (rows,), generator=rng) for k in (4, 4, 4, 2))
    total = torch.where(torch.rand(rows, generator=rng) < NOISE, anew, (a + b) % 4)
    return torch.stack([a, b, total, total + step], 1)


def test_it_comes_within_two_percent_of_the_entropy_where_columns_alone_say_little():
    kept, held_out = table(8000, 0), table(4000, 1)
    torch.manual_seed(0)
    model = AnyOrder(SPACE, None, AnyOrder.Config(width=48, layers=2, dropout=0.0))
    data = Examples(Encoded(kept)), Examples(Encoded(held_out))
    training = Training(steps=400, batch=256, rate=1e-2, average=0.98, threads=1)
    found = Trainer(Orderless(model, Orderless.Config()), training, data).run()["held_out_loss"]
    alone = Independent(SPACE, None, Independent.Config())
    alone.observe(kept)
    assert -alone.log_prob(held_out).mean() > 1.3 * TRUTH
    assert 0.98 * TRUTH < found < 1.02 * TRUTH
    # asked backwards, in an order it saw less often, a is the difference of two others (alone: one in four)
    given = torch.zeros(1, 17)
    given[0, [0, 1, 2, 3, 4 + 1, 8 + 3, 12 + 3]] = 1  # b = 1, sum = 3, next = 3: a = 2 but for the noise
    rows = model.sample(4000, given=given, rng=torch.Generator().manual_seed(0))
    assert abs((rows[:, 0] == 2).float().mean() - (1 - 3 * CHANGED)) < 0.12
