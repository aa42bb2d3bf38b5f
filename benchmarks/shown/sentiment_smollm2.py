"""The same for SmolLM2."""

from shown.sentiment import lines

__all__ = ["lines"]
