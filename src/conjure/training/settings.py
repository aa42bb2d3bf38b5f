"""A run's settings, where it is, and what of it a checkpoint remembers beside tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from conjure.core.errors import ConfigError, TrainingError

NAN_LIMIT = 20  # moves dropped in a row before the run stops with advice
MEMORISED = 0.02  # of the best held-out loss, by which a later one is worse in earnest


@dataclass(frozen=True)
class Lora:
    """Train low-rank adapters instead of the weights (Hu et al. 2021), merged into them at the end.

    alpha / rank scales what they add; targets are the last parts of layers' names, none = all linear layers.
    """

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise ConfigError("training.lora takes a rank of at least 1, alpha above 0, dropout from 0 to below 1")


@dataclass(frozen=True)
class Training:
    """How long, how fast, how safely. A run ends at `steps`, `epochs` or `minutes`, whichever is set and first.

    rate, muon_rate (hidden matrices) and table_rate (look-up tables, under muon) are peak learning rates;
    warmup is a fraction of the run; average is the decay of the weights' running mean (0 = off); patience
    counts validations without improvement (0 = never stop early); threads 0 lets a short probe choose;
    most_held_out caps the examples of one validation; lora trains adapters alone; recompute makes a layer's inner
    states again in the backward pass instead of keeping them (Chen et al. 2016): less memory, a third more work.
    """

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    batch: int = 256
    rate: float = 1e-3
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_rate: float = 0.02
    table_rate: float = 0.1
    decay: float = 0.0
    betas: tuple[float, ...] = (0.9, 0.99)
    warmup: float = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    clip: float = 1.0
    accumulate: int = 1
    average: float = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    patience: int = 0
    validate_every: int = 200
    most_held_out: int = 20_000
    checkpoint_seconds: float = 60.0
    threads: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    board: bool = False
    lora: Lora | None = None
    recompute: bool = False

    def __post_init__(self) -> None:
        limits = [self.steps, self.epochs, self.minutes]
        if all(v is None for v in limits) or any(v is not None and v <= 0 for v in limits):
            raise ConfigError("training needs steps, epochs or minutes above zero")
        if self.batch < 1 or self.accumulate < 1 or self.validate_every < 1:
            raise ConfigError("training.batch, training.accumulate and training.validate_every are at least 1")


@dataclass(frozen=True)
class Progress:
    """Where a run is; seconds and left are wall time, fraction is of the whole run; warnings are new ones."""

    step: int
    fraction: float
    seconds: float
    left: float
    metrics: dict[str, float]
    warnings: tuple[str, ...] = ()


@dataclass
class Counters:
    """What a checkpoint remembers beside tensors."""

    step: int = 0
    seconds: float = 0.0
    dropped: int = 0
    dropped_running: int = 0
    best: float = float("inf")
    before: float | None = None  # held-out loss of the weights that the run started from
    last: float = float("inf")  # held-out loss of the last validation
    best_train: float = float("inf")  # training loss up to the best validation, and up to the last
    last_train: float = float("inf")
    best_step: int = 0
    stale: int = 0
    threads: int = 0

    def drop(self, bad: bool) -> bool:
        """Count a move that is dropped, or not; TrainingError after too many in a row."""
        self.dropped_running = self.dropped_running + 1 if bad else 0
        self.dropped += bad
        if self.dropped_running >= NAN_LIMIT:
            raise TrainingError(
                f"the loss was not a number {NAN_LIMIT} times in a row at step {self.step}; "
                "try a lower training.rate, or training.precision=fp32"
            )
        return bad

    def judge(self, values: dict[str, float]) -> bool:
        """Whether a validation is the best so far; those that are not are counted."""
        self.last, self.last_train = values["held_out_loss"], values.get("loss", float("inf"))
        if self.last >= self.best:
            self.stale += 1
            return False
        self.best, self.best_step, self.stale, self.best_train = self.last, self.step, 0, self.last_train
        return True

    def remarks(self) -> list[str]:
        """What the course of the losses says, in sentences: memorising, and a start that was better."""
        said = []
        if self.last > self.best + MEMORISED * abs(self.best) and self.last_train < self.best_train:
            said.append(
                f"after step {self.best_step} the training loss fell from {self.best_train:.3f} to "
                f"{self.last_train:.3f} while the held-out loss rose from {self.best:.3f} to {self.last:.3f}: from "
                f"there on it only memorised, and the weights of step {self.best_step} were kept; fewer steps or more "
                "data would serve as well"
            )
        if self.before is not None and self.best >= self.before:
            said.append(
                f"the held-out loss was {self.before:.3f} at the start and {self.best:.3f} at best: this data taught "
                "nothing that carries over; try a lower training.rate or more data"
            )
        return said
