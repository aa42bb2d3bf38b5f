"""Runs a script of pytorch-CycleGAN-and-pix2pix in its own environment.

    cyclegan.py --seed=0 train.py WORDS ...       its own script, seeded
    cyclegan.py --seed=0 translate JSON           pictures of a .npz file by its newest generators, into another

torchvision's wheel may be built for another torch than the one here, of which only its transforms are needed: two
operators that it then misses on import are declared, never run.
"""

from __future__ import annotations

import json
import random
import runpy
import sys
from pathlib import Path

import numpy as np
import torch

torch.set_num_threads(1)
for name in ("nms", "qnms"):
    torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
sys.path.insert(0, ".")


@torch.no_grad()
def translate(pictures: str, weights: str, out: str, words: dict[str, object]) -> None:
    """Both generators on black and white pictures (N, H, W), as the peer's own test.py runs them."""
    from models.networks import define_G

    found, made = np.load(pictures), {}
    for side, (source, target) in {"A": ("sans", "serif"), "B": ("serif", "sans")}.items():
        net = define_G(1, 1, words["ngf"], words["netG"], norm="instance", use_dropout=not words["no_dropout"])
        net.load_state_dict(torch.load(Path(weights) / f"latest_net_G_{side}.pth"))
        x = torch.from_numpy(found[source]).float()[:, None] / 127.5 - 1
        y = torch.cat([net.eval()(part) for part in x.split(100)])
        made[target] = ((y[:, 0] + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    np.savez_compressed(out, **made)


seed = int(sys.argv.pop(1).partition("=")[2])
torch.manual_seed(seed)
random.seed(seed)
if sys.argv[1] == "translate":
    translate(**json.loads(sys.argv[2]))
else:
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
