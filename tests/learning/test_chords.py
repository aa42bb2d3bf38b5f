"""Chords beats notes drawn by their frequency, and uses what is given later."""

from __future__ import annotations

import torch

from conjure.domains.music.codec import MusicCodec
from conjure.models.chords import Chords
from conjure.objectives.infilling import Infilling
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer
from tests.unit.domains.music.pieces import chorales

SETTINGS = Training(steps=150, batch=16, rate=1e-2, clip=0.25, warmup=0.05, threads=1, validate_every=1000)


def test_chords_beats_frequencies_and_a_given_voice_helps():
    train, held = chorales(32, bars=2), chorales(40, bars=2)[32:]
    codec = MusicCodec.learn(train, MusicCodec.Config(step=1, transpose=False))
    torch.manual_seed(0)
    config = Chords.Config(width=32, hidden=48, layers=1, dropout=0.0)
    model = Chords(codec.space, codec.given_space, config)
    rows = codec.encode(train)
    Trainer(Infilling(model, Infilling.Config()), SETTINGS, (Examples(rows), None)).run()
    model.eval()
    found = codec.encode(held)
    x, given, mask = found.x.long(), found.given.long(), found.mask
    counts = torch.stack(
        [torch.bincount(rows.x[..., v].flatten().long(), minlength=codec.space.vocab) for v in range(4)]
    )
    odds = ((counts + 0.5) / (counts + 0.5).sum(1, keepdim=True)).log()
    by_frequency = -odds.gather(1, x.flatten(0, 1).T).mean()
    with torch.no_grad():
        alone = model.cell_nats(x, given, mask)
        known = torch.zeros_like(mask)
        known[..., 3] = True
        told = model.cell_nats(x, model.informed(x, given, known), mask & ~known)
    assert alone.mean() < 0.7 * by_frequency
    assert told[..., :3].mean() < alone[..., :3].mean()
