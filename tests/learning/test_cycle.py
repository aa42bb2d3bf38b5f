"""Two sets that share no picture, of white squares and of grey ones: each is turned into the other, in its place."""

import torch

from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.cycle import CycleGAN
from conjure.objectives.cycle import Cycle
from tests.learning.toys import learn

SIDE = 8
GREY = -0.2


def squares(n, seed):
    """White squares of 2 to 4 pixels on black, (N, 1, 8, 8)."""
    rng = torch.Generator().manual_seed(seed)
    size, left, top = (torch.randint(a, b, (n, 1), generator=rng) for a, b in ((2, 5), (0, 5), (0, 5)))
    where = torch.arange(SIDE)
    across, down = ((where >= a) & (where < a + size) for a in (left, top))
    return (across[:, None, :] & down[:, :, None]).float().unsqueeze(1) * 2 - 1


def dim(x):
    return torch.where(x > 0, GREY, x)


def unpaired(n, seed):
    """White squares, and other ones dimmed, each beside one of the other set."""
    first, second = squares(n, seed), dim(squares(n, seed + 1))
    x, other = torch.cat([first, second]), torch.cat([second, first])
    wish = torch.tensor([-1.0, 1.0]).repeat_interleave(n).reshape(-1, 1, 1, 1).expand(-1, 1, SIDE, SIDE)
    return Encoded(x, given=torch.cat([other, wish], 1))


def test_squares_change_their_shade_and_stay_where_they_are():
    torch.manual_seed(0)
    space, given = Dense((1, SIDE, SIDE), -1.0, 1.0), Dense((2, SIDE, SIDE), -1.0, 1.0)
    model = CycleGAN(space, given, CycleGAN.Config(net="unet", channels=8))
    game = Cycle(model, Cycle.Config(cycle=2.0, channels=16))
    learn(game, (unpaired(500, 0), unpaired(100, 2)), steps=160, batch=16, rate=3e-3, clip=0, average=0.95)
    white = squares(200, 9)
    grey = dim(white)
    with torch.no_grad():
        found = [(model.translate(x, to) - y).abs().mean().item() for x, to, y in ((white, 1, grey), (grey, 0, white))]
    untouched = (white - grey).abs().mean().item()
    assert max(found) < 0.4 * untouched, (found, untouched)
