"""The docs keep up with the code: files and links exist, command lines parse, settings are known, code compiles."""

from __future__ import annotations

import ast
import dataclasses
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from conjure import catalog
from conjure.cli import app
from conjure.core.config import fill
from conjure.products import PRODUCTS
from conjure.training.settings import Training
from conjure.verbs import recipe_for
from tests.architecture.house import ROOT, SOURCE

PAGES = sorted((ROOT / "docs").glob("*.md"))
READ = [*PAGES, ROOT / "README.md"]
COMMANDS = typer.main.get_command(app)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def command_lines() -> list[tuple[str, list[str]]]:
    """(page, words after `conjure`) of every command line that is whole."""
    found = []
    for page in READ:
        for block in [b for language in ("sh", "") for b in blocks(page, language)]:
            for line in block.replace("\\\n", " ").splitlines():
                _, conjure, rest = line.partition("conjure ")
                starts = line.startswith(("conjure ", "torchrun "))
                if starts and conjure and not line.endswith("..."):
                    found.append((page.name, shlex.split(rest, comments=True)))
    return found


def parsed(words: list[str]) -> dict[str, object]:
    """The options of a command line, by the very parser that runs it."""
    if words[0] in PRODUCTS:
        return (
            typer.main.get_command(PRODUCTS[words[0]]).commands[words[1]].make_context(words[1], list(words[2:])).params
        )
    command = COMMANDS.commands[words[0]]
    return command.make_context(words[0], list(words[1:])).params


@pytest.mark.parametrize("page", READ, ids=lambda p: p.name)
def test_files_named_in_docs_exist(page: Path):
    text = page.read_text("utf-8")
    named = re.findall(r"`([\w/]+/[\w/]+\.py|[a-z]+\.py)`", text)
    named += re.findall(r"`python ([\w/]+\.py)", text)
    assert not [n for n in named if not (SOURCE / n).exists() and not (ROOT / n).exists()]


@pytest.mark.parametrize("page", READ, ids=lambda p: p.name)
def test_links_and_pictures_exist(page: Path):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_page_is_linked_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert not [p.name for p in PAGES if p.name != "index.md" and f"({p.name})" not in index]


def test_pictures_are_small_and_made_by_the_example():
    tree = ast.parse((ROOT / "examples" / "figures.py").read_text("utf-8"))
    names = {n.value for d in ast.walk(tree) if isinstance(d, ast.Dict) for n in d.keys if isinstance(n, ast.Constant)}
    names |= {path.stem for path in (ROOT / "examples" / "drawn").glob("*.py")}
    named = {m for p in PAGES for m in re.findall(r"figures\.py (\w+)`", p.read_text("utf-8"))} - {"NAME"}
    assert named
    assert named <= names
    assert all((ROOT / "docs" / "figures" / f"{n}.png").stat().st_size < 150_000 for n in named)


def test_command_lines_parse():
    lines = command_lines()
    assert len(lines) > 20
    for _, words in lines:
        parsed(words)


def test_a_wrong_command_line_is_noticed():
    with pytest.raises(Exception, match="No such option"):
        parsed(["fit", "tables", "wine", "-o", "x", "--minute", "3"])


def test_settings_on_command_lines_are_known():
    for _, words in command_lines():
        if words[0] != "fit":
            continue
        told = parsed(words)
        choice = {name: told[name] for name in ("model", "recipe", "through")}
        recipe = recipe_for(told["product"], settings=list(told["settings"] or []), **choice)
        recipe.configs()
        fill(Training, recipe.training, "training")


def test_settings_named_in_tables_are_known():
    """`codec.x`, `model.x`, `objective.x` and `training.x` in the pages are fields of some class."""
    tables = {"codec": catalog.DOMAINS, "model": catalog.MODELS, "objective": catalog.OBJECTIVES}
    known = {f"training.{f.name}" for f in dataclasses.fields(Training)} | {"model.name", "objective.name"}
    for group, table in tables.items():
        for name in table:
            config = catalog.resolve(f"{group}s" if group != "codec" else "domains", name).Config
            known |= {f"{group}.{f.name}" for f in dataclasses.fields(config)}
    known |= {f"codec.{f.name}" for f in dataclasses.fields(catalog.codec("", composed=True).Config)}
    others = {"codec.json", "codec.evidence", "model.sample", "model.complete"}
    for page in PAGES:
        named = re.findall(r"`((?:codec|model|objective|training)\.\w+)(?=[`=])", page.read_text("utf-8"))
        assert not [n for n in named if n not in known | others], page.name


@pytest.mark.parametrize("page", READ, ids=lambda p: p.name)
def test_code_in_docs_is_code(page: Path):
    for block in blocks(page, "python"):
        compile(block, page.name, "exec")
    for block in blocks(page, "toml"):
        assert tomllib.loads(block)
