"""The only training loop: it takes the moves an objective asks for, whatever the model behind them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import derive
from conjure.objectives.protocol import Move, Objective
from conjure.training import checkpoint
from conjure.training.compiled import put_on, take_off
from conjure.training.data import Examples
from conjure.training.distributed import Processes
from conjure.training.ema import Average, put, reshard, weights
from conjure.training.journal import Journal
from conjure.training.optim import make_optimizer, schedule, set_rate
from conjure.training.settings import Counters, Progress, Training
from conjure.training.threads import choose_threads

PREPARE_FROM = 20_000  # examples an objective may look at before the first step


class Trainer:
    """Runs an objective over examples until its limit, its patience or a stop; resumes bit for bit."""

    def __init__(
        self,
        objective: Objective,
        training: Training,
        data: tuple[Examples, Examples | None],
        *,
        seed: int = 0,
        folder: Path | None = None,
        processes: Processes | None = None,
    ):
        self.objective, self.training, self.seed, self.folder = objective, training, seed, folder
        self.examples, self.held_out = data
        self.processes = processes = processes or Processes()
        self.players = objective.players()
        for player in self.players.values():
            processes.shard(player)
        objective.to(processes.device)
        self.optimizers = {
            who: make_optimizer(player, training, objective.settings(who))
            for who, player in self.players.items()
            if any(p.requires_grad for p in player.parameters())
        }
        model = self.players["model"]
        self.average = Average(model, training.average) if training.average else None
        self.best: dict[str, Tensor] = {}
        self.warnings, self.warned = [], []  # of the last validation, until shown; of all
        self.counters = Counters()
        self.stopping = False
        self.stopped_by = "limit"
        self._sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def stop(self) -> None:
        """Ask the run to end after the step under way (Ctrl-C); what was learnt is kept."""
        self.stopping = True

    def resume(self) -> bool:
        """Take up the folder's checkpoint; False when there is none."""
        place = checkpoint.find(self.folder) if self.folder else None
        if place is None:
            return False
        groups, counters = checkpoint.load(place, self.players, self.optimizers, self.processes)
        self.counters = Counters(**counters)
        self.best = groups.get("best", {})
        if self.average:
            self.average.shadow = groups["average"]
        return True

    @torch.no_grad()
    def measure(self) -> None:
        """Note the held-out loss of the weights as they are, for a run that goes on from others'."""
        if self.held_out is not None and self.counters.before is None:
            self.objective.eval()
            self.counters.before = self._held_out_means()["loss"]

    def run(self, watch: Callable[[Progress], None] = lambda progress: None) -> dict[str, Any]:
        """Train to the end; leaves the best (or averaged, or last) weights in the model and returns a summary."""
        c = self.counters
        if c.step == 0:
            many = len(self.examples) if self.objective.whole else PREPARE_FROM
            self.objective.prepare(self.examples.look(many).to(self.processes.device), len(self.examples))
        journalled = self.processes.first and not self.examples.descent  # losses would tell of single rows
        self.journal = Journal(self.folder if journalled else None, c.step, self.training.board)
        c.threads = c.threads or choose_threads(self.objective, self.examples, self.training)
        torch.set_num_threads(c.threads)
        if self.training.compile and self.processes.world == 1:
            put_on(self.players["model"])
        self.objective.train()
        started, saved, last_shown = time.monotonic() - c.seconds, time.monotonic(), 0.0
        while not self._finished():
            self._step()
            c.seconds = self.processes.agree(time.monotonic() - started)
            if c.step % self.training.validate_every == 0:
                self._validate()
            if self.processes.agree(time.monotonic() - saved) > self.training.checkpoint_seconds:
                self.save()
                saved = time.monotonic()
            if c.seconds - last_shown > 0.2 or c.step == 1:
                last_shown = c.seconds
                watch(self._progress())
                self.warnings = []
        return self._finish(watch)

    def save(self) -> None:
        """Write a checkpoint now."""
        if self.folder is None:
            return
        extra = {"best": self.best} if self.best else {}
        if self.average:
            extra["average"] = self.average.shadow
        flat = checkpoint.tensors(self.players, extra)
        flat.update(checkpoint.optimizer_tensors(self.players, self.optimizers))
        checkpoint.save(self.folder, flat, vars(self.counters), self.processes)

    def _step(self) -> None:
        c, t = self.counters, self.training
        world, rank = self.processes.world, self.processes.rank
        torch.manual_seed(derive(self.seed, "step", c.step, rank))
        fraction = self._fraction()
        factor = schedule(fraction, t.schedule, t.warmup)
        self.objective.progress(fraction)
        batch = self.examples.batch(c.step, t.batch * t.accumulate, rank, world).to(self.processes.device)
        if descent := self.examples.descent:
            for who in descent.moves(self.objective, batch, c.step, t.accumulate):
                self._descend(who, factor)
        elif t.accumulate > 1:
            self._accumulated(batch, factor)
        else:
            moves = self.objective.moves(batch)
            while (move := self._next(moves)) is not None:
                self._take(move, factor)
        if self.average:
            self.average.update(c.step)
        c.step += 1

    def _next(self, moves: Any) -> Move | None:
        with self._precision():
            return next(moves, None)

    def _take(self, move: Move, factor: float) -> None:
        """One optimizer step of one player, dropped when its loss is not a number."""
        self._note(move)
        if not move.loss.requires_grad:
            return
        if self._not_a_number(move.loss):
            return
        self._clear()
        move.loss.backward()
        self._descend(move.player, factor)

    def _accumulated(self, batch: Batch, factor: float) -> None:
        """One step over several small batches; for objectives of one player and one loss."""
        if type(self.objective).moves is not Objective.moves:
            raise ConfigError("training.accumulate works with objectives of one loss; set it to 1 for games")
        parts = self.training.accumulate
        self._clear()
        for part in range(parts):
            with self._precision():
                loss, metrics = self.objective.loss(batch.rows(slice(part, None, parts)))
            self._note(Move("model", loss, metrics))
            if self._not_a_number(loss):
                return
            (loss / parts).backward()
        self._descend("model", factor)

    def _clear(self) -> None:
        """Drop all gradients, through the optimizers: between its passes a sharded module shows other tensors."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def _descend(self, who: str, factor: float) -> None:
        optimizer = self.optimizers[who]
        moved = [p for g in optimizer.param_groups for p in g["params"]]
        if self.training.clip and not self.examples.descent:
            nn.utils.clip_grad_norm_(moved, self.training.clip)
        set_rate(optimizer, factor)
        optimizer.step()
        increment_version(moved)  # fused steps do not, and copies of weights made for reading are told by it
        reshard(self.players[who])

    def _not_a_number(self, loss: Tensor) -> bool:
        return self.counters.drop(self.processes.any(not bool(torch.isfinite(loss.detach()))))

    @torch.no_grad()
    def _validate(self) -> None:
        """Journal the training means and, with held-out data, what the (averaged) model makes of it."""
        c, values = self.counters, self._means()
        if self.held_out is not None:
            self.objective.eval()
            with self.average.applied() if self.average else nullcontext():
                values |= {f"held_out_{k}": v for k, v in self._held_out_means().items()}
                if c.judge(values):
                    self.best = weights(self.players["model"])
            self.objective.train()
        warnings = self.objective.warnings()
        self.warnings += warnings
        self.warned += [w for w in warnings if w not in self.warned]
        if self.processes.first:
            self.journal.write(c.step, c.seconds, **values, **({"warnings": warnings} if warnings else {}))

    def _held_out_means(self) -> dict[str, float]:
        t, p = self.training, self.processes
        sums: dict[str, float] = defaultdict(float)
        count = 0
        size = max(t.batch, min(1024, t.batch * 4))
        for batch in self.held_out.held_out(size, t.most_held_out, p.rank, p.world):  # type: ignore[union-attr]
            with self._precision():
                metrics = self.objective.validate(batch.to(p.device))
            for name, value in metrics.items():
                sums[name] += float(value) * len(batch)
            count += len(batch)
        reshard(self.players["model"])
        return p.means(dict(sums), count)

    def _finish(self, watch: Callable[[Progress], None]) -> dict[str, Any]:
        c, model = self.counters, self.players["model"]
        if self.stopping:  # before the extra validation, which an uninterrupted run would not make here
            self.save()
        if c.step % self.training.validate_every or not c.best_step:
            self._validate()
        watch(self._progress())
        take_off(model)
        if self.best:
            put(model, self.best)
        elif self.average:
            put(model, self.average.shadow)
        self.objective.eval()
        self.journal.close()
        return {
            "steps": c.step,
            "seconds": round(c.seconds, 2),
            "held_out_loss": None if self.held_out is None else c.best,
            **({} if c.before is None else {"held_out_loss_before": c.before}),
            "best_step": c.best_step or c.step,
            "dropped_moves": c.dropped,
            "threads": c.threads,
            "stopped_by": self.stopped_by,
            "warnings": self.warned + c.remarks(),
        }

    def _finished(self) -> bool:
        t, c = self.training, self.counters
        if self.processes.any(self.stopping):
            self.stopped_by, self.stopping = "interrupt", True
        elif t.patience and c.stale >= t.patience:
            self.stopped_by = "patience"
        elif self._fraction() < 1:
            return False
        return True

    def _fraction(self) -> float:
        """How much of the run is done: the furthest of its limits."""
        t, c = self.training, self.counters
        parts = [0.0]
        if t.steps:
            parts.append(c.step / t.steps)
        if t.epochs:
            per_epoch = self.examples.batches(min(t.batch * t.accumulate, len(self.examples)))
            parts.append(c.step / max(1, round(t.epochs * per_epoch)))
        if t.minutes:
            parts.append(c.seconds / (60 * t.minutes))
        return min(1.0, max(parts))

    def _progress(self) -> Progress:
        c, fraction = self.counters, self._fraction()
        left = c.seconds * (1 - fraction) / max(fraction, 1e-9)
        means = {name: total / count for name, (total, count) in self._sums.items() if count}
        means |= {"held_out": c.best} if c.best_step else {}
        return Progress(c.step, fraction, c.seconds, left, means, tuple(self.warnings))

    def _note(self, move: Move) -> None:
        prefix = "" if len(self.players) == 1 else f"{move.player}_"
        for name, value in {"loss": move.loss, **move.metrics}.items():
            entry = self._sums[prefix + name]
            entry[0] += float(value.detach())
            entry[1] += 1

    def _means(self) -> dict[str, float]:
        means = {name: total / count for name, (total, count) in self._sums.items() if count}
        self._sums.clear()
        return means

    def _precision(self) -> Any:
        if self.training.precision == "bf16":
            return torch.autocast(self.processes.device.type, torch.bfloat16)
        return nullcontext()
