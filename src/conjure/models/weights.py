"""How exactly a learnt model's weights are kept in use."""

from __future__ import annotations

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.models.protocol import Model

KINDS = ("fp32", "bf16", "int8")


def keep_weights(model: Model, kind: str) -> None:
    """Leave the weights as they were learnt ("fp32"), or round them to bfloat16 or, row by row, to bytes ("int8").

    For families that write one token after the other, where reading weights is the work. ConfigError names an
    unknown kind, or a family that has no rounded form.
    """
    if kind not in KINDS:
        raise ConfigError(f"weights can be fp32, bf16 or int8, not {kind!r}: {nearest(kind, KINDS)}")
    if kind == "fp32":
        return
    if not callable(getattr(model, "round_weights", None)):
        raise ConfigError(f"a {type(model).__name__} keeps its weights in fp32: {kind} is for a 'decoder' or an 'llm'")
    model.round_weights(kind)  # type: ignore[operator]
