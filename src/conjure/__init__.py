"""conjure: generative models of your own data. Learn its distribution, make more of it, judge it honestly."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "fit": "conjure.verbs",
    "load": "conjure.verbs",
    "recipe_for": "conjure.verbs",
    "Generative": "conjure.verbs",
    "FitOptions": "conjure.fitting",
    "Recipe": "conjure.recipe",
    "read_recipe": "conjure.recipe",
    "ConjureError": "conjure.core.errors",
    "DataError": "conjure.core.errors",
    "ConfigError": "conjure.core.errors",
    "ArtifactError": "conjure.core.errors",
    "TrainingError": "conjure.core.errors",
}
__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    """Public names, imported when first used, so that `import conjure` stays quick."""
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'conjure' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
