"""How surprisingly alike two rows are: agreement in what is rare says more than agreement in what everybody has."""

from __future__ import annotations

import numpy as np

from conjure.metrics.attacks.tables import Tables
from conjure.metrics.frames import join


def surprise(tables: Tables, which: np.ndarray) -> np.ndarray:
    """Nats by which a made row and real rows agree, (N, K): the sum over columns of -log P(as near or nearer).

    P is the share of all real rows that lie as near to the made row in that column or nearer, columns being taken
    apart as in the linking of records (Fellegi and Sunter 1969, section 3.3); what differs in a word says nothing.
    which: the real rows compared, members before controls, (N, K).
    """
    real, made = join(tables.members, tables.controls), tables.made
    total = np.zeros(which.shape)
    for theirs, ours in zip(real.numbers.T, made.numbers.T):
        total -= np.log(_share_as_near(theirs, ours[:, None], which))
    for theirs, ours in zip(real.codes.T, made.codes.T):
        known, back = np.unique(np.concatenate([theirs, ours]), return_inverse=True)
        counts = np.bincount(back[: len(theirs)], minlength=len(known))
        share = np.maximum(counts[back[len(theirs) :]], 1) / len(theirs)
        total -= np.where(theirs[which] == ours[:, None], np.log(share)[:, None], 0.0)
    return total


def _share_as_near(theirs: np.ndarray, ours: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The share of a column's cells no further from ours (N, 1) than those compared, (N, K); gaps are like gaps."""
    absent = np.isnan(theirs)
    known = np.sort(theirs[~absent])
    apart = np.abs(theirs[which] - ours)
    inside = np.searchsorted(known, ours + apart, "right") - np.searchsorted(known, ours - apart, "left")
    both = absent[which] & np.isnan(ours)
    counts = np.where(both, absent.sum(), np.where(np.isnan(apart), len(theirs), np.maximum(inside, 1)))
    return counts / len(theirs)
