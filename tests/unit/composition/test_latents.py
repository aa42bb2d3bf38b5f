"""The codec of a composition against a first model whose codes, likelihood and posterior are known."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal

from conjure.composition.latents import Latents
from conjure.core.rng import Noise
from conjure.core.space import Category, Columns, Dense, Tokens
from conjure.domains.protocol import Encoded
from conjure.training.data import Examples

MIX = torch.tensor([[1.0, 0.5], [-0.5, 2.0], [0.3, 0.1]])
LABEL = Columns((Category("label", 2),))


class Plain:
    """Objects are tensors; their sign is their label."""

    @dataclass(frozen=True)
    class Config:
        labels: bool = True

    def __init__(self, shape=(3,), labels=False, pieces=1):
        self.space, self.pieces, self.config = Dense(shape), pieces, self.Config(labels)
        self.given_space = LABEL if labels else None

    @classmethod
    def learn(cls, objects, config):
        return cls(tuple(objects.shape[1:]), config.labels)

    def encode(self, objects):
        given = (objects.flatten(1)[:, :1] > 0).long() if self.given_space else None
        return Encoded(objects.flatten(0, 1) if self.pieces > 1 else objects, given=given)

    def decode(self, x, rng=None, given=None):
        return x.unflatten(0, (-1, self.pieces)) if self.pieces > 1 else x

    def condition(self, given, n):
        return torch.full((n, 1), given.get("label", 0)) if self.given_space else None

    def state(self):
        return {"shape": self.space.shape, "labels": self.given_space is not None}

    @classmethod
    def from_state(cls, state):
        return cls(tuple(state["shape"]), state["labels"])


class Halves(nn.Module):
    """An autoencoder without loss: codes are half of x, arranged in another shape, plus the label where it is told."""

    def __init__(self, shape, code, given=None):
        super().__init__()
        self.shape, self.code, self.given = shape, code, given

    def encode(self, x, given=None):
        return (x / 2 + (0 if given is None else given)).reshape(-1, *self.code)

    def decode(self, z, given=None):
        return ((z.reshape(-1, *self.shape)) - (0 if given is None else given)) * 2


class Linear(nn.Module):
    """x = MIX z + noise of scale 0.5 with z ~ N(0, 1): evidence and posterior (here its diagonal) in closed form."""

    given = None

    def __init__(self):
        super().__init__()
        self.writer = lambda z, given: z @ MIX.T
        self.likelihood = SimpleNamespace(log_prob=lambda written, x: Normal(written, 0.5).log_prob(x))
        self.precision = torch.eye(2) + MIX.T @ MIX / 0.25

    def posterior(self, x, given):
        mean = torch.linalg.solve(self.precision, (x @ MIX / 0.25).T).T
        return mean, (-0.5 * self.precision.diagonal().log()).expand_as(mean)

    def encode(self, x, given=None):
        return self.posterior(x, given)[0]

    def decode(self, z, given=None):
        return z @ MIX.T


class Standard:
    """A prior over scaled codes: that of N(0, 1) codes, given their mean and scale."""

    def __init__(self, codec):
        self.codec, self.score_kind = codec, "exact"

    def log_prob(self, s, given=None):
        return (Normal(0.0, 1.0).log_prob(s * self.codec.scale + self.codec.mean) + self.codec.scale.log()).sum(1)


def objects(n=500, shape=(3,), seed=0):
    return 3 + 2 * torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def latents(first, things=None, **settings):
    config = Latents.Config(**{"labels": False, **settings})
    return Latents.learn(first, objects() if things is None else things, config)


@pytest.mark.parametrize(
    ("shape", "code", "pieces", "space", "kept"),
    [
        ((6,), (6,), 1, (6,), (0,)),
        ((12,), (3, 2, 2), 1, (3, 2, 2), (0,)),
        ((12,), (4, 3), 1, (4, 3), (1,)),
        ((6,), (6,), 5, (5, 6), (1,)),
        ((12,), (3, 2, 2), 5, (5, 3, 2, 2), (1,)),
    ],
)
def test_codes_have_scale_one_by_channel_and_come_back(shape, code, pieces, space, kept):
    things = objects(200, (pieces, *shape) if pieces > 1 else shape)
    made = latents((Plain(shape, pieces=pieces), Halves(shape, code)), things)
    encoded = made.encode(things)
    assert made.space == Dense(space)
    assert made.space.contains(encoded.x)
    others = [a for a in range(encoded.x.ndim) if a - 1 not in kept]
    assert torch.allclose(encoded.x.mean(others), torch.zeros(space[kept[0]]), atol=1e-5)
    assert torch.allclose(encoded.x.square().mean(others), torch.ones(space[kept[0]]), atol=1e-4)
    assert torch.allclose(made.decode(encoded.x), things, atol=1e-4)
    again = Latents.from_state(json.loads(json.dumps(made.state())), (made.codec, made.model))
    assert again.space == made.space
    assert torch.equal(again.encode(things).x, encoded.x)


@pytest.mark.parametrize(
    ("code", "pieces", "group", "grid"),
    [((6,), 1, 0, (6,)), ((6,), 1, 2, (3,)), ((3, 2, 2), 1, 0, (2, 2)), ((3, 2, 2), 1, 1, (2, 2, 3)),
     ((6,), 5, 6, (5,)), ((6,), 5, 3, (5, 2))],
)  # fmt: skip
def test_tokens_stand_where_their_numbers_stood(code, pieces, group, grid):
    size = math.prod(code)
    things = objects(300, (pieces, size) if pieces > 1 else (size,))
    first = (Plain((size,), pieces=pieces), Halves((size,), code))
    made = latents(first, things, encoding="tokens", levels=16, group=group)
    assert made.space == Tokens(16, grid)
    x = made.encode(things).x
    assert made.space.contains(x)
    assert torch.equal(made.encode(made.decode(x)).x, x)
    spread = (made.decode(x) - things).square().mean() / things.var()
    assert spread < (0.02 if group == 1 else 0.9)
    again = Latents.from_state(json.loads(json.dumps(made.state())), first)
    assert again.space == made.space
    assert torch.equal(again.decode(x), made.decode(x))


def test_a_condition_goes_to_both_models_and_comes_back():
    things = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    made = latents((Plain(labels=True), Halves((3,), (3,), given=LABEL)), things)
    encoded = made.encode(things)
    assert torch.equal(encoded.given[:, 0], (things[:, 0] > 0).long())
    assert torch.allclose(made.reconstruct(things), things, atol=1e-5)
    one, other = (made.decode(encoded.x, given={"label": label}) for label in (0, 1))
    assert torch.allclose(one - other, torch.full((100, 3), 2.0), atol=1e-5)


def test_classes_that_the_first_model_was_not_told_become_the_condition():
    first = (Plain(labels=False), Halves((3,), (3,)))
    made = latents(first, labels=True)
    assert made.given_space == LABEL
    assert made.encode(objects()).given is not None
    assert latents(first).given_space is None
    again = Latents.from_state(json.loads(json.dumps(made.state())), first)
    assert again.given_space == LABEL


def test_codes_of_a_posterior_are_drawn_anew_at_each_step_and_alike_in_each_run():
    made = latents((Plain(), Linear()))
    encoded = made.encode(objects())
    examples = Examples(encoded, 0)
    first, again, later = examples.batch(0, 500), Examples(encoded, 0).batch(0, 500), examples.batch(1, 500)
    assert torch.equal(first.x, again.x)
    drawn = (first.x - encoded.x[examples._order(0)]) / encoded.spread[0]
    assert drawn.std() == pytest.approx(1, abs=0.05)
    assert not torch.equal(first.x.sort(0).values, later.x.sort(0).values)
    assert torch.cat([examples.batch(k, 500).x for k in range(9)]).var(0) == pytest.approx(1, abs=0.05)
    assert not torch.equal(first.noise.normal(500, 2), Noise(0, "noise", 0).normal(500, 2))


def test_the_score_is_a_bound_on_the_evidence_that_more_draws_tighten():
    """With the true posterior's diagonal and the true prior the gap is a small divergence of two normals."""
    things = MultivariateNormal(torch.zeros(3), MIX @ MIX.T + 0.25 * torch.eye(3)).sample((300,))
    truth = MultivariateNormal(torch.zeros(3), MIX @ MIX.T + 0.25 * torch.eye(3)).log_prob(things)
    found = []
    for draws in (1, 50):
        made = latents((Plain(), Linear()), things, draws=draws)
        assert made.score_kind(Standard(made)) == "bound"
        found.append(made.log_prob(Standard(made), things))
    assert found[0].mean() < truth.mean() + 0.05
    assert torch.allclose(found[1], truth, atol=0.35)
    assert (found[1] - truth).abs().mean() < 0.6 * (found[0] - truth).abs().mean()


