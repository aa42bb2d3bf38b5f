"""Two translators in one model: which one is asked, what is refused, and both after saving."""

import pytest
import torch

from conjure.core.errors import ConfigError
from conjure.core.space import Dense
from conjure.models.cycle import CycleGAN
from conjure.nets.translation import PatchCritic, ResNetTranslator


def spaces(*shape):
    return Dense(shape, -1.0, 1.0), Dense((shape[0] + 1, *shape[1:]), -1.0, 1.0)


def made(net="resnet", **settings):
    torch.manual_seed(0)
    model = CycleGAN(*spaces(3, 8, 12), CycleGAN.Config(net=net, channels=4, blocks=1, **settings))
    for p in model.parameters():  # away from the start, at which nothing is changed
        torch.nn.init.normal_(p, std=0.1)
    return model.eval()


def wishes(n, seed=0):
    x = torch.rand(n, 3, 8, 12, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    plane = torch.tensor([-1.0, 1.0])[torch.arange(n) % 2].reshape(-1, 1, 1, 1).expand(-1, 1, 8, 12)
    return torch.cat([x, plane], 1)


@pytest.mark.parametrize("net", ["resnet", "unet"])
@pytest.mark.parametrize("skip", [True, False])
@torch.no_grad()
def test_the_last_plane_chooses_the_translator(net, skip):
    model, given = made(net, skip=skip), wishes(6)
    out = model.best(given)
    assert model.space.contains(out)
    for side in (0, 1):
        one = model.translate(given[side::2, :-1], side).clamp(-1, 1)
        assert torch.allclose(out[side::2], one, atol=1e-6)
    assert torch.equal(out, model.sample(6, given=given))
    assert not torch.allclose(model.translate(given[:, :-1], 0), model.translate(given[:, :-1], 1))


@torch.no_grad()
def test_at_first_nothing_is_changed():
    model = CycleGAN(*spaces(1, 8, 8), CycleGAN.Config(channels=2, blocks=1))
    given = wishes(2)[:, [0, 3], :, :8]
    assert torch.equal(model.best(given), given[:, :1])


@torch.no_grad()
def test_one_condition_serves_many_draws():
    model, given = made(), wishes(1)
    assert torch.allclose(model.sample(3, given=given)[2], model.best(given)[0], atol=1e-6)


def test_no_picture_no_translation():
    with pytest.raises(ConfigError, match="give one"):
        made().sample(1)


@pytest.mark.parametrize(
    ("space", "given", "words"),
    [
        ((1, 8, 8), None, "needs a picture as its condition"),
        ((1, 8, 8), (1, 8, 8), r"given \(C \+ 1, H, W\)"),
        ((2,), (3,), "turns pictures"),
        ((1, 6, 8), (2, 6, 8), "need 8 pixels a side"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(space, given, words):
    reason = CycleGAN.refuses(Dense(space), given and Dense(given), CycleGAN.Config())
    assert reason
    import re

    assert re.search(words, reason)


@pytest.mark.parametrize("sides", [(8, 8), (9, 13), (32, 20)])
@pytest.mark.parametrize("halvings", [0, 1])
def test_a_translator_keeps_the_shape(sides, halvings):
    x = torch.randn(2, 3, *sides)
    assert ResNetTranslator(3, 4, 1, halvings)(x).shape == x.shape


def test_pictures_do_not_mix():
    """Instance norm: what else is in the batch changes nothing."""
    net, critic, x = ResNetTranslator(1, 4, 1, 1), PatchCritic(1, 4, 2), torch.randn(5, 1, 16, 16)
    assert torch.allclose(net(x)[:1], net(x[:1]), atol=1e-6)
    assert torch.allclose(critic(x)[:1], critic(x[:1]), atol=1e-6)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_critics_patch_has_the_size_it_says(layers, field):
    torch.manual_seed(0)
    critic = PatchCritic(1, 2, layers)
    for module in critic.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda x: x  # it looks at the whole picture
    x = torch.zeros(1, 1, 96, 96, requires_grad=True)
    scores = critic(x)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    touched = x.grad[0, 0].abs().sum(0).nonzero()
    assert int(touched.max() - touched.min()) + 1 == field
