"""Muon against its definition, its plain half against torch's AdamW, the schedule at its corners."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from conjure.training.optim import Muon, make_optimizer, orthogonalise, schedule, set_rate
from conjure.training.settings import Training


@pytest.mark.parametrize("shape", [(8, 8), (4, 12), (12, 4)])
def test_orthogonalise_keeps_the_singular_vectors(shape):
    matrix = torch.randn(3, *shape)
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    made = orthogonalise(matrix)
    values = torch.linalg.svdvals(made)
    assert (values > 0.3).all()
    assert (values < 1.6).all()
    inner = u.mT @ made @ vt.mT
    off = inner - torch.diag_embed(torch.diagonal(inner, dim1=1, dim2=2))
    assert off.abs().max() < 1e-3


def test_the_plain_groups_are_adamw():
    torch.manual_seed(1)
    start = torch.randn(5, 3)
    ours, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    settings = {"lr": 0.01, "betas": (0.9, 0.99), "weight_decay": 0.1}
    a = Muon([{"params": [ours], "weight_decay": 0.1, "initial": 0.01}], 0.01, (0.9, 0.99))
    b = torch.optim.AdamW([theirs], eps=1e-8, **settings)
    for _ in range(10):
        grad = torch.randn(5, 3)
        ours.grad, theirs.grad = grad.clone(), grad.clone()
        a.step()
        b.step()
    torch.testing.assert_close(ours, theirs)


def test_muon_takes_the_hidden_matrices_only():
    net = nn.Sequential()
    net.add_module("embed", nn.Embedding(7, 4))
    net.add_module("inner", nn.Linear(4, 4))
    net.add_module("head", nn.Linear(4, 7))
    groups = make_optimizer(net, Training(steps=1, optimizer="muon"), {}).param_groups
    assert [p.shape for g in groups if g["muon"] for p in g["params"]] == [(4, 4)]
    assert sum(len(g["params"]) for g in groups) == 5


def test_tables_follow_adagrad_whether_their_gradient_is_sparse_or_not():
    torch.manual_seed(0)
    start = torch.randn(9, 4)
    rows = [torch.randint(9, (5,)) for _ in range(6)]
    theirs = nn.Parameter(start.clone())
    reference = torch.optim.Adagrad([theirs], lr=0.1, eps=1e-5)
    tables = []
    for sparse in (True, False):
        net = nn.ModuleDict({"table": nn.Embedding(9, 4)})
        net["table"].weight.data.copy_(start)
        optimizer = make_optimizer(net, Training(steps=1, optimizer="muon", table_rate=0.1, clip=0.0), {})
        assert net["table"].sparse
        net["table"].sparse = sparse
        tables.append((net["table"], optimizer))
    for some in rows:
        for table, optimizer in tables:
            optimizer.zero_grad()
            set_rate(optimizer, 1.0)
            table(some).square().sum().backward()
            optimizer.step()
        reference.zero_grad()
        theirs[some].square().sum().backward()
        reference.step()
    for table, _ in tables:
        torch.testing.assert_close(table.weight, theirs)


def test_vectors_do_not_decay_and_the_rate_factor_holds():
    optimizer = make_optimizer(nn.Linear(3, 3), Training(steps=1, decay=0.1, rate=0.01), {"rate": 0.5})
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.1, 0.0]
    assert [g["initial"] for g in optimizer.param_groups] == [0.005, 0.005]


def test_schedule_corners():
    assert schedule(0.05, "linear", 0.1) == pytest.approx(0.5)
    assert schedule(0.1, "cosine", 0.1) == pytest.approx(1.0)
    assert schedule(1.0, "cosine", 0.1) == pytest.approx(0.0)
    assert schedule(0.55, "linear", 0.1) == pytest.approx(0.5)
    assert schedule(0.99, "constant", 0.0) == 1.0


def test_adamw_is_that_of_torch_bit_for_bit():
    a, b = (nn.Linear(7, 5), nn.Linear(7, 5))
    b.load_state_dict(a.state_dict())
    optimizers = (
        make_optimizer(a, Training(steps=1, rate=0.01, decay=0.1), {}),
        torch.optim.AdamW(
            [{"params": [b.weight], "weight_decay": 0.1}, {"params": [b.bias], "weight_decay": 0.0}],
            **{"lr": 0.01, "betas": (0.9, 0.99), "eps": 1e-8, "fused": True},
        ),
    )
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        x = torch.randn(3, 7, generator=rng)
        for net, optimizer in zip((a, b), optimizers):
            optimizer.zero_grad()
            net(x).pow(2).sum().backward()
            optimizer.step()
    assert torch.equal(a.weight, b.weight)
    assert torch.equal(a.bias, b.bias)
    assert optimizers[0].state[a.weight].keys() == optimizers[1].state[b.weight].keys()


def test_a_run_loads_neither_compiler_nor_what_spreads_over_processes():
    """They take three seconds and 120 MB, which a run on one processor never needs."""
    code = (
        "import sys, torch; from conjure.training.optim import make_optimizer; from conjure.training import trainer;"
        "from conjure.training.settings import Training; net = torch.nn.Linear(2, 2);"
        "made = make_optimizer(net, Training(steps=1), {}); net(torch.ones(1, 2)).sum().backward(); made.step();"
        "made.zero_grad(); print([m for m in ('torch._dynamo', 'torch.distributed.fsdp', 'sympy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
