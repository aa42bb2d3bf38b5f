"""A learnt model as a folder of JSON and safetensors: codec, weights, card. Data, never code: nothing is unpickled."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from conjure import catalog
from conjure.composition.latents import Latents
from conjure.core.errors import ArtifactError, ConfigError, TrainingError
from conjure.core.rng import derive
from conjure.domains.protocol import Codec
from conjure.models.protocol import Model
from conjure.models.unfilled import Unfilled
from conjure.recipe import Recipe

FORMAT = 1
MANIFEST, CODEC, WEIGHTS, CARD = "artifact.json", "codec.json", "model.safetensors", "CARD.md"
TABLES = "tables"  # the folder, inside that of linked tables, of the artifacts of all but the root
FIRST = "first"  # the folder, inside that of a composition, of the artifact that was gone through


@dataclass
class Artifact:
    """What was learnt, ready for use: `card` holds source, licence, metrics and versions.

    `first` is the artifact whose codes this one models, of a composition; `tables` are those of linked tables that
    are drawn below this one's.
    """

    recipe: Recipe
    codec: Codec
    model: Model
    card: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    first: Artifact | None = None
    tables: dict[str, Artifact] = field(default_factory=dict)

    @property
    def score_kind(self) -> str:
        """ "exact", "bound", "estimate" or "energy"; "" where there is no likelihood."""
        if isinstance(self.codec, Latents):
            return self.codec.score_kind(self.model)
        return self.model.score_kind if callable(getattr(self.model, "log_prob", None)) else ""


def gone_through(recipe: Recipe) -> Artifact | None:
    """The artifact that a recipe goes through, None where it fits it first; ConfigError where none can be had."""
    if not recipe.through or (recipe.first and recipe.through == "?"):
        return None
    if recipe.through == "?":
        raise ConfigError("this recipe models the codes of another artifact: name its folder, --through DIR")
    first = load(recipe.through)
    if first.recipe.domain != recipe.domain:
        raise ConfigError(f"{recipe.through} is of {first.recipe.domain} data; this run is of {recipe.domain}")
    if first.first is not None:
        raise ConfigError(f"{recipe.through} itself goes through another artifact: go through that one")
    if reason := Latents.refuses(first.model):
        raise ConfigError(f"nothing can be fitted through {recipe.through}: {reason}")
    return first


def build_model(recipe: Recipe, codec: Codec) -> Model:
    """The recipe's model over the codec's space, freshly initialised from the recipe's seed."""
    recipe.check(codec.space, codec.given_space)
    _, config, _ = recipe.configs()
    torch.manual_seed(derive(recipe.seed, "init"))
    return catalog.resolve("models", recipe.model)(codec.space, codec.given_space, config)


def versions() -> dict[str, str]:
    """Versions of what the result depends on."""
    names = ("conjure", "torch", "numpy", "pandas")
    return {"python": platform.python_version(), **{n: metadata.version(n) for n in names}}


def save(artifact: Artifact, folder: Path) -> Path:
    """Write the folder, the manifest last; each file beside its place, then renamed."""
    weights = {k: v.detach().cpu().contiguous() for k, v in artifact.model.state_dict().items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        put_file(folder / CODEC, lambda at: at.write_text(json.dumps(artifact.codec.state()), "utf-8"))
        put_file(folder / WEIGHTS, lambda at: save_file(weights, at))
        put_file(folder / CARD, lambda at: at.write_text(_card(artifact), "utf-8"))
        if artifact.first is not None:
            save(replace(artifact.first), folder / FIRST)
        for name, part in artifact.tables.items():
            if part.path is None or part.path != folder / TABLES / name:
                save(replace(part), folder / TABLES / name)
        manifest = {
            "format": FORMAT,
            "recipe": artifact.recipe.nested(),
            "card": artifact.card,
            **({"tables": list(artifact.tables)} if artifact.tables else {}),
            "files": {name: _sha256(folder / name) for name in _names(_inside(artifact))},
        }
        manifest["digest"] = _digest(manifest)
        put_file(folder / MANIFEST, lambda at: at.write_text(json.dumps(manifest, indent=2), "utf-8"))
    except OSError as error:
        raise TrainingError(f"could not write the artifact to {folder}: {error.strerror or error}") from None
    artifact.path = folder
    return folder


def load(path: str | Path) -> Artifact:
    """Open a folder that `save` wrote; ArtifactError names what is missing, damaged, foreign or too new."""
    folder = Path(path)
    manifest = _manifest(folder)
    for name, sha256 in manifest["files"].items():
        if not (folder / name).is_file():
            raise ArtifactError(f"{folder} is incomplete: {name} is missing")
        if _sha256(folder / name) != sha256:
            raise ArtifactError(f"{folder / name} is not the file that was saved: it was changed or cut short")
    try:
        recipe = Recipe.from_nested(manifest["recipe"])
        state, first = json.loads((folder / CODEC).read_text("utf-8")), None
        tables = {name: load(folder / TABLES / name) for name in manifest.get("tables", [])}
        if recipe.through:
            first = load(folder / FIRST)
            if first.first is not None:
                raise ArtifactError(f"{FIRST}/ itself goes through another artifact")
            codec = Latents.from_state(state, (first.codec, first.model))
        elif tables:
            codec = catalog.codec(recipe.domain).from_state(state, {n: (p.codec, p.model) for n, p in tables.items()})
        else:
            codec = catalog.codec(recipe.domain).from_state(state)
        with Unfilled():
            model = build_model(recipe, codec)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except Exception as error:  # a folder anyone may have written: whatever it holds, one sentence
        raise ArtifactError(f"{folder} cannot be opened by this version: {error}") from None
    return Artifact(recipe, codec, model.eval(), manifest["card"], folder, first, tables)


def digest(artifact: Artifact) -> str:
    """What tells an artifact from any other: its manifest's, or that of weights and codec where it has no folder."""
    if artifact.path is not None:
        return _manifest(artifact.path)["digest"]
    state = hashlib.sha256(json.dumps([artifact.recipe.nested(), artifact.codec.state()], sort_keys=True).encode())
    for name, value in sorted(artifact.model.state_dict().items()):
        state.update(name.encode())
        state.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    for part in artifact.tables.values():
        state.update(digest(part).encode())
    return state.hexdigest()


def fingerprint(artifact: Artifact) -> str:
    """What tells an artifact from any other, saved or not: its digest, or that of what it was opened from."""
    if artifact.path is not None and occupied(artifact.path):
        return digest(artifact)
    return hashlib.sha256(json.dumps([artifact.recipe.nested(), artifact.card], default=str).encode()).hexdigest()


def occupied(folder: Path) -> bool:
    """Whether a folder already holds an artifact."""
    return (folder / MANIFEST).exists()


def _manifest(folder: Path) -> dict[str, Any]:
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder} holds no artifact: there is no {MANIFEST} (give the folder that fit wrote)")
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        written = int(manifest["format"])
        kinds = [type(manifest[key]) for key in ("files", "recipe", "card")]
        if kinds != [dict] * 3:
            raise TypeError
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise ArtifactError(f"{folder / MANIFEST} is damaged: it is not the JSON that was saved") from None
    if written > FORMAT:
        raise ArtifactError(
            f"{folder} was made by a newer conjure (format {written}, this one reads {FORMAT}): upgrade"
        )
    inside = [FIRST] if "through" in manifest["recipe"] else []
    inside += [f"{TABLES}/{name}" for name in manifest.get("tables", [])]
    if any("/" in name or "\\" in name or name.startswith(".") for name in manifest.get("tables", [])):
        raise ArtifactError(f"{folder / MANIFEST} names a table that is no file's name")
    if manifest.get("digest") != _digest(manifest) or set(manifest["files"]) != set(_names(inside)):
        raise ArtifactError(f"{folder / MANIFEST} is not the file that was saved: its digest differs")
    return manifest


