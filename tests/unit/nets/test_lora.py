"""Low-rank adapters: nothing at first, exactly B A afterwards, gone without a trace."""

from __future__ import annotations

import copy

import pytest
import torch

from conjure.core.errors import ConfigError
from conjure.core.space import Tokens
from conjure.models.llm import LLM
from conjure.nets.lora import Adapted, adapters, add_lora, learnt, merge_lora, remove_lora, without_lora

SPACE = Tokens(30, (16,), None, True)
X = torch.randint(30, (3, 12), generator=torch.Generator().manual_seed(3))


def model(**more) -> LLM:
    torch.manual_seed(0)
    return LLM(SPACE, None, LLM.Config(layers=2, width=16, heads=2, groups=1, **more))


def stirred(rank: int = 4, **more) -> LLM:
    made = model(**more)
    add_lora(made, rank, 8.0)
    for part in adapters(made).values():
        torch.nn.init.normal_(part.lora_B, std=0.3)
    return made


def test_it_changes_nothing_at_first_and_trains_the_adapters_alone():
    made, before = model(), model().log_prob(X)
    add_lora(made, 4, 8.0)
    assert torch.equal(made.log_prob(X), before)
    moving = {name for name, p in made.named_parameters() if p.requires_grad}
    assert moving == {n for n, _ in made.named_parameters() if "lora_" in n}
    assert len(adapters(made)) == 14
    made.mean_nats(X).backward()
    assert all(p.grad is None for n, p in made.named_parameters() if n not in moving)
    assert all(part.lora_B.grad.abs().sum() > 0 for part in adapters(made).values())


@pytest.mark.parametrize("query_bias", [False, True])
def test_its_gradient_is_that_of_autograd(query_bias: bool):
    made = stirred(query_bias=query_bias)
    plain = copy.deepcopy(made)
    for part in adapters(plain).values():  # the same sums, spelled out
        part.forward = (  # type: ignore[method-assign]
            lambda x, p=part: torch.nn.functional.linear(x, p.weight, p.bias) + p.scale * (x @ p.lora_A.T) @ p.lora_B.T
        )
    for one in (made, plain):
        one.mean_nats(X).backward()
    theirs = dict(plain.named_parameters())
    for name, p in made.named_parameters():
        if p.requires_grad:
            torch.testing.assert_close(p.grad, theirs[name].grad, rtol=1e-4, atol=1e-7)


def test_merged_it_gives_the_same_and_removed_what_there_was():
    made, before = stirred(), model()
    adapted = made.log_prob(X)
    with without_lora(made):
        torch.testing.assert_close(made.log_prob(X), before.log_prob(X))
    torch.testing.assert_close(made.log_prob(X), adapted)
    again = copy.deepcopy(made)
    remove_lora(again)
    assert all(torch.equal(v, before.state_dict()[k]) for k, v in again.state_dict().items())
    merge_lora(made)
    torch.testing.assert_close(made.log_prob(X), adapted, rtol=1e-5, atol=1e-4)
    assert not adapters(made)
    assert set(made.state_dict()) == set(before.state_dict())
    assert all(p.requires_grad for p in made.parameters())


def test_what_is_learnt_is_small():
    made = stirred(2)
    assert set(learnt(made)) == {n for n, _ in made.named_parameters() if "lora_" in n}
    assert set(learnt(model())) == set(model().state_dict())


def test_targets_are_chosen_by_the_end_of_their_names():
    made = model()
    add_lora(made, 2, 4.0, ("query", "feed.down"))
    assert {name.split(".", 3)[3] for name in adapters(made)} == {"attention.query", "feed.down"}


@pytest.mark.parametrize(
    ("words", "naming"),
    [((2, 4.0, ("qery",)), "did you mean 'query'"), ((99, 4.0), "a rank of 99"), ((0, 4.0), "a rank of 0")],
)
def test_what_cannot_be_is_named(words, naming):
    with pytest.raises(ConfigError, match=naming):
        add_lora(model(), *words)


def test_twice_is_refused():
    made = stirred()
    with pytest.raises(ConfigError, match="adapted already"):
        add_lora(made, 2, 4.0)


def test_dropout_is_of_training_alone():
    made = model()
    add_lora(made, 4, 8.0, dropout=0.5)
    for part in adapters(made).values():
        torch.nn.init.normal_(part.lora_B, std=0.3)
    assert torch.equal(made.eval().log_prob(X), made.log_prob(X))
    assert not torch.equal(made.train().log_prob(X), made.log_prob(X))


def test_rounded_products_are_near_the_exact_ones():
    layer = Adapted(torch.nn.Linear(64, 32), 4, 2.0, 0.0)
    torch.nn.init.normal_(layer.lora_B, std=0.3)
    x = torch.randn(5, 64)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)
