"""What is given, as the codes a family of networks reads."""

from __future__ import annotations

from torch import Tensor

from conjure.core.errors import ConfigError
from conjure.models.protocol import Model


def codes(model: Model, n: int, given: Tensor | None) -> Tensor | None:
    """Codes of the model's condition for n draws, (N, K), or None where it takes none.

    ConfigError when a condition is missing, or when evidence would fix columns that a network can only draw.
    """
    family = type(model).__name__
    if model.given is None:
        if given is not None and not bool((given == 1).all()):
            raise ConfigError(f"a {family} cannot fix columns and draw the rest: fit a 'circuit' or 'columns' model")
        return None
    if given is None:
        names = ", ".join(c.name for c in model.given.columns)  # type: ignore[union-attr]
        raise ConfigError(f"this {family} draws under a condition: give {names}")
    return given.to(model.device).expand(n, -1)
