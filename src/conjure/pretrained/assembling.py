"""From tensors under our names to an artifact: each checked as it comes, so that one model's memory is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conjure.artifact import Artifact, build_model
from conjure.core.errors import ArtifactError, ConfigError
from conjure.domains.chat.codec import ChatCodec
from conjure.models.unfilled import Unfilled
from conjure.recipe import Recipe


@dataclass(frozen=True)
class Found:
    """What is known of published weights before they are read.

    settings: of LLM.Config. source: name and licence for the card. theirs: their name of a tensor of ours.
    """

    place: Path
    codec: ChatCodec
    settings: dict[str, Any]
    source: dict[str, Any]
    theirs: Callable[[str], str]
    notes: tuple[str, ...] = ()


def assemble(found: Found, tensors: Iterable[tuple[str, Tensor]]) -> Artifact:
    """The artifact of tensors (our name, value).

    ArtifactError names the file's tensor that is missing, unknown, of another shape, or holds what is no number.
    """
    codec = found.codec
    kept = {"context": codec.config.context, "length": codec.config.length}
    recipe = Recipe("chat", "llm", "likelihood", codec=kept, model_settings=found.settings)
    with Unfilled():
        try:
            model = build_model(recipe, codec)
        except (ConfigError, RuntimeError, ZeroDivisionError) as error:
            raise ArtifactError(f"{found.place} describes a model that cannot be: {error}") from None
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    weights: dict[str, Tensor] = {}
    for name, value in tensors:
        if name == "head.weight" and found.settings.get("tied"):
            continue  # the embedding's own matrix, stored twice
        _check(found, name, value, wanted)
        value = value.to(torch.float32)
        if not bool(torch.isfinite(torch.stack(value.aminmax())).all()):
            raise ArtifactError(
                f"{found.place}: tensor {found.theirs(name)!r} holds NaN or infinity; its file is damaged"
            )
        weights[name] = value.contiguous()
    if missing := [name for name in wanted if name not in weights]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ArtifactError(f"{found.place} is incomplete: tensor {found.theirs(missing[0])!r}{more} is missing")
    model.load_state_dict(weights, assign=True)
    card = {"source": found.source, "metrics": {}, "notes": list(found.notes)}
    return Artifact(recipe, codec, model.eval(), card)


def _check(found: Found, name: str, value: Tensor, wanted: dict[str, torch.Size]) -> None:
    if name not in wanted:
        raise ArtifactError(f"{found.place}: tensor {found.theirs(name)!r} has no place in the model it describes")
    if value.shape != wanted[name]:
        raise ArtifactError(
            f"{found.place}: tensor {found.theirs(name)!r} has shape {tuple(value.shape)}; "
            f"the model it describes has {tuple(wanted[name])}"
        )
