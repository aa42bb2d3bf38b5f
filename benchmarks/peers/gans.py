"""torchgan's own models, losses and steps on pictures, run by the Python of its environment.

    python benchmarks/peers/gans.py KIND PIXELS.npy SECONDS SEED OUT.npy

KIND is dcgan (minimax loss) or wgan-gp. Models, losses and `train_ops` are torchgan's, widths and batch those of its
DCGAN tutorial, rates of the papers. 28 pixels are padded to 32, which its models need; it trains until SECONDS of CPU.
"""

from __future__ import annotations

import json
import sys
import time
import types

import numpy as np
import torch
from torch.optim import Adam

# torchgan imports torchvision for its logger alone, and there is none built for this torch without CUDA
sys.modules["torchvision"] = sys.modules["torchvision.utils"] = types.ModuleType("torchvision")
from torchgan import losses, models  # noqa: E402

CHANNELS, LATENT, BATCH, MADE = 32, 100, 64, 10_000


def main(kind: str, pixels: str, seconds: float, seed: int, out: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x = torch.nn.functional.pad(torch.tensor(np.load(pixels))[:, None].float() / 127.5 - 1, (2, 2, 2, 2), value=-1.0)
    generator = models.DCGANGenerator(LATENT, 32, 1, CHANNELS)
    game = kind == "dcgan"
    critic = models.DCGANDiscriminator(32, 1, CHANNELS, batchnorm=game)
    rate, betas = (2e-4, (0.5, 0.999)) if game else (1e-4, (0.0, 0.9))
    players = [Adam(p.parameters(), rate, betas) for p in (generator, critic)]
    if game:
        rules, turns = [losses.MinimaxGeneratorLoss(), losses.MinimaxDiscriminatorLoss()], 1
    else:
        rules = [losses.WassersteinGeneratorLoss(), losses.WassersteinDiscriminatorLoss(clip=None)]
        rules.append(losses.WassersteinGradientPenalty())
        turns = 5
    device, step, started = torch.device("cpu"), 0, time.process_time()
    while time.process_time() - started < seconds:
        real = x[torch.randint(len(x), (BATCH,))]
        for rule in rules[1:]:
            rule.train_ops(generator, critic, players[1], real, device)
        if step % turns == turns - 1:
            rules[0].train_ops(generator, critic, players[0], device, BATCH)
        step += 1
    spent = time.process_time() - started
    generator.eval()
    with torch.no_grad():
        parts = [generator(torch.randn(500, LATENT))[:, 0, 2:-2, 2:-2] for _ in range(MADE // 500)]
    np.save(out, ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).byte().numpy())
    print(json.dumps({"cpu_seconds": spent, "steps": step}))


if __name__ == "__main__":
    kind, pixels, seconds, seed, out = sys.argv[1:]
    main(kind, pixels, float(seconds), int(seed), out)
