"""Batches: every example once an epoch, processes share without overlap, streams are tiled, shards survive."""

from __future__ import annotations

import torch

from conjure.domains.protocol import Encoded
from conjure.training.data import Examples, Shards


def test_an_epoch_takes_every_row_once():
    examples = Examples(Encoded(torch.arange(20).unsqueeze(1)), seed=1)
    seen = torch.cat([examples.batch(step, 5).x for step in range(4)])
    assert sorted(seen.flatten().tolist()) == list(range(20))
    assert not torch.equal(seen, torch.cat([examples.batch(step, 5).x for step in range(4, 8)]))


def test_two_processes_take_the_rows_and_the_noise_of_one():
    examples = Examples(Encoded(torch.arange(40).unsqueeze(1)), seed=1)
    one = examples.batch(3, 8)
    two = [examples.batch(3, 8, rank, 2) for rank in range(2)]
    assert torch.equal(one.x[0::2], two[0].x)
    assert torch.equal(one.x[1::2], two[1].x)
    noise = one.noise.normal(8, 3)
    assert torch.equal(noise[1::2], two[1].noise.normal(4, 3))


def test_a_batch_larger_than_the_data_is_the_data():
    examples = Examples(Encoded(torch.arange(3).unsqueeze(1)))
    assert sorted(examples.batch(0, 100).x.flatten().tolist()) == [0, 1, 2]


def test_windows_tile_the_held_out_stream():
    stream = torch.arange(23)
    parts = list(Examples(Encoded(stream, window=5)).held_out(2, 100))
    rows = torch.cat([b.x for b in parts])
    assert rows.shape == (4, 6)
    assert torch.equal(rows[0], torch.arange(6))
    assert sorted(rows[:, 1:].flatten().tolist()) == list(range(1, 21))


def test_training_windows_stay_inside_and_shift_between_epochs():
    examples = Examples(Encoded(torch.arange(103), window=10), seed=2)
    starts = {int(examples.batch(step, 1).x[0, 0]) for step in range(60)}
    assert max(starts) + 10 <= 102
    assert len({s % 10 for s in starts}) > 2


def test_shards_give_back_what_was_written(tmp_path):
    shards = Shards(tmp_path, 10)
    rows = torch.randint(0, 1000, (10, 3))
    for part in rows.split(4):
        shards.append(Encoded(part))
    train, held_out = shards.split(3)
    assert torch.equal(train.x.long(), rows[:7])
    assert torch.equal(held_out.x.long(), rows[7:])
    assert Examples(train).batch(0, 2).x.dtype == torch.long
