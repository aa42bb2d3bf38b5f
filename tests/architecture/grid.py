"""The grid of kinds of data, families and objectives, asked of the families themselves."""

from __future__ import annotations

from conjure import catalog
from conjure.core.space import Category, Columns, Dense, Number, Space, Tokens

SPACES: dict[str, Space] = {
    "table (bins)": Columns((Category("a", 3), Category("b", 5, ordered=True))),
    "table (values)": Columns((Category("a", 3), Number("b"))),
    "text": Tokens(16, (8,)),
    "image (dense)": Dense((1, 8, 8), -1.0, 1.0),
    "image (tokens)": Tokens(4, (8, 8)),
    "video": Dense((3, 1, 12, 12), -1.0, 1.0),
    "series": Dense((6, 2)),
    "audio": Dense((1024,), -1.0, 1.0),
    "vector": Dense((2,)),
}

GIVEN: dict[str, Space] = {  # what a family that always takes a condition of its own kind is given
    "text": Tokens(16, (8,)),
    "image (dense)": Dense((2, 8, 8), -1.0, 1.0),
}


def serves(model: str, kind: str) -> str:
    """Yes, given where the family needs a condition, or nothing."""
    family, space = catalog.resolve("models", model), SPACES[kind]
    if not family.refuses(space, None, family.Config()):
        return "yes"
    return "given" if kind in GIVEN and not family.refuses(space, GIVEN[kind], family.Config()) else ""


def objectives_for(model: str) -> list[str]:
    """Objectives that serve a family, by their own answer."""
    family = catalog.resolve("models", model)
    return [name for name in catalog.OBJECTIVES if catalog.resolve("objectives", name).refuses(family) is None]


def markdown() -> str:
    """The page `docs/grid.md`."""
    lines = [
        "# The grid",
        "",
        "Which family models which kind of data, and by which objectives. Made by `make docs` out of the families'",
        "own answers (`Model.refuses`) and the objectives' (`Objective.refuses`); a test holds this page to them.",
        "Given: the family turns one into another, a text into its translation, a picture into another style.",
        "",
        "| family | " + " | ".join(SPACES) + " | objectives |",
        "|---" * (len(SPACES) + 2) + "|",
    ]
    for name in catalog.MODELS:
        cells = [serves(name, kind) for kind in SPACES]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {', '.join(objectives_for(name))} |")
    return "\n".join(lines) + "\n"
