"""gradio imported without what it does for editors: stubs written into its own package, docstrings from templates."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

LEFT_OUT = {  # module -> (owner within it, name) of what is called for each component, and changes nothing a page does
    "gradio.component_meta": ("", "create_or_modify_pyi"),  # also changes installed files, which no server should
    "gradio.events": ("EventListener", "set_doc"),
}


class _Without(importlib.abc.MetaPathFinder):
    """Finds these modules, and leaves that out of them; where a later gradio has no such name, nothing is changed."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path) if name in LEFT_OUT else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            owner, left_out = LEFT_OUT[name]
            place = getattr(module, owner, None) if owner else module
            if hasattr(place, left_out):
                setattr(place, left_out, lambda *words, **named: None)

        spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


def load() -> None:
    """Import gradio, which from then on is there for all."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
    finder = _Without()
    sys.meta_path.insert(0, finder)
    try:
        import gradio  # noqa: F401
    finally:
        sys.meta_path.remove(finder)
