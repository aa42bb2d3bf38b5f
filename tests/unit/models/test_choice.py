"""The next token is drawn from the distribution that the words of a choice mean, by hand and by transformers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from conjure.core.errors import ConfigError
from conjure.models.decoding import Choice, Draws, Tally, write


def logits_of(seed: int, size: int = 300, scale: float = 3.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(size) * scale).astype(np.float32)


def kept(choice: Choice, logits: np.ndarray) -> set[int]:
    """The tokens that may be drawn."""
    x = (logits - logits.max()) / choice.temperature
    ids, _, rest = choice._candidates(x.astype(np.float32))
    return set(ids.tolist()) if not rest else set(range(len(logits)))


def warped(logits: np.ndarray, choice: Choice) -> torch.Tensor:
    """What transformers' own processors make of logits, in its order."""
    lib = pytest.importorskip("transformers")
    made = torch.from_numpy(logits)[None] / choice.temperature
    steps = []
    if choice.top_k:
        steps.append(lib.TopKLogitsWarper(choice.top_k))
    if choice.top_p < 1:
        steps.append(lib.TopPLogitsWarper(choice.top_p))
    if choice.min_p:
        steps.append(lib.MinPLogitsWarper(choice.min_p))
    for step in steps:
        made = step(torch.empty(1, 0), made)
    return made[0]


CHOICES = [
    Choice(top_k=1),
    Choice(top_k=40),
    Choice(top_p=0.05),
    Choice(top_p=0.5),
    Choice(top_p=0.97),
    Choice(min_p=0.1),
    Choice(min_p=1.0),
    Choice(min_p=1e-5),
    Choice(0.7, 50, 0.9),
    Choice(1.5, 20, 0.95, 0.05),
    Choice(3.0, 0, 0.99, 0.01),
]


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("scale", [0.01, 1.0, 6.0])
def test_what_is_kept_is_what_transformers_keeps(choice: Choice, scale: float):
    for seed in range(5):
        logits = logits_of(seed, scale=scale)
        wanted = warped(logits, choice)
        assert kept(choice, logits) == set(wanted.isfinite().nonzero().flatten().tolist())
        many = choice._kept(torch.from_numpy(logits)[None] / choice.temperature)
        torch.testing.assert_close(many[0] / many.sum(), wanted.softmax(-1), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("scale", [0.1, 4.0])
@pytest.mark.parametrize("choice", [Choice(), Choice(0.7), Choice(top_k=5), Choice(1.3, 0, 0.8), Choice(min_p=0.2)])
def test_tokens_are_drawn_as_often_as_they_are_probable(choice: Choice, scale: float):
    logits, n = logits_of(7, 40, scale), 6_000
    wanted = choice._kept(torch.from_numpy(logits)[None] / choice.temperature)[0]
    wanted = (wanted / wanted.sum()).double().numpy()
    found = np.bincount([choice.pick(logits, Draws(11), place) for place in range(n)], minlength=40)
    assert not found[wanted == 0].any()
    expected = n * wanted[wanted * n > 5]
    chi = ((found[wanted * n > 5] - expected) ** 2 / expected).sum()
    assert chi < len(expected) + 4 * math.sqrt(2 * len(expected)) + 5


def test_a_draw_is_a_function_of_seed_and_place_alone():
    logits = logits_of(1)
    drawn = [Choice().pick(logits, Draws(3), place) for place in range(50)]
    assert drawn[::-1] == [Choice().pick(logits, Draws(3), place) for place in reversed(range(50))]
    assert drawn != [Choice().pick(logits, Draws(4), place) for place in range(50)]
    moved = logits + np.random.default_rng(0).standard_normal(300).astype(np.float32) * 1e-6
    assert drawn == [Choice().pick(moved, Draws(3), place) for place in range(50)]


def test_penalties_by_hand():
    tally = Tally([0, 1])
    for token in (1, 2, 2):
        tally.add(token)
    logits = np.array([2.0, -2.0, 1.0, 5.0], np.float32)
    Choice(repetition=2.0, frequency=0.5, presence=0.25, bias=((3, -1.0), (0, 0.5))).weigh(logits, tally)
    # token 0: 2 / 2 + 0.5; token 1: -2 * 2 - 0.5 - 0.25; token 2: 1 / 2 - 2 * 0.5 - 0.25; token 3: 5 - 1
    assert logits.tolist() == pytest.approx([1.5, -4.75, -0.75, 4.0])


def test_repetition_is_that_of_transformers():
    lib = pytest.importorskip("transformers")
    logits, text = logits_of(2), [5, 7, 7, 299]
    wanted = lib.RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([text]), torch.from_numpy(logits.copy())[None])[0]
    tally = Tally(text[:2])
    for token in text[2:]:
        tally.add(token)
    Choice(repetition=1.3).weigh(logits, tally)
    np.testing.assert_allclose(logits, wanted.numpy(), rtol=1e-6)


def test_greedy_takes_the_first_of_the_likeliest():
    assert Choice(temperature=0).pick(np.array([1.0, 3.0, 3.0], np.float32), Draws(0), 0) == 1
    assert Choice(temperature=1e-9).pick(logits_of(3), Draws(0), 0) == int(logits_of(3).argmax())


def test_forbidden_tokens_are_never_drawn():
    logits = np.full(300, -np.inf, np.float32)
    logits[[4, 9]] = [1.0, 1.5]
    for choice in (Choice(), Choice(top_k=50), Choice(top_p=0.999), Choice(5.0, min_p=0.001)):
        assert {choice.pick(logits, Draws(1), place) for place in range(60)} == {4, 9}


WRONG = [("temperature", -1), ("temperature", math.nan), ("top_p", 0), ("min_p", 2), ("repetition", 0)]


@pytest.mark.parametrize(("word", "value"), [*WRONG, ("presence", math.inf), ("bias", ((1, math.nan),))])
def test_impossible_choices_are_refused(word: str, value: object):
    with pytest.raises(ConfigError):
        Choice(**{word: value})  # type: ignore[arg-type]


class Constant:
    """A model that always says the same."""

    def begin(self, n: int, given: torch.Tensor | None = None) -> None:
        return None

    def read(self, tokens: torch.Tensor, reading: None) -> torch.Tensor:
        return torch.tensor([[3.0, 2.5, 1.0, 0.0]]).expand(len(tokens), -1)


def test_penalties_hold_in_batches_too():
    frame = torch.tensor([[1, -1, -1, -1], [3, -1, -1, -1]])
    choice = Choice(temperature=0, presence=2.0)
    # 3.0 falls to 1.0 once written; then 2.5 falls to 0.5; then the first of the two at 1.0
    assert torch.stack(list(write(Constant(), frame, choice=choice)), 1).tolist() == [[1, 0, 1, 0], [3, 0, 1, 0]]
