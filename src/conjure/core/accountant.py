"""What steps down noisy gradients cost of a privacy budget, by Opacus' accountant: only numbers pass through here."""

from __future__ import annotations

import math
import warnings

from conjure.core.errors import ConfigError, PrivacyError

NAME = "privacy loss distributions (Gopi, Lee and Wutschitz 2021), as in Opacus {version}"
LOOSEST = 1e5  # a noise multiplier at which nothing could be learnt any more
Looks = list[tuple[float, float, int]]  # (noise over sensitivity, chance of a row to be looked at, how many times)


def epsilon_of(looks: Looks, delta: float) -> float:
    """An upper bound on epsilon of subsampled Gaussian looks at a table, one after the other (add or remove a row).

    A look at all rows with mu-Gaussian privacy has noise 1 / mu and chance 1. ConfigError without Opacus.
    """
    import numpy as np

    account = _accountant()
    account.history = list(looks)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of orders tried on the way, and of log(0) where the chance is 1
        rough = max(_rough(looks, delta), 1e-3)
        return float(account.get_epsilon(delta, eps_error=min(0.01, rough / 100)))


def name() -> str:
    """The accountant with its version, for certificates."""
    import opacus

    return NAME.format(version=opacus.__version__)


def noise_for(before: float, descent: tuple[float, int], epsilon: float, delta: float) -> float:
    """The least noise over the clipped norm with which `steps` looks at a `rate` of the rows stay within a budget.

    before: mu of what was looked at already, descent: (rate, steps). PrivacyError where no noise would be enough.
    """
    rate, steps = descent
    seen: Looks = [(1 / before, 1.0, 1)] if before else []

    def within(noise: float) -> bool:
        looks = [*seen, (noise, rate, steps)]
        return _rough(looks, delta) < 50 + 10 * epsilon and epsilon_of(looks, delta) <= epsilon

    if not within(LOOSEST):
        raise PrivacyError(f"epsilon {epsilon:g} is spent before the first step: nothing is left for the gradients")
    low, high = math.log(0.2), math.log(LOOSEST)
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (low, middle) if within(math.exp(middle)) else (middle, high)
    return math.exp(high)


def _rough(looks: Looks, delta: float) -> float:
    """Epsilon by Renyi divergences, quick and a little too large; infinite where far beyond any use."""
    from opacus.accountants import RDPAccountant

    account = RDPAccountant()
    account.history = list(looks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(account.get_epsilon(delta))


def _accountant():
    try:
        from opacus.accountants import PRVAccountant
    except ImportError:
        raise ConfigError(
            "noisy gradients are accounted for by Opacus: pip install 'conjure[privacy]', or take --model marginals"
        ) from None
    return PRVAccountant()
