"""The policy as a run began, which a policy pays for leaving."""

from __future__ import annotations

import copy

from conjure.models.protocol import Model


def reference_of(model: Model) -> Model:
    """A frozen copy of a policy."""
    return copy.deepcopy(model).requires_grad_(False)