def test_of_tokens_the_score_is_one_term_of_the_evidence():
    things = objects(200)
    made = latents((Plain(), Linear()), things, encoding="tokens", levels=8)
    prior = SimpleNamespace(score_kind="exact", log_prob=lambda codes, given: codes.sum(1).float())
    codes = made.encode(things).x
    expected = codes.sum(1) + Normal(made.decode(codes), 0.5).log_prob(things).sum(1)
    assert torch.allclose(made.log_prob(prior, things), expected, atol=1e-3)


def test_without_a_likelihood_of_either_there_is_no_score():
    prior = Standard(None)
    assert latents((Plain(), Halves((3,), (3,)))).score_kind(prior) == ""
    assert latents((Plain(), Linear())).score_kind(SimpleNamespace()) == ""
    assert "no codes" in Latents.refuses(nn.Linear(1, 1))


def test_codes_that_are_tokens_already_are_taken_as_they_are():
    """A neural codec's frames and levels are the grid that the second model learns; its score is that of tokens."""
    from conjure.domains.audio.codec import AudioCodec
    from conjure.domains.audio.drums import drum_sounds
    from conjure.models.decoder import Decoder
    from conjure.models.vq import VQ

    drums = drum_sounds(3)
    front = AudioCodec.learn(drums, AudioCodec.Config(labels=False, seconds=0.2))
    torch.manual_seed(0)
    model = VQ(front.space, None, VQ.Config(width=8, layers=1, codes=16, levels=3))
    codec = Latents.learn((front, model), drums, Latents.Config())
    assert codec.space == Tokens(16, (14, 3))
    encoded = codec.encode(drums)
    assert torch.equal(encoded.x, model.encode(codec.front.encode(drums).x))
    assert encoded.given.shape == (len(encoded.x), 1)
    again = Latents.from_state(json.loads(json.dumps(codec.state())), (front, model))
    assert again.space == codec.space
    assert torch.equal(again.encode(drums).x, encoded.x)
    prior = Decoder(codec.space, codec.given_space, Decoder.Config(width=16, layers=1)).eval()
    assert codec.score_kind(prior) == "exact"
    with torch.no_grad():
        nats = codec.log_prob(prior, drums)
    torch.testing.assert_close(nats, torch.full((len(encoded.x),), -14 * 3 * math.log(16)))  # a fresh head is even
    assert len(codec.decode(encoded.x)) == len(encoded.x)
