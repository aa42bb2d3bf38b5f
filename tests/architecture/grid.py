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
    "vector": Dense((2,)),
}


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
        "",
        "| family | " + " | ".join(SPACES) + " | objectives |",
        "|---" * (len(SPACES) + 2) + "|",
    ]
    for name in catalog.MODELS:
        family = catalog.resolve("models", name)
        cells = ["" if family.refuses(space, None, family.Config()) else "yes" for space in SPACES.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {', '.join(objectives_for(name))} |")
    return "\n".join(lines) + "\n"
