"""An objective asks for moves: it yields (player, loss), the trainer steps that player, the objective goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.privacy import Ledger
from conjure.models.protocol import Model

KEEPING = "the models marginals, columns, vae and gan"  # to a privacy budget


@dataclass(frozen=True)
class Move:
    """One step asked of the trainer: this player, down this loss. A loss without gradient asks for no step.

    each: the loss of every example by itself, (B,), where a privacy budget asks for it.
    """

    player: str
    loss: Tensor
    metrics: dict[str, Tensor] = field(default_factory=dict)
    each: Tensor | None = None


class Objective(nn.Module):
    """What "better" means for a model, and whatever only training needs (critic, value head, reference).

    One-player objectives override `loss`; games override `players` and `moves`. A subclass states in
    `needs` the methods a model must have, nests a frozen `Config`, and is final.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    whole: ClassVar[bool] = False  # True when `prepare` must see every training example, not a sample of them
    descends: ClassVar[str | None] = None  # the one player whose steps see data, where noisy gradients can serve it
    pure: ClassVar[bool] = True  # False when moves() changes the model by itself (counting, expectation maximisation)

    def __init__(self, model: Model, config: Any):
        super().__init__()
        self.model, self.config = model, config

    @classmethod
    def refuses(cls, model: type[Model]) -> str | None:
        """Why this objective cannot serve a family, in one sentence; None when it can."""
        missing = [need for need in cls.needs if not callable(getattr(model, need, None))]
        if missing:
            return f"{cls.__name__} needs a model with {missing[0]}, which {model.__name__} has not"
        if cls.pure and not model.gradient:
            return f"{model.__name__} learns by counts, which {cls.__name__}'s gradient does not move"
        return None

    def players(self) -> dict[str, nn.Module]:
        """Modules with an optimizer of their own; the model's own name comes first."""
        return {"model": self.model}

    def settings(self, player: str) -> dict[str, Any]:
        """Optimizer settings this equation wants for a player (rate as a factor, betas, decay)."""
        return {}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss over the batch, (), with metrics to journal; for one-player objectives."""
        raise TypeError(f"{type(self).__name__} is a game: ask for moves, not a loss")

    def each(self, batch: Batch) -> Tensor:
        """The loss of every example by itself, (B,); for objectives of one player that descend by noisy gradients."""
        raise TypeError(f"{type(self).__name__} does not tell one example's loss from another's")

    def moves(self, batch: Batch) -> Iterator[Move]:
        """The moves of one step, in order; after each yield the player named has new weights."""
        loss, metrics = self.loss(batch)
        yield Move("model", loss, metrics)

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Means over a held-out batch; "loss" (lower is better) steers early stopping. Called without gradient."""
        loss, metrics = self.loss(batch)
        return {"loss": loss, **metrics}

    def warnings(self) -> list[str]:
        """What the person at the keyboard should know, in sentences, since asked last: asked after each validation."""
        return []

    def prepare(self, batch: Batch, rows: int) -> None:
        """Told once, before the first step of a fresh run: some training examples, and how many there are in all.

        For what is found in the data before training starts, such as a structure or a first clustering.
        """

    def under(self, ledger: Ledger) -> None:
        """Told before anything else that all that is looked at must go through a privacy budget's ledger.

        One that `descends` is shown nothing but its batches; `prepare` gets stand-ins in the place of examples.
        """
        if self.descends is None:
            raise ConfigError(f"{type(self).__name__} cannot keep to a privacy budget; {KEEPING} can")

    def progress(self, fraction: float) -> None:
        """Told before each step how much of the run is done, in [0, 1]: for annealed terms."""
