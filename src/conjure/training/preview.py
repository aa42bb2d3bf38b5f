"""A look at what a run has learnt so far, while it goes on: paced, and without a trace in what is learnt."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from conjure.core.errors import ConfigError
from conjure.training.compiled import taken_off
from conjure.training.settings import Progress
from conjure.training.trainer import Trainer


@dataclass(frozen=True)
class Preview:
    """`n` objects of the unfinished model, `show`n with their step: first after `every` seconds, then as often.

    share: of the run's time, what looking may take; where drawing is slow, looks are fewer. ConfigError for others.
    """

    show: Callable[[Any, int], None]
    every: float = 10.0
    n: int = 8
    share: float = 0.05

    def __post_init__(self) -> None:
        if not self.every > 0 or self.n < 1 or not 0 < self.share <= 1:
            raise ConfigError("a preview is of at least 1 sample, every so many seconds above 0, share from 0 to 1")


@dataclass
class Looks:
    """The looks of one run: `draw` makes the objects, `say` is told once where that cannot be done."""

    preview: Preview
    draw: Callable[[int], Any]
    say: Callable[[str], None]
    due: float = field(init=False)

    def __post_init__(self) -> None:
        self.due = time.monotonic() + self.preview.every

    def beside(self, trainer: Trainer, watch: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """A watch that also looks when it is time."""

        def watched(progress: Progress) -> None:
            watch(progress)
            if progress.fraction < 1 and not trainer.stopping and time.monotonic() >= self.due:
                with at_rest(trainer):
                    self.look(progress.step)

        return watched

    def look(self, step: int) -> None:
        """Draw and show; whatever goes wrong with it is no reason to lose the run."""
        begun = time.monotonic()
        try:
            self.preview.show(self.draw(self.preview.n), step)
        except Exception as error:
            self.say(f"no preview, and the run goes on: {error}")
            self.due = float("inf")
            return
        took = time.monotonic() - begun
        self.due = time.monotonic() + max(self.preview.every, took * (1 / self.preview.share - 1))


@contextlib.contextmanager
def at_rest(trainer: Trainer) -> Iterator[None]:
    """Within it the model is as it would be shipped now: averaged where the run averages, and not in training.

    After it everything is as it was, the state of torch's global generator too, so that a run is bit for bit the same
    with and without looks.
    """
    model = trainer.players["model"]
    modes = [(part, part.training) for part in model.modules()]
    devices = [torch.cuda.current_device()] if trainer.processes.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad(), taken_off(model):
        try:
            model.eval()
            with trainer.average.applied() if trainer.average else contextlib.nullcontext():
                yield
        finally:
            for part, mode in modes:
                part.training = mode
