"""Places for texts under way: what a model remembers of each, kept after its end for the next that begins alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from conjure.models.llm import LLM
from conjure.models.protocol import Model


@dataclass(frozen=True)
class Part:
    """Further tokens of a slot, and of how many of the last of them logits are wanted."""

    slot: int
    tokens: list[int]
    wanted: int = 1


class Slots(Protocol):
    """`held` are the tokens each slot's memory holds, whether or not anybody is served in it now."""

    held: list[list[int]]

    def settle(self, prompt: list[int], busy: set[int]) -> tuple[int, int]:
        """A free slot for a prompt, and how many of its tokens are in its memory already."""
        ...

    def read(self, parts: list[Part]) -> list[np.ndarray]:
        """Logits (wanted, V) of each part; no slot stands in two."""
        ...

    def forget(self, slot: int) -> None:
        """What the slot's memory holds is of no use: reading went wrong."""
        ...


def common(one: list[int], other: list[int]) -> int:
    """How many first tokens two lists share."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return next(at for at in range(most) if one[at] != other[at])


def slots_for(model: Model, count: int) -> Slots:
    """Rows of one batch where the family can read them apart, else a reading each."""
    return Rows(model, count) if isinstance(model, LLM) else Readings(model, count)


class Rows:
    """Rows of one static key-value cache: read together, advanced apart, rolled back and copied at will."""

    def __init__(self, model: LLM, count: int):
        self.model, self.reading = model, model.begin(count)
        self.held: list[list[int]] = [[] for _ in range(count)]
        self._used = [0] * count
        self._clock = 0
        self._ahead = 0 if model.space.stream else 1  # type: ignore[union-attr]  # the start symbol is in the cache too

    def settle(self, prompt: list[int], busy: set[int]) -> tuple[int, int]:
        """The slot that holds most of the prompt; where it is taken, or holds much else, the oldest with a copy.

        At least the prompt's last token is read again, since what follows it is asked for.
        """
        alike = [common(held, prompt[:-1]) for held in self.held]
        best = max(range(len(alike)), key=lambda slot: (alike[slot], slot not in busy))
        kept, oldest = alike[best], min((s for s in range(len(alike)) if s not in busy), key=self._used.__getitem__)
        slot = best if best not in busy and 2 * kept >= len(self.held[best]) else oldest
        if slot != best and kept:
            self.reading.copy(best, slot, kept + self._ahead)
        self.reading.rewind(slot, kept + self._ahead if kept else 0)
        self.held[slot] = prompt[:kept]
        return slot, kept

    def read(self, parts: list[Part]) -> list[np.ndarray]:
        """Logits (wanted, V) of each part: all in one go where C reads, as it takes rows of any lengths.

        Without it parts of one token go together and longer ones by themselves, for torch would fill them up.
        """
        order = sorted(range(len(parts)), key=lambda at: parts[at].slot)  # as they lie in the cache
        groups = [order]
        if self.reading.stepping is None:
            short = [at for at in order if len(parts[at].tokens) == 1]
            groups = [group for group in (short, *([at] for at in order if at not in short)) if group]
        found: dict[int, np.ndarray] = {}
        for group in groups:
            found.update(zip(group, self._read([parts[at] for at in group])))
        return [found[at] for at in range(len(parts))]

    def _read(self, parts: list[Part]) -> list[np.ndarray]:
        lengths, wanted = [len(part.tokens) for part in parts], [part.wanted for part in parts]
        longest, device = max(lengths), self.model.device
        tokens = torch.tensor([part.tokens + [0] * (longest - len(part.tokens)) for part in parts], dtype=torch.long)
        rows, counts = torch.tensor([part.slot for part in parts]), torch.tensor(lengths)
        several = None if wanted == [1] * len(wanted) else torch.tensor(wanted)
        logits = self.model.read(tokens.to(device), self.reading, counts.to(device), rows.to(device), several)
        self._clock += 1
        for part in parts:
            self.held[part.slot] += part.tokens
            self._used[part.slot] = self._clock
        return np.split(logits.float().cpu().numpy(), np.cumsum(wanted)[:-1])

    def rewind(self, slot: int, count: int) -> None:
        """Forget all but the first `count` tokens of a slot."""
        self.reading.rewind(slot, count + self._ahead)
        self.held[slot] = self.held[slot][:count]

    def forget(self, slot: int) -> None:
        self.reading.clear(slot)
        self.held[slot] = []


class Readings:
    """A reading of its own for each slot, of families whose memory cannot be rolled back; read one by one."""

    def __init__(self, model: Any, count: int):
        self.model = model
        self.held: list[list[int]] = [[] for _ in range(count)]
        self._readings: list[Any] = [None] * count

    def settle(self, prompt: list[int], busy: set[int]) -> tuple[int, int]:
        """The slot whose whole memory the prompt goes on from, else one that starts anew."""
        free = [slot for slot in range(len(self.held)) if slot not in busy]
        slot = max(free, key=lambda s: (self._continues(s, prompt), len(self.held[s])))
        if not self._continues(slot, prompt):
            slot = min(free, key=lambda s: len(self.held[s]))
            self.held[slot], self._readings[slot] = [], self.model.begin(1)
        return slot, len(self.held[slot])

    def read(self, parts: list[Part]) -> list[np.ndarray]:
        """Logits (wanted, V) of each part; of no more than its last token."""
        found = []
        for part in parts:
            tokens = torch.tensor([part.tokens], dtype=torch.long, device=self.model.device)
            logits = self.model.read(tokens, self._readings[part.slot]).float().cpu().numpy()
            self.held[part.slot] += part.tokens
            found.append(logits[: part.wanted])
        return found

    def forget(self, slot: int) -> None:
        self.held[slot] = []

    def _continues(self, slot: int, prompt: list[int]) -> bool:
        held = self.held[slot]
        return 0 < len(held) < len(prompt) and prompt[: len(held)] == held
