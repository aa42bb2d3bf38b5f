"""Class labels: names to codes, which classes samples shall be of, and rows held out of each alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive

GOLDEN = (5**0.5 - 1) / 2


class Labelled(Protocol):
    """Objects with a class each, or none."""

    labels: np.ndarray | None

    def name(self, row: int) -> str: ...


def codes(objects: Labelled, counts: dict[str, int], what: str) -> Tensor | None:
    """The code of each object's class, (N, 1), None for a model without classes; DataError names an unknown one.

    counts: how often each class was seen in training, in the order of codes; what: "images", "clips".
    """
    if not counts:
        return None
    if objects.labels is None:
        raise DataError(f"these {what} have no class labels, which the model was fitted with; use a folder a class")
    places = {name: code for code, name in enumerate(counts)}
    for row, label in enumerate(objects.labels):
        if label not in places:
            hint = nearest(str(label), list(counts))
            raise DataError(f"{objects.name(row)} is of class {str(label)!r}, never seen in training: {hint}")
    return torch.tensor([places[label] for label in objects.labels.tolist()]).unsqueeze(1)


def wanted(given: dict[str, Any], counts: dict[str, int], n: int) -> Tensor:
    """Codes (N, 1) from {"label": name} or one name a sample.

    Without a label the classes are spread as often as they were in training, the same way each time.
    """
    if "label" not in given:
        share = np.cumsum(list(counts.values())) / sum(counts.values())
        found = np.searchsorted(share, ((np.arange(n) + 0.5) * GOLDEN) % 1.0, side="right")
        return torch.from_numpy(found.astype(np.int64)).unsqueeze(1)
    asked: Any = given["label"]
    names: Sequence[Any] = [asked] * n if isinstance(asked, (str, int, np.integer)) else list(asked)
    if len(names) != n:
        raise ConfigError(f"given has {len(names)} labels for {n} samples; give one, or one each")
    if unknown := [name for name in names if str(name) not in counts]:
        raise ConfigError(f"no class is called {str(unknown[0])!r}: {nearest(str(unknown[0]), list(counts))}")
    order = list(counts)
    return torch.tensor([order.index(str(name)) for name in names]).unsqueeze(1)


def condition(given: dict[str, Any], counts: dict[str, int], n: int, what: str) -> Tensor | None:
    """Class codes (N, 1) from {"label": name} or one name a sample, None for a model without classes.

    Without a label the classes are spread as often as they were in training, the same way each time. what: "clips".
    """
    if unknown := [key for key in given if key != "label"]:
        raise ConfigError(f"{what} take no --given {unknown[0]!r}: {nearest(unknown[0], ['label'])}")
    if not counts:
        if given:
            raise ConfigError("this model was fitted without class labels, so --given label= cannot be honoured")
        return None
    return wanted(given, counts, n)


def apart(labels: list[str], fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows to learn from, rows held out), each in order: of every label the same fraction, at least one row in all."""
    rng, names = np.random.default_rng(derive(seed, "split")), np.array(labels)
    held: list[np.ndarray] = []
    for label in np.unique(names):
        rows = rng.permutation(np.flatnonzero(names == label))
        held.append(rows[: min(round(fraction * len(rows)), len(rows) - 1)])
    out = np.concatenate(held)
    if not len(out):  # so few of a label that none rounds to one row
        out = rng.permutation(len(names))[:1]
    return np.setdiff1d(np.arange(len(names)), out), np.sort(out)
