"""A codec of toy tones beats the simple code of as many bits, and its tokens beat chance."""

from __future__ import annotations

import math

import numpy as np
import torch

from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.metrics import waves
from conjure.models.vq import VQ
from conjure.objectives.coding import Coding
from tests.learning.toys import learn

RATE, LENGTH = 8_000, 2_048


def tones(n: int, seed: int) -> torch.Tensor:
    """Struck tones of eight pitches, two at a time, that begin anywhere and die away, (N, T)."""
    rng = np.random.default_rng(seed)
    time = np.arange(LENGTH) / RATE
    out = np.zeros((n, LENGTH))
    for _ in range(2):
        pitch = 220 * 2 ** (rng.integers(0, 24, n) / 8)
        begin = rng.uniform(0, 0.15, n)
        since = np.maximum(0, time - begin[:, None])
        out += np.where(since > 0, np.sin(2 * np.pi * pitch[:, None] * since) * np.exp(-since * 8), 0)
    return torch.from_numpy(0.4 * out).float()


def test_a_codec_beats_the_simple_code_of_as_many_bits():
    """Some twenty seconds of training on one core."""
    torch.manual_seed(0)
    config = VQ.Config(hop=64, width=64, layers=2, latent=32, codes=128, levels=4)
    model = VQ(Dense((LENGTH,), -1.0, 1.0), None, config)
    goal = Coding(model, Coding.Config(windows=(64, 256, 1024), critic_windows=(256,), channels=16, crop=1024))
    learn(goal, (Encoded(tones(1500, 0)), Encoded(tones(64, 2))), steps=250, batch=16, rate=2e-3)
    real = tones(64, 1)
    with torch.no_grad():
        made = model.decode(model.encode(real)).numpy()
    bits = math.prod(model.latent_shape) * math.log2(model.vocab) / (LENGTH / RATE)
    simple = waves.mu_law(real.numpy(), RATE, bits)
    assert waves.si_sdr(real.numpy(), made).mean() > waves.si_sdr(real.numpy(), simple).mean() + 3
    ours, theirs = (waves.log_spectral_distance(real.numpy(), x).mean() for x in (made, simple))
    assert ours < 0.8 * theirs
    assert float(model.books.perplexity()) > 30  # most books are in use
