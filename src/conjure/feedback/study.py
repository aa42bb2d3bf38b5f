"""A round's raters under study: how far they agree by each criterion, who is careless, what is disputed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.feedback import agreement, pairwise
from conjure.feedback.opinions import RANK
from conjure.feedback.rankings import Panel, checks, panel, ranked
from conjure.feedback.store import Store
from conjure.metrics.bootstrap import Interval

CARELESS = 0.5  # of the median rater's reliability, which the upper end of a careless one's interval stays below
STATISTICS = {
    "alpha": "Krippendorff's alpha (ordinal)",
    "pairs": "pairwise agreement",
    "tau": "Kendall's tau-b, mean over raters",
    "kappa": "Cohen's kappa (quadratic), mean over raters",
    "fleiss": "Fleiss' kappa",
    "w": "Kendall's W, mean over prompts",
}


@dataclass(frozen=True)
class Witness:
    """One rater: how many completions, reliability with its interval, planted completions put last, share of ties,
    how much better the first on the page fared than the last (in ranks), and whether all this looks careless.
    """

    name: str
    judged: int
    reliability: Interval
    checks: tuple[int, int] = (0, 0)
    ties: float = float("nan")
    position: Interval | None = None
    careless: str = ""


@dataclass(frozen=True)
class Study:
    """Agreement by criterion and statistic, the raters, prompts from the most disputed on, and what to know."""

    criteria: dict[str, dict[str, Interval]]
    raters: list[Witness]
    disputed: list[str]
    notes: list[str] = field(default_factory=list)

    def trust(self) -> dict[str, float]:
        """How much each rater's judgements count: the square of reliability, the best rater 1, careless ones 0.

        Reliabilities are drawn towards their mean by as much as they are noise (`shrunk`): of raters who judged little
        together nobody is trusted for having been lucky. 1 for all where reliability is unknown (a single rater).
        """
        careful = [w for w in self.raters if not w.careless and w.reliability.value > 0]
        if not careful:
            return {w.name: 0.0 if w.careless and len(self.raters) > 1 else 1.0 for w in self.raters}
        values = np.array([w.reliability.value for w in careful])
        errors = np.array([(w.reliability.high - w.reliability.low) / 3.92 for w in careful])
        share = {w.name: float(v) for w, v in zip(careful, shrunk(values, errors))}
        best, middle = max(share.values()), float(np.median(list(share.values())))
        unknown = {w.name for w in self.raters if not w.careless and np.isnan(w.reliability.value)}
        share |= dict.fromkeys(unknown, middle)  # nobody judged the same: as the middle
        return {w.name: max(0.0, share.get(w.name, 0.0) / best) ** 2 for w in self.raters}


def shrunk(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Values (N,) with standard errors (N,) drawn to their mean by the share of noise in their spread (Morris 1983)."""
    middle = values.mean()
    spread = max(0.0, float(values.var(ddof=1) - (errors**2).mean())) if len(values) > 1 else 0.0
    return middle + (values - middle) * spread / (spread + errors**2 + 1e-12)


def study(store: Store, round_id: int, seed: int = 0) -> Study:
    """A round's agreement; DataError where nobody has judged anything.

    With one rater agreement is undefined, which a note says.
    """
    found = panel(store, round_id)
    if not found.raters:
        raise DataError("nobody has judged anything in this round yet: `conjure assistant rank` asks people")
    notes, criteria = [], {}
    for criterion in sorted(found.ratings, key=lambda name: (name != RANK, name)):
        try:
            criteria[criterion] = agree(found, criterion, seed)
        except DataError as error:
            notes.append(f"{criterion}: {error}")
    raters = witnesses(found, list(ranked(store, round_id)), checks(store, round_id), seed)
    for witness in raters:
        if witness.ties == 1:
            notes.append(f"{witness.name} ranked all equal everywhere, which tells nothing apart")
    try:
        disputed = disputed_prompts(found)
    except DataError:
        disputed = []
    return Study(criteria, raters, disputed, notes)


def agree(found: Panel, criterion: str, seed: int = 0) -> dict[str, Interval]:
    """Each statistic with its interval by one criterion; what is undefined there is left out.

    DataError where no two people judged the same.
    """
    ratings = found.ratings[criterion]
    out = {"alpha": pairwise.alpha(found, criterion, seed=seed)}
    told = pairwise.pairs(found, criterion)
    out["pairs"], out["tau"] = pairwise.agreement(told, seed), pairwise.tau(told, seed)[0]
    for name, value in {
        "kappa": pairwise.kappa(found, criterion, seed),
        "w": pairwise.concordance(found, criterion, seed),
    }.items():
        if value is not None:
            out[name] = value
    counts = (~np.isnan(ratings)).sum(0)
    if len(set(counts[counts >= 2].tolist())) == 1:  # Fleiss needs as many ratings for each
        out["fleiss"] = agreement.interval(ratings, agreement.fleiss_kappa, rounds=50, seed=seed)
    return {name: value for name, value in out.items() if not np.isnan(value.value)}


