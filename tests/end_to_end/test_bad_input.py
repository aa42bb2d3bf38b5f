"""Mistakes at the command line: one sentence that says what and where, exit code 2, and nothing lost."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from conjure import artifact
from tests.end_to_end.terminal import Terminal, contents

ROWS = "".join(f"{20 + i * 7 % 30},{'ab'[i % 2]},{i * 0.37:.2f}\n" for i in range(60))
GOOD = "age,sort,weight\n" + ROWS
QUICK = ("--recipe", "independent", "--set", "training.threads=1")


@pytest.fixture
def conjure(monkeypatch, capsys) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A good artifact that no test changes."""
    from conjure import verbs

    place = tmp_path_factory.mktemp("kept")
    (place / "good.csv").write_text(GOOD)
    verbs.fit("tables", place / "good.csv", place / "made", recipe="independent", settings=["training.threads=1"])
    return place / "made"


@pytest.fixture
def made(kept, tmp_path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(kept, tmp_path / "made"))


@pytest.fixture
def good(tmp_path) -> Path:
    path = tmp_path / "good.csv"
    path.write_text(GOOD)
    return path


BAD_FILES = {
    "empty": (b"", ("is empty", "column names")),
    "blank": (b"\n\n", ("is empty", "column names")),
    "header only": (b"age,sort\n", ("no rows",)),
    "one row": (b"age,sort\n31,a\n", ("1 row", "at least 2")),
    "twice": (b"age,sort,age\n1,a,2\n3,b,4\n", ("'age'", "columns 1, 3", "name of its own")),
    "latin": ("age,sort\n1,a\n2,é\n".encode("latin-1"), ("utf-8", "line 3", "0xe9")),
    "utf16": ("age,sort\n1,a\n2,b\n".encode("utf-16"), ("utf-16", "utf-8")),
    "ragged": (b"age,sort\n1,a\n2,b,c\n3,a\n", ("line 3", "2 fields", "found 3")),
    "short": (b"age,sort\n1,a\n2,b\n3\n", ("line 4", "2 fields", "found 1")),
    "infinite": (GOOD.replace("0.37", "inf").encode(), ("'weight'", "row 2", "infinite")),
    "mixed": (GOOD.replace("\n27,", "\nlots,", 1).encode(), ("'age'", "row 2", "'lots'")),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_is_refused_with_its_place_and_nothing_is_written(conjure, tmp_path, name):
    text, naming = BAD_FILES[name]
    path = tmp_path / "bad.csv"
    path.write_bytes(text)
    conjure.refused("fit", "tables", path, "-o", tmp_path / "made", *QUICK, naming=naming, remarks=name == "infinite")
    assert not artifact.occupied(tmp_path / "made")
    assert path.read_bytes() == text


def test_damaged_parquet_file_is_refused(conjure, tmp_path):
    path = tmp_path / "bad.parquet"
    path.write_bytes(b"PAR1 and then nothing of the sort")
    conjure.refused("fit", "tables", path, "-o", tmp_path / "made", *QUICK, naming=(path, "parquet"))


def test_constant_and_empty_columns_work_and_are_said(conjure, tmp_path):
    path = tmp_path / "flat.csv"
    path.write_text("age,same,none\n" + "".join(f"{20 + i % 7},x,\n" for i in range(60)))
    said = conjure.works("fit", "tables", path, "-o", tmp_path / "made", *QUICK)
    assert "same" in said.err
    assert "constant" in said.err
    assert "none" in said.err
    out = tmp_path / "new.csv"
    conjure.works("sample", tmp_path / "made", "-n", 5, "-o", out)
    lines = out.read_text().splitlines()
    assert lines[0] == "age,same,none"
    assert all(line.endswith(",x,") for line in lines[1:])


def test_missing_file_folder_and_suffix(conjure, tmp_path):
    (tmp_path / "a.doc").write_text("age\n1\n")
    for data, naming in (
        ("nowhere.csv", ("nowhere.csv", "does not exist")),
        ("wime", ("does not exist", "'wine'")),
        (tmp_path, (tmp_path, "folder")),
        (tmp_path / "a.doc", ("a.doc", ".csv")),
    ):
        conjure.refused("fit", "tables", data, "-o", tmp_path / "made", *QUICK, naming=naming)
        assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("words", "naming"),
    [
        (("--recipe", "independent", "--set", "training.batc=3"), ("training.batc", "'batch'")),
        (("--recipe", "independent", "--set", "trainin.batch=3"), ("trainin", "'training'")),
        (("--recipe", "vae", "--set", "model.widht=3"), ("model.widht", "'width'")),
        (("--recipe", "vae", "--set", "model.width=wide"), ("model.width", "'wide'", "int")),
        (("--recipe", "independent", "--set", "training.batch"), ("training.batch", "path=value")),
        (("--recipe", "independant"), ("independant", "'independent'")),
        (("--model", "circus"), ("circus", "'circuit'")),
        (("--model", "decoder"), ("decoder",)),
        (("--model", "vae", "--recipe", "vae"), ("--model", "--recipe", "not both")),
        (("--recipe", "independent", "--minutes", "-3"), ("--minutes", "-3", "above zero")),
        (("--recipe", "independent", "--minutes", "nan"), ("--minutes", "nan", "above zero")),
        (("--recipe", "gone.toml"), ("gone.toml", "no recipe")),
    ],
)
def test_settings_are_refused_by_name(conjure, good, tmp_path, words, naming):
    conjure.refused("fit", "tables", good, "-o", tmp_path / "made", *words, naming=naming)
    assert not artifact.occupied(tmp_path / "made")


