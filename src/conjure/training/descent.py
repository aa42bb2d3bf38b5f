"""Steps down noisy gradients under a privacy budget: who is in a batch, clipped sums, noise (Abadi et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError, TrainingError
from conjure.core.privacy import KeyedNoise, Ledger
from conjure.core.rng import Noise
from conjure.domains.protocol import Encoded
from conjure.objectives.protocol import Objective
from conjure.training.data import Examples
from conjure.training.tape import Tape

GRID = 2.0**-20  # of the noise's scale, to which sums are rounded: no stray digits of floating point tell the sum


class Drawn(Examples):
    """Rows of which each is in a step's batch by itself, with the descent that alone may look at them.

    Anything else that wants to see examples before training gets stand-ins, made of what is public already. So is the
    number of rows it says it has. Who is in a batch is as secret as the noise: both come from the ledger's key.
    """

    def __init__(self, encoded: Encoded, ledger: Ledger, stand_ins: Tensor, rows: int):
        super().__init__(encoded, KeyedNoise(ledger.key, "seed").seed())
        self.stand_ins, self.rows, self.descent = stand_ins, rows, Descent(ledger)

    def __len__(self) -> int:
        return self.rows

    def look(self, size: int) -> Batch:
        return Batch(self.stand_ins[:size])

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """Each row with the plan's chance, whatever size is asked."""
        chance = KeyedNoise(self.descent.ledger.key, "batch", step).uniform(len(self.x))
        index = torch.from_numpy(chance < self.descent.plan["rate"]).nonzero().squeeze(1)
        return self._gather(index, Noise(self.seed, "noise", step))


class Descent:
    """Clipped per-example gradients, summed, with noise of scale noise * clip, over the batch's usual size."""

    def __init__(self, ledger: Ledger):
        self.ledger, self.plan = ledger, ledger.descent or {}

    @staticmethod
    def check(objective: Objective) -> None:
        """ConfigError for layers whose result for one example depends on others."""
        for name, module in objective.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                raise ConfigError(f"{name} takes means over a batch, so that no example's gradient is its own")

    def moves(self, objective: Objective, batch: Batch, step: int, parts: int) -> Iterator[str]:
        """The players of one step, each once its gradients stand ready; a batch is taken in `parts` to save memory."""
        if objective.descends == "model":
            self.sums: dict[str, Tensor] = {}
            for part in range(parts):
                rows = batch.rows(slice(part, None, parts))
                with Tape(objective.model, len(rows)) as tape:
                    each = objective.each(rows)
                self._gather(tape, each)
            self._settle(objective, step)
            yield "model"
            return
        if parts > 1:
            raise ConfigError("training.accumulate works with objectives of one loss; set it to 1 for games")
        moves = objective.moves(batch)
        while True:
            self.sums = {}
            with Tape(objective.players()[objective.descends], len(batch)) as tape:  # type: ignore[index]
                move = next(moves, None)
            if move is None:
                return
            if move.player == objective.descends:
                if move.each is None:
                    raise TypeError(f"{type(objective).__name__} moves {move.player} by a loss that mixes examples")
                self._gather(tape, move.each)
                self._settle(objective, step)
            else:  # of what is made alone, which is public
                for p in objective.parameters():
                    p.grad = None
                move.loss.backward()
            yield move.player

    def _gather(self, tape: Tape, each: Tensor) -> None:
        """Add the clipped gradients of some examples."""
        if not len(each):
            return
        norms = tape.squares(each).sqrt()
        if not bool(torch.isfinite(norms).all()):
            raise TrainingError("a gradient was not a number: try a lower training.rate")
        weights = (self.plan["clip"] / norms.clamp_min(1e-12)).clamp(max=1.0)
        for name, part in tape.summed(weights).items():
            self.sums[name] = self.sums[name] + part if name in self.sums else part

    def _settle(self, objective: Objective, step: int) -> None:
        """Put the noisy mean where the optimizer looks for a gradient."""
        who = objective.descends
        noise, scale = KeyedNoise(self.ledger.key, "noise", who or "", step), self.plan["noise"] * self.plan["clip"]
        for name, p in objective.players()[who].named_parameters():  # type: ignore[index]
            if not p.requires_grad:
                continue
            exact = self.sums[name] if name in self.sums else torch.zeros_like(p)
            noisy = exact.detach().double().cpu() + scale * torch.from_numpy(noise.normal(*p.shape))
            rounded = torch.round(noisy / (GRID * scale)) * (GRID * scale)
            p.grad = (rounded / self.plan["batch"]).to(p)
