"""The judge of made pictures: a small classifier trained once on a training set, its features and its verdicts.

Run by itself it trains the judges of MNIST and Fashion-MNIST, into benchmarks/.data.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pictures
import torch
import torch.nn.functional as F
from pictures import DATA
from torch import Tensor, nn

from conjure.metrics.frechet import frechet

FEATURES = "64 of a CNN trained on the training set"
EPOCHS, BATCH, RATE = 3, 128, 2e-3


class Judge(nn.Module):
    """Three strided convolutions, 64 features, ten classes; grey pictures (N, 1, 28, 28) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        sides = ((1, 16), (16, 32), (32, 64))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in sides)
        self.features = nn.Linear(64 * 16, 64)
        self.classes = nn.Linear(64, 10)

    def look(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.silu(conv(x))
        return F.silu(self.features(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.look(x))

    @torch.no_grad()
    def points(self, images: np.ndarray) -> np.ndarray:
        """Features of byte pictures (N, 28, 28), float64 (N, 64)."""
        return torch.cat([self.look(part) for part in tensor(images).split(1000)]).double().numpy()

    @torch.no_grad()
    def verdicts(self, images: np.ndarray) -> np.ndarray:
        """The likeliest class of each byte picture, (N,)."""
        return torch.cat([self(part).argmax(1) for part in tensor(images).split(1000)]).numpy()


def tensor(images: np.ndarray) -> Tensor:
    return torch.tensor(images).reshape(-1, 1, 28, 28).float() / 127.5 - 1


def judge(name: str) -> Judge:
    """The judge of "mnist" or "fashion", trained on first use and kept: every model is measured by the same one."""
    place = DATA / f"judge-{name}.pt"
    model = Judge()
    if not place.exists():
        train(model, name, place)
    model.load_state_dict(torch.load(place, weights_only=True))
    return model.eval()


def train(model: Judge, name: str, place: Path) -> None:
    (images, labels), (unseen, truth) = getattr(pictures, name)()
    torch.manual_seed(0)
    x, y = tensor(images), torch.from_numpy(labels).long()
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    total, started, step = EPOCHS * (len(x) // BATCH), time.process_time(), 0
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / total)
            loss = F.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    place.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), place)
    right = (model.eval().verdicts(unseen) == truth).mean()
    print(f"judge of {name}: {right:.4f} of the test set right, {time.process_time() - started:.0f} CPU-s")


def distance(model: Judge, real: np.ndarray, made: np.ndarray) -> float:
    """FD(features) of byte pictures."""
    return frechet(model.points(real), model.points(made)).value


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in ("mnist", "fashion"):
        judge(each)
