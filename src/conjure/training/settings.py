"""A run's settings, where it is, and what of it a checkpoint remembers beside tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from conjure.core.errors import ConfigError


@dataclass(frozen=True)
class Training:
    """How long, how fast, how safely. A run ends at `steps`, `epochs` or `minutes`, whichever is set and first.

    rate, muon_rate (hidden matrices) and table_rate (look-up tables, under muon) are peak learning rates;
    warmup is a fraction of the run; average is the decay of the weights' running mean (0 = off); patience
    counts validations without improvement (0 = never stop early); threads 0 lets a short probe choose;
    most_held_out caps the examples of one validation.
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
    best_step: int = 0
    stale: int = 0
    threads: int = 0