def members(artifact: Artifact) -> list[str]:
    """All files of an artifact's folder, those of artifacts inside it included."""
    return [MANIFEST, *_names(_inside(artifact))]


def _names(inside: list[str]) -> list[str]:
    """The files a manifest answers for; of a composition those of the artifacts inside too."""
    own = (CODEC, WEIGHTS, CARD)
    return [*own, *(f"{part}/{name}" for part in inside for name in (MANIFEST, *own))]


def _inside(artifact: Artifact) -> list[str]:
    """The folders inside an artifact's own of those that it is composed of."""
    return [FIRST] * (artifact.first is not None) + [f"{TABLES}/{name}" for name in artifact.tables]


def put_file(place: Path, write: Any) -> None:
    """Have a file written beside its place, then renamed: a kill leaves the old one or the new one, whole."""
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        beside.touch()
        mode = beside.stat().st_mode  # what the umask grants; safetensors would leave the file to its owner alone
        write(beside)
        beside.chmod(mode)
        beside.replace(place)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def _digest(manifest: dict[str, Any]) -> str:
    kept = {k: v for k, v in manifest.items() if k != "digest"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _card(artifact: Artifact) -> str:
    """The model card, for people."""
    recipe, card = artifact.recipe, artifact.card
    source, metrics = card.get("source", {}), card.get("metrics", {})
    size = sum(t.numel() for t in artifact.model.state_dict().values())
    lines = [
        f"# {recipe.model.capitalize()} of {source.get('name', 'data')}",
        "",
        f"Learnt by conjure from {source.get('rows', '?')} {recipe.domain} records, {card.get('made', 'undated')}.",
        "",
        "| | |",
        "|---|---|",
        f"| data | {source.get('name', '')} (sha256 {source.get('sha256', '')[:16]}) |",
        f"| licence of the data | {source.get('licence', 'unknown')} |",
        f"| model | {recipe.model}, {size:,} learnt numbers, trained for {recipe.objective} |",
        *([f"| through | {artifact.first.recipe.model}, in `{FIRST}/` |"] if artifact.first else []),
        *(f"| table {name} | {part.recipe.model}, in `{TABLES}/{name}/` |" for name, part in artifact.tables.items()),
        f"| seed | {recipe.seed} |",
        *(f"| {name.replace('_', ' ')} | {value} |" for name, value in metrics.items()),
        *(f"| {name} | {value} |" for name, value in card.get("versions", {}).items()),
        "",
        *(f"- {note}" for note in card.get("notes", [])),
        "",
        "## Recipe",
        "",
        "```json",
        recipe.to_json(),
        "```",
        "",
        *_privacy(card.get("privacy")),
        "Samples resemble the data above and can carry its biases; they are not a proof of anonymity.",
        "Judge them with `conjure evaluate` before use.",
    ]
    return "\n".join(lines) + "\n"


def _privacy(claim: dict[str, Any] | None) -> list[str]:
    """What a private run promises, for people; `artifact.json` has it for machines."""
    if not claim:
        return []
    return [
        "## Differential privacy",
        "",
        f"epsilon {claim['epsilon']:g}, delta {claim['delta']:g} for one row more or less, of which "
        f"{claim['epsilon_spent']:.4f} was spent: {claim['private']} come out of it.",
        f"Taken for public: {claim['public']}. Noise: {claim['noise']}. Accountant: {claim['accountant']}.",
        "",
        "| looked at | noise scale | mu |",
        "|---|---|---|",
        *(f"| {e['what']} | {e['scale']:.1f} | {e['mu']:.4f} |" for e in claim["entries"]),
        "",
    ]
