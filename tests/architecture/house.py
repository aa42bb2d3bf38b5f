"""Where each module stands and what it imports, read from the source without running it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "conjure"

FLOORS = {
    "core": 1,
    "catalog": 2,
    "domains": 2,
    "nets": 2,
    "metrics": 2,
    "models": 3,
    "recipe": 3,
    "composition": 3,
    "objectives": 4,
    "artifact": 4,
    "pretrained": 5,
    "training": 5,
    "beginning": 5,
    "improvising": 5,
    "latents": 5,
    "prompting": 5,
    "sampling": 5,
    "scoring": 5,
    "showing": 5,
    "private": 5,
    "fitting": 6,
    "tuning": 6,
    "evaluation": 6,
    "aligning": 6,
    "generation": 6,
    "composing": 6,
    "apps": 7,
    "attacking": 7,
    "rebalancing": 6,
    "supposing": 6,
    "advising": 7,
    "feedback": 7,
    "auditing": 7,
    "presenting": 7,
    "listing": 7,
    "screen": 7,
    "talking": 7,
    "verbs": 8,
    "server": 9,
    "products": 10,
    "cli": 11,
    "__main__": 12,
    "__init__": 12,
}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(SOURCE).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def top(name: str) -> str:
    return name.split(".")[0]


@cache
def imports() -> dict[str, set[str]]:
    """Module -> modules of ours that it imports at run time, imports in functions included."""
    names = {module_name(p) for p in files()}
    found: dict[str, set[str]] = {}
    for path in files():
        tree = ast.parse(path.read_text("utf-8"))
        typing_only = {
            id(node)
            for block in ast.walk(tree)
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
            for node in ast.walk(block)
        }
        reached = set()
        for node in ast.walk(tree):
            if id(node) in typing_only:
                continue
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "conjure":
                base = (node.module or "").removeprefix("conjure").removeprefix(".")
                for alias in node.names:
                    full = f"{base}.{alias.name}" if base else alias.name
                    reached.add(full if full in names else base)
            elif isinstance(node, ast.Import):
                reached |= {a.name.removeprefix("conjure.") for a in node.names if a.name.startswith("conjure.")}
        found[module_name(path)] = {r for r in reached if r and r != module_name(path)}
    return found


def closure(name: str) -> set[str]:
    """Everything a module imports, directly or through others."""
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        for other in imports().get(ahead.pop(), set()):
            if other not in seen:
                seen.add(other)
                ahead.append(other)
    return seen
