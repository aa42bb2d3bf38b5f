"""Merging adapters, ours or others', into the weights they were trained for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from conjure import artifact as artifacts
from conjure.artifact import Artifact
from conjure.core.errors import ArtifactError
from conjure.nets.lora import merge_lora
from conjure.pretrained import adapters, opening


def merge(start: str | Path, adapter: Path, out: Path) -> Artifact:
    """An artifact of the weights at `start` with the adapters of a folder added, written to `out`.

    ArtifactError where there is an artifact already, or where the adapters are damaged or of another model.
    """
    if artifacts.occupied(out):
        raise ArtifactError(f"{out} already holds an artifact: choose another folder or remove it first")
    opened = opening.load(start)
    adapters.attach(opened.model, adapter)
    merge_lora(opened.model)
    card: dict[str, Any] = {**opened.card, "metrics": {}, "versions": artifacts.versions()}
    card["notes"] = [f"The weights of {start} with the adapters of {adapter} merged into them.", *card.get("notes", [])]
    made = Artifact(replace(opened.recipe, start=str(start)), opened.codec, opened.model.eval(), card)
    artifacts.save(made, out)
    return made