def test_unknown_app_offers_the_nearest(conjure, good, tmp_path):
    conjure.refused("fit", "table", good, "-o", tmp_path / "made", naming=("'table'", "'tables'"))


@pytest.mark.parametrize(
    ("text", "naming"),
    [
        (b"domain = table", ("mine.toml", "toml", "line 1")),
        (b"\xff\xfe", ("mine.toml", "toml")),
        (b'domain = "text"\n[model]\nname = "decoder"\n[objective]\nname = "likelihood"', ("text", "tables")),
        (b'domain = "table"\n[model]\nname = "vae"', ("objective.name",)),
        (b'domain = "table"\nmodel = "vae"', ("'model'",)),
        (b'[model]\nname = "vae"\n[objective]\nname = "elbo"', ("domain",)),
    ],
)
def test_unreadable_recipe_is_refused(conjure, good, tmp_path, text, naming):
    path = tmp_path / "mine.toml"
    path.write_bytes(text)
    conjure.refused("fit", "tables", good, "-o", tmp_path / "made", "--recipe", path, naming=naming)


def test_folder_that_holds_something_else_stays_as_it_was(conjure, good, made, tmp_path):
    before = contents(made)
    conjure.refused("fit", "tables", good, "-o", made, *QUICK, naming=(made, "already holds an artifact"))
    assert contents(made) == before
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.txt").write_text("miaow")
    conjure.refused("fit", "tables", good, "-o", photos, *QUICK, naming=(photos, "not empty"))
    assert contents(photos) == {"cat.txt": b"miaow"}
    conjure.refused("fit", "tables", good, "-o", good, *QUICK, naming=(good,))
    assert good.read_text() == GOOD


@pytest.mark.parametrize(
    ("given", "naming"),
    [
        ("agee=30", ("'agee'", "'age'")),
        ("sort=z", ("'sort'", "'z'")),
        ("age=young", ("'age'", "'young'")),
        ("age=900..901", ("'age'",)),
        ("age=40..30", ("'age'",)),
        ("age", ("'age'", "key=value")),
    ],
)
def test_conditions_that_cannot_be(conjure, kept, tmp_path, given, naming):
    out = tmp_path / "new.csv"
    conjure.refused("sample", kept, "-n", 3, "--given", given, "-o", out, naming=naming)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n", [0, -4])
def test_how_many_is_at_least_one(conjure, kept, n):
    conjure.refused("sample", kept, "-n", n, naming=(f"n is {n}", "at least one"))


def test_score_names_what_it_cannot_place(conjure, kept, tmp_path):
    path, out = tmp_path / "more.csv", tmp_path / "nats.csv"
    for text, naming in (
        ("age,sort,weight\n30,a,1.2\n31,zebra,2.2\n", ("'sort'", "row 2", "'zebra'", "never seen")),
        ("age,weight\n30,1.2\n31,2.2\n", ("'sort'",)),
        ("age,sort,weight\n30,a,1.2\n31,b,heavy\n", ("'weight'", "row 2", "'heavy'")),
        ("age,sort,weight\n30,a,1.2\n31,b,inf\n", ("'weight'", "row 2", "infinite")),
    ):
        path.write_text(text)
        conjure.refused("score", kept, path, "-o", out, naming=naming)
        assert not out.exists()


