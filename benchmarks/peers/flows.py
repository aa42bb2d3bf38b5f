"""torchcfm's matchers on our networks: `flows.py SPEC.json` trains, draws and writes SPEC's `out` (npz).

Runs in the peer's environment with our `src` on PYTHONPATH, from which it takes nothing but the network. Matching,
loop and optimizer are those of its tutorials: a matcher with sigma 0, Adam at a constant rate, no average of weights,
draws by torchdiffeq's dopri5.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torchdiffeq
from torchcfm.conditional_flow_matching import (
    ConditionalFlowMatcher,
    ExactOptimalTransportConditionalFlowMatcher,
)

from conjure.nets.field import Field, Plan

MATCHERS = {"independent": ConditionalFlowMatcher, "transport": ExactOptimalTransportConditionalFlowMatcher}


def main(place):
    spec = json.loads(Path(place).read_text())
    torch.set_num_threads(1)
    torch.manual_seed(spec["seed"])
    np.random.seed(spec["seed"])  # its transport plans are drawn by numpy
    data = torch.from_numpy(np.load(spec["data"])).float()
    net = Field(tuple(data.shape[1:]), None, Plan(**spec["plan"]))
    matcher = MATCHERS[spec["coupling"]](sigma=0.0)
    optimizer = torch.optim.Adam(net.parameters(), lr=spec["rate"])
    started = time.process_time()
    losses = []
    for _ in range(spec["steps"]):
        x1 = data[torch.randint(len(data), (spec["batch"],))]
        t, xt, ut = matcher.sample_location_and_conditional_flow(torch.randn_like(x1), x1)
        loss = (net(xt, t) - ut).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    cpu = time.process_time() - started
    net.eval()
    made = {}
    with torch.no_grad():
        for solver in spec["solvers"]:
            parts = [draw(net, solver, noise) for noise in torch.randn(spec["draws"], *data.shape[1:]).split(250)]
            made[solver] = torch.cat(parts).numpy()
    np.savez(spec["out"], cpu=cpu, loss=np.mean(losses[-100:]), **made)


def draw(net, solver, noise):
    """ "dopri5" to a tolerance of 1e-4, or "euler-10": that many equal steps."""
    name, _, steps = solver.partition("-")
    times = torch.linspace(0, 1, int(steps or 1) + 1)
    return torchdiffeq.odeint(lambda t, x: net(x, t.expand(len(x))), noise, times, atol=1e-4, rtol=1e-4, method=name)[
        -1
    ]


if __name__ == "__main__":
    main(sys.argv[1])
