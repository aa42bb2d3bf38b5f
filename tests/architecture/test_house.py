"""The house stays as planned: floors, no circles, sizes, names, exports, a catalog that resolves."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

import conjure
from conjure import catalog
from tests.architecture.house import FLOORS, ROOT, SOURCE, closure, files, imports, module_name, top

EMPTY_NAMES = ("util", "helper", "common", "misc", "base", "manager", "handler", "engine")


def test_every_module_has_a_floor():
    assert {top(module_name(p)) for p in files()} <= set(FLOORS)


def test_imports_go_down_or_stay_in_the_folder():
    wrong = [
        f"{name} -> {other}"
        for name, reached in imports().items()
        for other in reached
        if top(name) != top(other) and FLOORS[top(other)] >= FLOORS[top(name)]
    ]
    assert not wrong


def test_no_circles():
    assert not [name for name in imports() if name in closure(name)]


def test_the_two_wings_never_touch():
    nets = [n for n in imports() if top(n) in ("nets", "models")]
    assert not [n for n in nets if any(top(o) == "domains" for o in imports()[n])]
    assert not [n for n in imports() if top(n) == "domains" and {top(o) for o in imports()[n]} & {"nets", "models"}]


@pytest.mark.parametrize("name", ["artifact", "sampling", "scoring", "evaluation"])
def test_use_never_imports_training(name: str):
    assert not [o for o in closure(name) if top(o) == "training"]


def test_files_are_short():
    limits = {p: 400 if "nets" in p.parts else 300 for p in files()}
    long = {module_name(p): n for p in files() if (n := len(p.read_text("utf-8").splitlines())) > limits[p]}
    assert not long


def test_functions_are_short_and_take_few_parameters():
    wrong = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if node.end_lineno - node.lineno + 1 > 50:
                wrong.append(f"{module_name(path)}.{node.name} is {node.end_lineno - node.lineno + 1} lines")
            positional = [a for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
            count = len(positional) + len(node.args.kwonlyargs)
            if count > 6 and top(module_name(path)) not in (
                "cli",
                "products",
            ):  # a command's options are its parameters
                wrong.append(f"{module_name(path)}.{node.name} takes {count} parameters")
    assert not wrong


def test_every_module_says_what_lives_in_it():
    assert not [module_name(p) for p in files() if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]


def test_names_say_something():
    stems = [p.stem for p in files()]
    classes = [
        n.name for p in files() for n in ast.walk(ast.parse(p.read_text("utf-8"))) if isinstance(n, ast.ClassDef)
    ]
    assert not [s for s in stems if any(s.rstrip("s") == w for w in EMPTY_NAMES)]
    assert not [c for c in classes if c.lower().endswith(EMPTY_NAMES) or c.lower().startswith("base")]


def test_public_names_are_few_and_resolve():
    assert len(conjure.__all__) <= 20
    assert all(getattr(conjure, name) is not None for name in conjure.__all__)


@pytest.mark.parametrize("table", list(catalog.TABLES))
def test_catalog_resolves(table: str):
    for name in catalog.TABLES[table]:
        assert catalog.resolve(table, name) is not None


def test_families_and_objectives_describe_themselves():
    for table in ("models", "objectives"):
        for name in catalog.TABLES[table]:
            found = catalog.resolve(table, name)
            assert inspect.getdoc(found), name
            assert found.Config.__dataclass_params__.frozen, name


def test_tour_names_existing_files():
    import re

    text = (ROOT / "docs" / "tour.md").read_text("utf-8")
    named = re.findall(r"`([\w/]+\.py)`", text)
    assert len(named) >= 9
    assert not [n for n in named if not (SOURCE / n).exists()]


def test_grid_is_fresh():
    from tests.architecture.grid import markdown

    assert (ROOT / "docs" / "grid.md").read_text("utf-8") == markdown(), "run `make docs`"


def test_import_is_quick_and_light():
    """The package itself pulls in nothing heavy; the limit on seconds is the benchmark's business."""
    code = "import sys, conjure; print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_readme_shows_the_results_there_are():
    import importlib.util

    spec = importlib.util.spec_from_file_location("readme", ROOT / "benchmarks" / "readme.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    text = (ROOT / "README.md").read_text("utf-8")
    assert text == made.updated(text), "run `python benchmarks/readme.py`"
    assert (ROOT / "docs" / "results.md").read_text("utf-8") == made.page(), "run `python benchmarks/readme.py`"
