"""What a product is: a kind of data, and the recipes it offers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.recipe import Recipe


@dataclass(frozen=True)
class App:
    """`recipes` maps a name to a function that returns the run; `default` is the one that validation chose.

    `tuning` is the one that goes on from weights of others, for which start="?" stands in it.
    """

    name: str
    title: str
    domain: str
    recipes: dict[str, Callable[[], Recipe]]
    default: str
    tuning: str = ""

    def recipe(self, name: str | None = None) -> Recipe:
        """A recipe by name; ConfigError offers the nearest for an unknown one."""
        wanted = name or self.default
        if wanted not in self.recipes:
            raise ConfigError(f"{self.name} has no recipe {wanted!r}: {nearest(wanted, list(self.recipes))}")
        return self.recipes[wanted]()

    def recipe_for(self, model: str) -> Recipe:
        """The first recipe that uses a model family; ConfigError names those there are."""
        made = [make() for make in self.recipes.values()]
        for recipe in made:
            if recipe.model == model:
                return recipe
        raise ConfigError(f"{self.name} has no recipe for model {model!r}: {nearest(model, [r.model for r in made])}")
