"""Copies: made rows that are training rows, or that lie beside one as no row of the same source would by chance."""

from __future__ import annotations

import numpy as np

from conjure.metrics.attacks.outcome import Outcome, Rate
from conjure.metrics.attacks.tables import Tables, distances
from conjure.metrics.copies import hashes

CLOSER = 0.2  # a near copy lies at most at this part of the distance to the other side


def exact(tables: Tables) -> Outcome:
    """Made rows that equal a training row and no control row, beside those that equal a control row alone."""
    made, members, controls = (hashes(g) for g in (tables.made, tables.members, tables.controls))
    member, control = np.isin(made, members), np.isin(made, controls)
    return Outcome(
        "exact copies",
        "made rows that equal a training row (or a control row) in every column, and none of the other side",
        Rate(int((member & ~control).sum()), len(made)),
        Rate(int((control & ~member).sum()), len(made)),
    )


def near(tables: Tables, closer: float = CLOSER) -> Outcome:
    """Made rows that lie at one side's nearest row `closer` times as far as at the other side's, or less.

    A row drawn afresh is as often this near a control row as a training row; an average over all made rows, such
    as the share nearer to training, drowns one copy in a hundred.
    """
    members, controls, made = tables.points()
    to_member, to_control = distances(made, members), distances(made, controls)
    return Outcome(
        "near copies",
        f"made rows at most {closer:g} times as far from a training row as from any control row (and the reverse)",
        Rate(int((to_member <= closer * to_control)[to_control > 0].sum()), len(made)),
        Rate(int((to_control <= closer * to_member)[to_member > 0].sum()), len(made)),
    )


def nearer_share(tables: Tables) -> Outcome:
    """The share of made rows nearer to training than to control rows: a sanity check, not proof of privacy.

    It moves by half of a leak's share, so that small leaks pass unseen.
    """
    members, controls, made = tables.points()
    to_member, to_control = distances(made, members), distances(made, controls)
    return Outcome(
        "nearer to training (sanity check only)",
        "made rows whose nearest training row is nearer than their nearest control row (and the reverse)",
        Rate(int((to_member < to_control).sum()), len(made)),
        Rate(int((to_control < to_member).sum()), len(made)),
    )
