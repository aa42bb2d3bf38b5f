"""Rankings as tensors: every prompt with all its completions and all that its raters said of them, in one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conjure.core.errors import DataError
from conjure.domains.answers.answer import Answer
from conjure.domains.answers.codec import AnswersCodec
from conjure.domains.protocol import Encoded
from conjure.feedback.opinions import RANK, Ranked

PLACE = 0  # of the rank among criteria, where anybody ranked


@dataclass(frozen=True)
class Table:
    """P prompts with up to K completions and R judgements by C criteria; NaN where there is none.

    ranks (P, R, K, C): 1 is best; trust (P, R) in who said it, 0 where nobody did; raters (P, R): places in `names`,
    -1 where nobody did. prompts and completions are the texts.
    """

    prompts: list[str]
    completions: list[list[str]]
    criteria: tuple[str, ...]
    names: tuple[str, ...]
    ranks: np.ndarray
    trust: np.ndarray
    raters: np.ndarray

    def rows(self, where: np.ndarray) -> Table:
        """Some of the prompts."""
        some = [[part[i] for i in where] for part in (self.prompts, self.completions)]
        return Table(*some, self.criteria, self.names, self.ranks[where], self.trust[where], self.raters[where])  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.prompts)


def table(found: Sequence[Ranked], trust: dict[str, float]) -> Table:
    """All judgements of all prompts; points count as ranks, the more the better.

    DataError where nothing tells two completions apart: everybody ranked all equal, or one completion only.
    """
    criteria = tuple(dict.fromkeys([RANK] * any(_told(one.ranks) for one in found) + _criteria(found)))
    if not criteria:
        raise DataError("no judgement tells two completions apart: all were ranked equal, or one at a time")
    names = tuple(dict.fromkeys(one.rater for one in found))
    groups: dict[str, list[Ranked]] = {}
    for one in found:
        groups.setdefault(one.prompt, []).append(one)
    texts = [list(dict.fromkeys(c for one in some for c in one.completions)) for some in groups.values()]
    k, r = max(map(len, texts)), max(map(len, groups.values()))
    ranks = np.full((len(groups), r, k, len(criteria)), np.nan, np.float32)
    weight, who = np.zeros((len(groups), r), np.float32), np.full((len(groups), r), -1)
    for row, some in enumerate(groups.values()):
        at = {text: place for place, text in enumerate(texts[row])}
        for place, one in enumerate(some):
            columns = [at[c] for c in one.completions]
            for c, name in enumerate(criteria):
                given = one.ranks if name == RANK else tuple(-v for v in one.scores.get(name, ()))
                if given:
                    ranks[row, place, columns, c] = given
            weight[row, place], who[row, place] = trust.get(one.rater, 1.0), names.index(one.rater)
    return Table(list(groups), texts, criteria, names, ranks, weight, who)


def encoded(found: Table, codec: AnswersCodec) -> Encoded:
    """For a ranking objective: x (P, K, T), mask (P, K, T), given (P, R, K C + 1)."""
    flat = codec.encode([Answer(p, c) for p, cs in zip(found.prompts, found.completions) for c in cs])
    k, width = found.ranks.shape[2], flat.x.shape[1]
    x = torch.full((len(found), k, width), codec.end)
    mask = torch.zeros(x.shape, dtype=torch.bool)
    start = 0
    for row, texts in enumerate(found.completions):
        part = slice(start, start + len(texts))
        x[row, : len(texts)], mask[row, : len(texts)] = flat.x[part], flat.mask[part]  # type: ignore[index]
        start = part.stop
    given = np.concatenate([found.ranks.reshape(*found.ranks.shape[:2], -1), found.trust[..., None]], 2)
    return Encoded(x, mask, torch.from_numpy(given))


def told_apart(found: Table) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that a rater told apart by the first criterion, as (prompt, judgement, better, worse), and their trust."""
    first, second = np.triu_indices(found.ranks.shape[2], 1)
    ranks = found.ranks[..., PLACE]
    steps = np.nan_to_num(ranks[..., second] - ranks[..., first])  # above 0: the first is the better
    row, judgement, pair = np.nonzero(steps)
    up = steps[row, judgement, pair] > 0
    better, worse = np.where(up, first[pair], second[pair]), np.where(up, second[pair], first[pair])
    return np.stack([row, judgement, better, worse], 1), found.trust[row, judgement]


def real_texts(part: Encoded) -> tuple[Tensor, Tensor]:
    """The texts that are there, (N, T), with their masks."""
    there = part.mask.any(2)  # type: ignore[union-attr]
    return part.x[there], part.mask[there]  # type: ignore[index]


def _criteria(found: Sequence[Ranked]) -> list[str]:
    names = dict.fromkeys(name for one in found for name in one.scores)
    return [name for name in names if any(_told(one.scores.get(name, ())) for one in found)]


def _told(values: Sequence[float]) -> bool:
    return len({v for v in values if not np.isnan(v)}) > 1
