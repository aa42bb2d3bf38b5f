"""Codes of an artifact's objects, objects of codes, and walks between and around them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure import catalog
from conjure.artifact import Artifact
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import generator
from conjure.core.space import Columns
from conjure.nets.priors import slerp

BATCH = 512
SPAN = 3.0  # standard deviations a traversal goes to either side


@dataclass(frozen=True)
class Codes:
    """Codes z (N, *latent_shape) and, of a model under a condition, the condition's codes (N, K)."""

    z: np.ndarray
    given: np.ndarray | None = None


@torch.no_grad()
def encode(artifact: Artifact, objects: Any) -> Codes:
    """The code of each object; of a VAE the mean of q(z | x). ConfigError for a family that has no codes."""
    _demand(artifact)
    if hasattr(objects, "chunks"):
        parts = [encode(artifact, chunk) for chunk in objects.chunks()]
        given = None if parts[0].given is None else np.concatenate([p.given for p in parts])  # type: ignore[misc]
        return Codes(np.concatenate([p.z for p in parts]), given)
    encoded = artifact.codec.encode(objects)
    x = encoded.x if encoded.x.is_floating_point() else encoded.x.long()
    given = encoded.given if artifact.model.given is not None else None
    parts = []
    for start in range(0, len(x), BATCH):
        rows = slice(start, start + BATCH)
        parts.append(artifact.model.encode(x[rows], None if given is None else given[rows]))
    return Codes(torch.cat(parts).numpy(), None if given is None else given.numpy())


@torch.no_grad()
def decode(artifact: Artifact, codes: Codes) -> Any:
    """The likeliest object for each code. ConfigError when codes are not of this model's shape."""
    _demand(artifact)
    model, codec = artifact.model, artifact.codec
    shape = tuple(model.latent_shape)
    if tuple(codes.z.shape[1:]) != shape:
        raise ConfigError(f"codes of this model have the shape {shape}, not {tuple(codes.z.shape[1:])}")
    if model.given is not None and codes.given is None:
        names = ", ".join(c.name for c in model.given.columns)
        raise ConfigError(f"this model writes under a condition, so codes need one too: an array 'given' of {names}")
    z = torch.from_numpy(np.asarray(codes.z, np.int64 if getattr(model, "vocab", 0) else np.float32))
    given = torch.from_numpy(codes.given) if model.given is not None else None
    parts = []
    for start in range(0, len(z), BATCH):
        rows = slice(start, start + BATCH)
        parts.append(model.decode(z[rows], None if given is None else given[rows]))
    return codec.decode(torch.cat(parts), generator(0, "decode"), _words(codec, given))


def interpolate(artifact: Artifact, objects: Any, rows: tuple[int, int], steps: int = 8) -> Any:
    """`steps` objects from one row to another along their codes, the ends included.

    Along a great circle where codes are normal (White 2016): in many dimensions a straight line leaves the shell
    on which normal codes lie. Else along a straight line. A condition changes half-way.
    """
    if steps < 2:
        raise ConfigError(f"steps is {steps}; from one object to another takes at least 2")
    _demand_between(artifact)
    ends = encode(artifact, _rows(artifact, objects, rows))
    along = torch.linspace(0, 1, steps)
    z = torch.from_numpy(ends.z).flatten(1)
    round_ = getattr(artifact.model.config, "prior", "") == "normal"
    path = slerp(z[0], z[1], along) if round_ else z[0].lerp(z[1], along[:, None])
    given = None if ends.given is None else ends.given[(along.numpy() > 0.5).astype(int)]
    return decode(artifact, Codes(path.reshape(-1, *artifact.model.latent_shape).numpy(), given))


def traverse(artifact: Artifact, objects: Any, row: int, along: int, steps: int = 8) -> Any:
    """One object with one number of its code moved from -3 to 3 standard deviations of that number in the data."""
    if steps < 2:
        raise ConfigError(f"steps is {steps}; at least 2 are needed to see a change")
    _demand_between(artifact)
    known = encode(artifact, objects)
    flat = known.z.reshape(len(known.z), -1)
    if not 0 <= along < flat.shape[1]:
        raise ConfigError(f"along is {along}; a code of this model has numbers 0 to {flat.shape[1] - 1}")
    _check_row(row, len(flat))
    path = np.repeat(flat[row : row + 1], steps, 0)
    spread = flat[:, along].std() if len(flat) > 1 else 1.0
    path[:, along] = flat[:, along].mean() + np.linspace(-SPAN, SPAN, steps) * spread
    given = None if known.given is None else np.repeat(known.given[row : row + 1], steps, 0)
    return decode(artifact, Codes(path.reshape(-1, *artifact.model.latent_shape), given))


def read(artifact: Artifact, data: Any) -> Any:
    """Objects from a path, a name, or objects already."""
    return catalog.part(artifact.recipe.domain, "corpus").read(data)[0]


def write(artifact: Artifact, objects: Any, path: Path) -> Path:
    """Objects to a file; pictures that go to a .png lie in one row of it."""
    view = catalog.part(artifact.recipe.domain, "view")
    if path.suffix.lower() == ".png" and hasattr(view, "contact_sheet"):
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        view.contact_sheet(objects, len(objects)).save(beside, format="PNG")
        return beside.replace(path)
    return catalog.part(artifact.recipe.domain, "corpus").write(objects, path)


def save(codes: Codes, path: Path) -> Path:
    """Codes to an .npz file with the arrays "z" and "given"."""
    if path.suffix.lower() != ".npz":
        raise ConfigError(f"codes are written as .npz, not {path.suffix or 'without a suffix'}: {path}")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        np.savez(file, z=codes.z, **({} if codes.given is None else {"given": codes.given}))
    return beside.replace(path)


def open_codes(path: Path) -> Codes:
    """Codes that `save` or anyone else wrote; DataError for another kind of file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = getattr(file, "files", [])
            if "z" not in names:
                raise DataError(f'{path} has no array "z" of codes; `conjure encode` writes one')
            return Codes(file["z"], file["given"] if "given" in names else None)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is not an .npz file of codes: {error}") from None


def _demand(artifact: Artifact) -> None:
    """Refuse a family without codes of its own, or data without whole examples."""
    if not hasattr(artifact.model, "latent_shape"):
        raise ConfigError(f"a {artifact.recipe.model} has no codes: fit a 'vae' or an 'autoencoder'")


def _demand_between(artifact: Artifact) -> None:
    """Refuse a family whose codes are integers without an order: there is nothing between two of them."""
    if getattr(artifact.model, "vocab", 0):
        raise ConfigError(f"the codes of a {artifact.recipe.model} are tokens, between which there is no way")


def _rows(artifact: Artifact, objects: Any, rows: tuple[int, int]) -> Any:
    """Two of the objects."""
    for row in rows:
        _check_row(row, len(objects))
    if hasattr(objects, "take") and not hasattr(objects, "iloc"):
        return objects.take(np.array(rows))
    if hasattr(objects, "iloc"):
        return objects.iloc[list(rows)]
    return [objects[row] for row in rows]


def _check_row(row: int, count: int) -> None:
    if not 0 <= row < count:
        raise ConfigError(f"there is no row {row}; the data has rows 0 to {count - 1}")


def _words(codec: Any, given: Tensor | None) -> dict[str, Any]:
    """The words that a condition's codes (N, 1) stand for, so that decoded objects carry their labels."""
    classes = getattr(codec, "classes", None)
    space = codec.given_space
    if given is None or not classes or not isinstance(space, Columns) or len(space.columns) != 1:
        return {}
    return {space.columns[0].name: [classes[code] for code in given[:, 0].tolist()]}
