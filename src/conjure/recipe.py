"""A whole run as one value: kind of data, codec, model, objective, training, seed."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from conjure import catalog
from conjure.core.config import assign, fill, plain
from conjure.core.errors import ConfigError
from conjure.core.privacy import Budget
from conjure.core.space import Space
from conjure.domains.protocol import Source


@dataclass(frozen=True)
class Recipe:
    """Names with their settings; the settings are checked against each class's `Config` by `configs`.

    `training` holds the fields of `training.trainer.Training`. `through` is the folder of an artifact whose codes
    of the data are modelled instead of the data itself ("?" where it is still to be named), `first` the recipe, as
    `nested` has it, that it is fitted by before this one where none is named; `start` that of one whose codec and
    weights this run begins with, `privacy` the epsilon and delta that all of it may spend.
    """

    domain: str
    model: str
    objective: str
    codec: dict[str, Any] = field(default_factory=dict)
    model_settings: dict[str, Any] = field(default_factory=dict)
    objective_settings: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    held_out: float = 0.1
    seed: int = 0
    through: str = ""
    start: str = ""
    privacy: dict[str, Any] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)

    # The words a person writes: [model] name = "vae", width = 256; --set model.width=256.

    def nested(self) -> dict[str, Any]:
        """As people write it: one group of settings per part, each with its name."""
        return {
            "domain": self.domain,
            "held_out": self.held_out,
            "seed": self.seed,
            "codec": dict(self.codec),
            "model": {"name": self.model, **self.model_settings},
            "objective": {"name": self.objective, **self.objective_settings},
            "training": dict(self.training),
            **({"through": self.through} if self.through else {}),
            **({"start": self.start} if self.start else {}),
            **({"privacy": dict(self.privacy)} if self.privacy else {}),
            **({"first": dict(self.first)} if self.first else {}),
        }

    @classmethod
    def from_nested(cls, values: dict[str, Any]) -> Recipe:
        """The inverse of `nested`; ConfigError names an unknown key."""
        known = fill(_Nested, values)
        for group in ("model", "objective"):
            if not isinstance(values.get(group, {}).get("name"), str):
                raise ConfigError(f"a recipe needs {group}.name")
        model, objective = dict(known.model), dict(known.objective)
        return cls(
            known.domain,
            model.pop("name"),
            objective.pop("name"),
            dict(known.codec),
            model,
            objective,
            dict(known.training),
            known.held_out,
            known.seed,
            known.through,
            known.start,
            dict(known.privacy),
            dict(known.first),
        )

    def with_settings(self, words: list[str] | tuple[str, ...]) -> Recipe:
        """This recipe with `group.key=value` words applied; codec settings that codes know nothing of go to `first`."""
        values = assign(self.nested(), words)
        for part, path in ((values, "training"), (values.get("first", {}), "first.training")):
            if _counted(path, words):
                part["training"].pop("minutes", None)
        if self.first:
            known = {f.name for f in fields(catalog.codec(self.domain, True).Config)}
            told = {k: v for k, v in values["codec"].items() if k not in known}
            values["codec"] = {k: v for k, v in values["codec"].items() if k in known}
            values["first"]["codec"] = {**values["first"].get("codec", {}), **told}
        return Recipe.from_nested(values)

    def fitting(self, data: Any) -> Recipe:
        """This recipe for the kind that data turns out to be: several tables, of a recipe for one."""
        corpus = catalog.part(self.domain, "corpus")
        told = getattr(corpus, "told", None)
        return self if told is None else replace(self, **told(data, self.codec))

    def read(self, data: Any) -> tuple[Any, Source]:
        """Objects and their source, as this recipe's settings say they are to be read."""
        corpus = catalog.part(self.domain, "corpus")
        read_as = getattr(corpus, "read_as", None)
        return corpus.read(data) if read_as is None else read_as(data, self.configs()[0])

    def with_seed(self, seed: int | None) -> Recipe:
        return self if seed is None else replace(self, seed=seed)

    def with_through(self, folder: str) -> Recipe:
        """This recipe for the codes of an artifact; of the codec's settings those stay that codes know too."""
        known = {f.name for f in fields(catalog.codec(self.domain, True).Config)}
        return replace(self, through=folder, first={}, codec={k: v for k, v in self.codec.items() if k in known})

    @property
    def budget(self) -> Budget | None:
        """The privacy budget, None for a run without one; ConfigError for one that makes no sense."""
        return fill(Budget, self.privacy, "privacy") if self.privacy else None

    def configs(self) -> tuple[Any, Any, Any]:
        """(codec, model, objective) settings as their dataclasses, unknown keys refused by full name."""
        parts = (
            ("codec", catalog.codec(self.domain, bool(self.through)), self.codec),
            ("model", catalog.resolve("models", self.model), self.model_settings),
            ("objective", catalog.resolve("objectives", self.objective), self.objective_settings),
        )
        return tuple(fill(named.Config, values, group) for group, named, values in parts)

    def check(self, space: Space, given: Space | None = None) -> None:
        """Refuse, in one sentence, a family that cannot serve the space or an objective the family cannot meet."""
        model, objective = catalog.resolve("models", self.model), catalog.resolve("objectives", self.objective)
        _, config, _ = self.configs()
        if reason := model.refuses(space, given, config):
            raise ConfigError(f"{reason}; `conjure list models` says what fits")
        if reason := objective.refuses(model):
            raise ConfigError(f"{reason}; docs/grid.md lists what goes together")

    def to_json(self) -> str:
        return json.dumps(plain(self.nested()), indent=2)


def _counted(path: str, words: list[str] | tuple[str, ...]) -> bool:
    """Whether a person asks for a number of steps or epochs and not for minutes: that is the same run everywhere and
    every time, which a clock that a recipe keeps beside it would not leave it.
    """
    told = {word.partition("=")[0].strip() for word in words}
    return f"{path}.minutes" not in told and bool(told & {f"{path}.steps", f"{path}.epochs"})


@dataclass(frozen=True)
class _Nested:
    domain: str
    held_out: float = 0.1
    seed: int = 0
    through: str = ""
    start: str = ""
    codec: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    privacy: dict[str, Any] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)


def read_recipe(path: Path) -> Recipe:
    """A recipe from a TOML file; ConfigError says where it is not TOML."""
    try:
        return Recipe.from_nested(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a recipe in TOML: {error}") from None
