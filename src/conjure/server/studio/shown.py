"""What a sample can be given, and the command line that draws it again."""

from __future__ import annotations

import shlex

from conjure.artifact import Artifact


def words(artifact: Artifact) -> list[str]:
    """What `given` knows of this artifact, as far as its codec says."""
    codec, domain = artifact.codec, artifact.recipe.domain
    if artifact.first is not None:
        return []
    if domain == "table":
        return [column.name for column in codec.schema.columns if column.learnt]
    if domain in ("text", "chat"):
        return ["prompt", "length"]
    given = getattr(codec, "given_space", None)
    return [column.name for column in getattr(given, "columns", ())]


def command(name: str, n: int, seed: int, given: dict[str, str]) -> str:
    """The command line that draws the same objects."""
    said = "".join(f" --given {shlex.quote(f'{key}={value}')}" for key, value in given.items())
    return f"conjure sample {name} -n {n} --seed {seed}{said}"
