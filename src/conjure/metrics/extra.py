"""The libraries that only evaluation needs, asked for by name before they are imported."""

from __future__ import annotations

import importlib.util

from conjure.core.errors import ConfigError


def needs(*modules: str) -> None:
    """Refuse, in one sentence, where the libraries of the `report` extra are missing."""
    if missing := [name for name in modules if importlib.util.find_spec(name) is None]:
        raise ConfigError(f"evaluation needs {missing[0]}: `pip install conjure[report]` brings it")
