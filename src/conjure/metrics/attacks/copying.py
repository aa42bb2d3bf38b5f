"""Copies: made rows that are training rows, or that lie beside one as no row of the same source would by chance."""

from __future__ import annotations

import numpy as np

from conjure.metrics.attacks.chance import by_relabelling
from conjure.metrics.attacks.likeness import surprise
from conjure.metrics.attacks.outcome import Outcome, Rate
from conjure.metrics.attacks.tables import Neighbours, Tables, neighbours
from conjure.metrics.copies import hashes

CLOSER = 0.2  # a near copy lies at most at this part of the distance to the other side
RARER = 5.0  # nats by which its agreement is more surprising than with the other side


def exact(tables: Tables) -> Outcome:
    """Made rows that equal a training row and no control row, beside those that equal a control row alone."""
    made, members, controls = (hashes(g) for g in (tables.made, tables.members, tables.controls))
    real = np.concatenate([members, controls])
    rows = np.flatnonzero(np.isin(real, made))  # the others are copied under no labels
    values, which = np.unique(real[rows], return_inverse=True)
    times = np.isin(made, values)
    times = np.bincount(np.searchsorted(values, made[times]), minlength=len(values))

    def hits(labels: np.ndarray) -> tuple[int, int]:
        on = labels[rows]
        member, control = (np.bincount(which[side], minlength=len(values)) > 0 for side in (on, ~on))
        return int(times[member & ~control].sum()), int(times[control & ~member].sum())

    meaning = "made rows that equal a training row (or a control row) in every column, and none of the other side"
    return _outcome("exact copies", meaning, hits, tables)


def near(tables: Tables, beside: Neighbours | None = None) -> Outcome:
    """Made rows that lie beside one side's row as beside no row of the other: so much nearer, and so much more alike.

    Nearer: at most `CLOSER` times as far as any row of the other side. More alike: their agreement is by `RARER` nats
    more surprising than that with any row of the other side (`likeness.surprise`), which leaves out rows that are near
    because they are common. A row drawn afresh lies so beside a control row as often as beside a training row; an
    average over all made rows, such as the share nearer to training, drowns one copy in a hundred. beside: the tables'
    `neighbours`, if known.
    """
    found = beside or neighbours(tables)
    alike, first = surprise(tables, found.which), found.far[:, :1]
    rivals = (found.far <= first) | (CLOSER * found.far < first) | (alike > alike.max(1, keepdims=True) - RARER)
    kept = np.flatnonzero(~rivals.all(1))  # elsewhere rivals may go on beyond the list
    where, column = np.nonzero(rivals[kept])
    which, starts = found.which[kept][where, column], np.searchsorted(where, np.arange(len(kept)))

    def hits(labels: np.ndarray) -> tuple[int, int]:
        """Rows all of whose rivals are on one side: a row of the other side is neither as near nor as alike."""
        if not len(kept):
            return 0, 0
        member = np.add.reduceat(labels[which].astype(np.int64), starts)
        return int((member == sizes).sum()), int((member == 0).sum())

    sizes = np.bincount(where, minlength=len(kept))
    meaning = (
        f"made rows at most {CLOSER:g} times as far from a training row as from any control row, and e^{RARER:g} times "
        "less likely to agree so well by chance (and the reverse)"
    )
    return _outcome("near copies", meaning, hits, tables)


def nearer_share(tables: Tables, beside: Neighbours | None = None) -> Outcome:
    """The share of made rows nearer to training than to control rows: a sanity check, not proof of privacy.

    It moves by half of a leak's share, so that small leaks pass unseen.
    """
    found = beside or neighbours(tables)

    def hits(labels: np.ndarray) -> tuple[int, int]:
        member, control = found.nearest(labels), found.nearest(~labels)
        return int((member < control).sum()), int((control < member).sum())

    meaning = "made rows whose nearest training row is nearer than their nearest control row (and the reverse)"
    return _outcome("nearer to training (sanity check only)", meaning, hits, tables)


def _outcome(name: str, meaning: str, hits, tables: Tables) -> Outcome:
    """Both sides' hits, with the chance of so many more on the members' side."""
    count = len(tables.members)
    total = count + len(tables.controls)
    member, control = hits(np.arange(total) < count)

    def lead(labels: np.ndarray) -> int:
        a, b = hits(labels)
        return a - b

    chance = by_relabelling(lead, count, total)
    return Outcome(name, meaning, Rate(member, len(tables.made)), Rate(control, len(tables.made)), chance)
