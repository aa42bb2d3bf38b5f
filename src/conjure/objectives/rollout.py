"""Episodes: prompts completed by a policy, and which of their tokens it drew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Tokens
from conjure.models.decoding import Choice
from conjure.models.protocol import Model
from conjure.objectives.everywhere import most


@dataclass(frozen=True)
class Rollout:
    """x (B, T) prompts with completions, `real` (B, T) the tokens drawn, `ended` (B,) whether an end was drawn."""

    x: Tensor
    real: Tensor
    ended: Tensor
    batch: Batch


def roll_out(model: Model, batch: Batch, tokens: int, choice: Choice, end: int | None = None) -> Rollout:
    """At most `tokens` drawn after each prompt, until `end` (None: that of the space, if it has one).

    Over a stream batch.x (B, P) holds prompts from the left on and batch.mask which of their places are there; each is
    gone on with at the place where it ends, as in use. Where the space has a shape of its own all of x is drawn, under
    batch.given. After its end nothing of an episode is real. ConfigError where all this is longer than the model sees.
    """
    frame, drawn = _frame(model, batch, tokens)
    space: Tokens = model.space  # type: ignore[assignment]
    end = space.end if end is None else end
    rng = torch.Generator(frame.device).manual_seed(int(torch.randint(2**52, (), generator=batch.noise.generator)))
    known = -most(-int((~drawn).all(0).int().cumprod(0).sum()))
    reading = model.begin(len(frame), batch.given)  # type: ignore[operator]
    logits = model.read(frame[:, :known], reading)  # type: ignore[operator]
    x, real, ended = (
        [frame[:, :known]],
        [drawn[:, :known]],
        torch.zeros(len(frame), dtype=torch.bool, device=frame.device),
    )
    for place in range(known, frame.shape[1]):
        here = drawn[:, place] & ~ended
        token = torch.where(here, _draw(choice, logits, rng, batch.noise), frame[:, place])
        x.append(token[:, None])
        real.append(here[:, None])
        if end is not None:
            ended = ended | (here & (token == end))
        if place + 1 == frame.shape[1] or not most(int((drawn[:, place + 1 :].any(1) & ~ended).any())):
            break
        logits = model.read(token[:, None], reading)  # type: ignore[operator]
    return Rollout(torch.cat(x, 1), torch.cat(real, 1), ended, batch)


def repeated(batch: Batch, group: int) -> Batch:
    """Each prompt `group` times, one below the other."""
    again = {k: v.repeat_interleave(group, 0) for k in ("x", "mask", "given") if (v := getattr(batch, k)) is not None}
    return replace(batch, **again)


def release(model: Model) -> None:
    """Let a policy go of what it keeps to write quickly: the next step makes it old."""
    if callable(let_go := getattr(model, "release", None)):
        let_go()


def _draw(choice: Choice, logits: Tensor, rng: torch.Generator, noise: Noise) -> Tensor:
    """One token (B,) from logits (B, V): of many processes each takes its rows of the draw for all."""
    if noise.world == 1:
        return choice.draw(logits, rng)
    rows = slice(noise.rank, None, noise.world)
    wide = logits.new_zeros(len(logits) * noise.world, logits.shape[1])
    wide[rows] = logits
    return choice.draw(wide, rng)[rows]


def _frame(model: Model, batch: Batch, tokens: int) -> tuple[Tensor, Tensor]:
    """What stands before anything is drawn (B, T), and where to draw (B, T)."""
    space: Tokens = model.space  # type: ignore[assignment]
    n, device = len(batch), batch.x.device
    if not space.stream:
        shape = (n, min(tokens, space.length))
        return torch.zeros(shape, dtype=torch.long, device=device), torch.ones(shape, dtype=torch.bool, device=device)
    present = torch.ones_like(batch.x, dtype=torch.bool) if batch.mask is None else batch.mask.bool()
    lengths = present.sum(1)
    width = most(int(lengths.max())) + tokens
    if width - 1 > space.length:
        raise ConfigError(
            f"prompts of up to {width - tokens} tokens and objective.tokens={tokens} are more than the {space.length} "
            "that the model sees: shorten one of them"
        )
    frame = torch.zeros((n, width), dtype=torch.long, device=device)
    frame[:, : batch.x.shape[1]] = batch.x * present
    places = torch.arange(width, device=device)
    return frame, (places >= lengths[:, None]) & (places < lengths[:, None] + tokens)
