"""What cross-validated scores of remedies say: intervals over folds, and the verdict in plain words."""

from __future__ import annotations

import numpy as np

from conjure.metrics.bootstrap import Interval
from conjure.metrics.remedies import CHEAP, NOTHING, WEIGHTS

FRESH, NEAR, MORE = "made rows", "made rows near real ones", "as many made rows again"


def verdict(scores: dict[str, np.ndarray], ratio: float, unit: str) -> str:
    """One sentence or two that say what to do, from each remedy's scores over folds (K,); see `over_folds`."""

    def better(first: str, second: str) -> Interval:
        return over_folds(scores[first] - scores[second], ratio)

    def told(d: Interval) -> str:
        return f"{d.value:+.3f} {unit}, {d.low:+.3f} to {d.high:+.3f}"

    made = max((n for n in scores if n in (FRESH, NEAR, MORE)), key=lambda n: scores[n].mean())
    gain = better(made, NOTHING)
    cheap = [n for n in CHEAP if n in scores]
    if not cheap:
        if gain.low > 0:
            return f"Made rows help: {told(gain)} over the real rows alone."
        harm = "do harm" if gain.high < 0 else "do not help to any degree that can be told from chance"
        return f"Made rows {harm} here ({told(gain)}): leave the table as it is."
    best = max(cheap, key=lambda n: scores[n].mean())
    weighed, beside = better(WEIGHTS, made), better(made, best)
    if weighed.low > 0:
        return f"Class weights are better here: {told(weighed)} over {made}, and they cost nothing."
    if gain.low > 0 and beside.low > 0:
        return f"Made rows help: {made}, {told(gain)} over nothing, {told(beside)} over {best}, the next best."
    if gain.low > 0:
        return (
            f"Made rows help ({made}: {told(gain)} over nothing), but not more than {best} to any degree that can be "
            f"told from chance ({told(beside)}): {best} will do."
        )
    found = better(best, NOTHING)
    tail = f"{best} does help ({told(found)})" if found.low > 0 else "nor does anything else that was tried"
    return f"Made rows do not help to any degree that can be told from chance ({made}: {told(gain)}); {tail}."


def over_folds(values: np.ndarray, ratio: float) -> Interval:
    """Mean over folds, with the variance raised for learning rows that folds share: 1 / k + tested / learnt."""
    from scipy.stats import t

    k, mean = len(values), float(values.mean())
    half = float(t.ppf(0.975, k - 1) * (values.var(ddof=1) * (1 / k + ratio)) ** 0.5)
    return Interval(mean, mean - half, mean + half)


def word(gain: Interval) -> str:
    """A gain in a word or three."""
    return "helps" if gain.low > 0 else "harms" if gain.high < 0 else "may be chance"