def test_output_names_are_refused_before_work_and_leave_nothing(conjure, kept, good, tmp_path):
    conjure.refused("sample", kept, "-n", 3, "-o", tmp_path / "new.docx", naming=("new.docx", ".csv"))
    conjure.refused("score", kept, good, "-o", tmp_path / "nats.xls", naming=("nats.xls", ".csv"))
    conjure.refused("evaluate", kept, good, "-o", tmp_path / "report.pdf", naming=("report.pdf", ".html"))
    assert [p.name for p in tmp_path.iterdir()] == ["good.csv"]


def test_a_folder_without_an_artifact(conjure, good, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere", good):
        conjure.refused("sample", folder, "-n", 3, naming=(folder, "no artifact"))


def test_artifact_of_a_newer_version(conjure, made):
    manifest = json.loads((made / artifact.MANIFEST).read_text())
    (made / artifact.MANIFEST).write_text(json.dumps(manifest | {"format": artifact.FORMAT + 1}))
    conjure.refused("sample", made, "-n", 3, naming=(made, "newer"))


@pytest.mark.parametrize("name", [artifact.MANIFEST, artifact.CODEC, artifact.WEIGHTS, artifact.CARD])
@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "gone"])
def test_damaged_artifact_is_refused(conjure, made, name, damage):
    at = made / name
    whole = at.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    at.write_bytes({"cut": whole[:-7], "changed": flipped, "empty": b"", "gone": b""}[damage])
    if damage == "gone":
        at.unlink()
    conjure.refused("sample", made, "-n", 3, naming=(name,))


def test_damaged_run_file_is_refused_at_resume(conjure, good, made):
    (made / "run.json").write_text("{")
    conjure.refused("fit", "tables", good, "-o", made, *QUICK, "--resume", naming=("run.json", "damaged"))


def _full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_while_fitting_leaves_no_half_artifact(conjure, good, tmp_path, monkeypatch):
    monkeypatch.setattr(artifact, "save_file", _full)
    folder = tmp_path / "made"
    conjure.refused("fit", "tables", good, "-o", folder, *QUICK, naming=(folder, "no space left"), remarks=True)
    assert not artifact.occupied(folder)
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_full_disk_at_the_other_verbs_leaves_what_was_there(conjure, kept, good, tmp_path, monkeypatch):
    import pandas as pd

    for name in ("new.csv", "nats.csv"):
        (tmp_path / name).write_text("of yesterday")
    monkeypatch.setattr(pd.DataFrame, "to_csv", _full)
    conjure.refused("sample", kept, "-n", 3, "-o", tmp_path / "new.csv", naming=("new.csv", "no space left"))
    monkeypatch.setattr("conjure.screen.csv.writer", _full)
    conjure.refused("score", kept, good, "-o", tmp_path / "nats.csv", naming=("no space left",))
    assert contents(tmp_path) == {"good.csv": GOOD.encode(), "new.csv": b"of yesterday", "nats.csv": b"of yesterday"}


def test_family_without_likelihood_says_it_cannot_score(conjure, good, tmp_path):
    tiny = [w for s in ("model.width=8", "training.steps=2", "training.threads=1") for w in ("--set", s)]
    conjure.works("fit", "tables", good, "-o", tmp_path / "gan", "--recipe", "gan", *tiny)
    conjure.refused("score", tmp_path / "gan", good, naming=("gan", "no likelihood"))


def test_nothing_is_ever_unpickled():
    """Neither pickle nor torch.load (nor numpy's pickles) stands anywhere in the product."""
    source = Path(artifact.__file__).parent
    words = ("pickle", "torch.load", "allow_pickle=True", "joblib", "marshal", "shelve", "eval(", "exec(")
    harmless = (".eval(", "unpickled", "never pickle", "allow_pickle=False")
    found = [
        (path.name, line.strip())
        for path in sorted(source.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if any(w in line for w in words) and not any(ok in line for ok in harmless)
    ]
    assert found == []