def witnesses(found: Panel, judged: list[Any], passed: dict[str, tuple[int, int]], seed: int = 0) -> list[Witness]:
    """Every rater by ranks (by the first criterion where nobody ranked)."""
    criterion = RANK if RANK in found.ratings else next(iter(found.ratings))
    ratings = found.ratings[criterion]
    told = pairwise.pairs(found, criterion)
    reliable = reliabilities(told, seed)
    middle = np.nanmedian([r.value for r in reliable]) if not all(np.isnan(r.value) for r in reliable) else np.nan
    out = []
    for row, name in enumerate(found.raters):
        mine = [one for one in judged if one.rater == name]
        signs = told.sign[row][~np.isnan(told.sign[row])]
        seen = passed.get(name, (0, 0))
        why = ""
        if reliable[row].high < CARELESS * middle:
            why = "tells little of what the others tell"
        elif seen[1] >= 2 and seen[0] <= seen[1] / 2:
            why = f"missed {seen[1] - seen[0]} of {seen[1]} attention checks"
        ties = float((signs == 0).mean()) if len(signs) else float("nan")
        count = int((~np.isnan(ratings[row])).sum())
        out.append(Witness(name, count, reliable[row], seen, ties, position_bias(mine), why))
    return out


def reliabilities(told: pairwise.Pairs, seed: int = 0) -> list[Interval]:
    """How well each rater's preferences follow the others', -1..1: the correlation of a pair's sign with their mean.

    About 0 for one who clicks at random; NaN where nobody else judged the same.
    """
    judged = ~np.isnan(told.sign)
    sign = np.where(judged, told.sign, 0.0)
    others = judged.sum(0) - judged
    rest = np.where(others > 0, (sign.sum(0) - sign) / np.maximum(others, 1), 0.0)
    out = []
    for row in range(len(sign)):
        use = judged[row] & (others[row] > 0)
        block = told.block[use]
        moments = np.stack(
            [
                np.bincount(block, v, pairwise.BLOCKS)
                for v in (sign[row, use] * rest[row, use], sign[row, use] ** 2, rest[row, use] ** 2)
            ]
        )

        def correlation(weights: np.ndarray, moments: np.ndarray = moments) -> float:
            both, own, theirs = moments @ weights  # a pair's sign has no mean of its own: either may come first
            return float(both / np.sqrt(own * theirs)) if own > 0 and theirs > 0 else float("nan")

        out.append(pairwise.resampled(correlation, seed, (-1, 1)))
    return out


def position_bias(judged: list[Any]) -> Interval | None:
    """By how many ranks completions shown last fare worse than those shown first, of one rater; None if not noted.

    The slope of rank over place on the page, times the places; orders are random, so without bias it is about 0.
    """
    from conjure.metrics import bootstrap

    slopes = []
    for one in judged:
        ranks, places = np.array(one.ranks, float), np.array(one.shown, float)
        if len(places) != len(ranks) or len(ranks) < 2 or np.isnan(ranks).any():
            continue
        centred = places - places.mean()
        slopes.append((centred @ ranks) / (centred @ centred) * (len(ranks) - 1))
    return bootstrap.mean_interval(np.array(slopes)) if len(slopes) > 1 else None


def disputed_prompts(found: Panel, n: int | None = None) -> list[str]:
    """Prompts whose raters are furthest apart, worst first: those of which a pair was told apart both ways.

    DataError where no two people judged the same.
    """
    criterion = RANK if RANK in found.ratings else next(iter(found.ratings), "")
    if not criterion:
        raise DataError("nobody has judged anything in this round yet")
    told = pairwise.pairs(found, criterion)
    agreement.judgements(found.ratings[criterion])
    up, down = (told.sign > 0).sum(0), (told.sign < 0).sum(0)
    apart = np.minimum(up, down) / np.maximum(up + down, 1)  # 0.5: as many say this as that
    names, number = np.unique(found.prompts[told.columns[:, 0]].astype(str), return_inverse=True)
    total = np.bincount(number, apart, len(names)) / np.maximum(np.bincount(number, minlength=len(names)), 1)
    order = np.argsort(-total, kind="stable")
    return [str(names[k]) for k in order if total[k] > 0][:n]
