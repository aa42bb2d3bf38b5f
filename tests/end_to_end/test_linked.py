"""Linked tables, fit to score: references whole, numbers of children kept, conditions, events, a killed run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import conjure
from conjure.core.errors import ArtifactError, ConfigError, DataError
from conjure.domains.linked.checks import integrity, unique, variation
from conjure.fitting import FitOptions
from conjure.training.trainer import Trainer
from tests.end_to_end.terminal import Terminal
from tests.unit.domains.linked.shop import events, shop

SETTINGS = ["training.threads=1", "training.steps=150", "model.states=16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("linked")
    (home / "shop").mkdir()
    for name, frame in shop(400).items():
        frame.to_csv(home / "shop" / f"{name}.csv", index=False)
    conjure.fit("tables", home / "shop", home / "model", settings=SETTINGS)
    return home


@pytest.fixture(scope="module")
def model(folder: Path) -> conjure.Generative:
    return conjure.load(folder / "model")


def counts(tables: dict[str, pd.DataFrame]) -> np.ndarray:
    number = tables["orders"]["customer_id"].value_counts()
    return number.reindex(tables["customers"]["id"], fill_value=0).to_numpy()


def test_every_reference_means_a_row_and_every_key_is_its_own(model: conjure.Generative):
    made = model.sample(900, seed=1)
    ties = model.artifact.codec.ties
    assert list(made) == list(ties.tables)
    assert set(integrity(made, ties).values()) == {1.0}
    assert set(unique(made, ties).values()) == {1.0}
    real = shop(400)
    assert all(list(made[t].columns) == list(real[t].columns) for t in made)
    assert not made["customers"]["name"].isin(real["customers"]["name"]).any()


def test_numbers_of_children_and_what_hangs_on_the_parent_are_kept(model: conjure.Generative):
    made, real = model.sample(4000, seed=2), shop(4000, seed=5)
    assert variation(counts(real), counts(made)) < 0.08
    assert (counts(made) == 0).any()
    for tables in (real, made):
        north = tables["customers"].set_index("id")["region"]
        orders = tables["orders"].assign(region=tables["orders"]["customer_id"].map(north))
        paid = orders.groupby("region")["paid"].mean()
        assert paid["north"] == pytest.approx(50, abs=3)
        assert paid["south"] == pytest.approx(20, abs=3)
        items = tables["items"].merge(tables["orders"], on="order_id").merge(tables["products"], on="sku")
        young = items["customer_id"].map(tables["customers"].set_index("id")["age"]) < 40
        assert (items.loc[young, "kind"] == "toy").mean() > (items.loc[~young, "kind"] == "toy").mean() + 0.3


def test_rows_of_a_parent_are_in_order_and_after_it(model: conjure.Generative):
    made = model.sample(300, seed=3)
    orders = made["orders"].merge(made["customers"], left_on="customer_id", right_on="id")
    assert (pd.to_datetime(orders["date"]) > pd.to_datetime(orders["since"])).all()
    gaps = pd.to_datetime(made["orders"]["date"]).groupby(made["orders"]["customer_id"]).diff().dropna().dt.days
    assert gaps.min() >= 1
    assert gaps.mean() == pytest.approx(10, abs=1)


def test_the_same_seed_gives_the_same_tables(model: conjure.Generative, folder: Path, tmp_path: Path):
    one, other = model.sample(50, seed=4), model.sample(50, seed=4)
    assert all(one[t].equals(other[t]) for t in one)
    assert not one["customers"].equals(model.sample(50, seed=5)["customers"])
    model.save(tmp_path / "copy")
    moved = conjure.load(tmp_path / "copy").sample(50, seed=4)
    assert all(one[t].equals(moved[t]) for t in one)


def test_conditions_on_the_root(model: conjure.Generative):
    made = model.sample(200, given={"customers.region": "north", "customers.count(orders)": "3.."}, seed=1)
    assert (made["customers"]["region"] == "north").all()
    assert counts(made).min() >= 3
    assert (model.sample(20, given={"products.kind": "toy"})["products"]["kind"] == "toy").all()
    with pytest.raises(ConfigError, match="conditions are on the root"):
        model.sample(5, given={"orders.paid": "10"})
    with pytest.raises(ConfigError, match="did you mean 'region'"):
        model.sample(5, given={"customers.regoin": "north"})


def test_a_score_is_of_a_root_row_with_all_below(model: conjure.Generative):
    tables = shop(200, seed=9)
    nats = model.score(tables)
    assert len(nats) == 200
    assert np.isfinite(nats).all()
    assert np.corrcoef(nats, counts(tables))[0, 1] < -0.8  # more rows, less probable
    odd = {**tables, "orders": tables["orders"].assign(paid=tables["orders"]["paid"].iloc[::-1].to_numpy())}
    assert model.score(odd).mean() < nats.mean() - 1
    with pytest.raises(DataError, match="no table 'items'"):
        model.score({t: f for t, f in tables.items() if t != "items"})


@pytest.mark.slow
def test_the_report_sets_links_beside_random_ones():
    """Slow: nine detectors of 200 trees."""
    pytest.importorskip("xgboost", reason="detectors come with the extra `report`")
    two = ("customers", "orders")
    tables, others = ({t: shop(300, seed=k)[t] for t in two} for k in (0, 7))
    model = conjure.fit("tables", tables, settings=SETTINGS)
    report = model.evaluate(others, n=300, train=tables)
    assert report["references that mean a row"].ours == 1.0
    for name in ("numbers of children: orders a customers row", "pairs: orders with customers (customer_id)"):
        figure = report[name]
        assert figure.loss(figure.ours) < figure.loss(figure.baseline)
    assert "orders: column shapes" in {f.name for f in report.figures}
    assert "<html" in report.to_html()


def test_the_command_line(folder: Path, terminal: Terminal, tmp_path: Path):
    shown = terminal.works("sample", folder / "model", "-n", 40, "-o", tmp_path / "out")
    assert shown.out.strip() == f"wrote {tmp_path / 'out'}"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "customers.csv", "items.csv", "orders.csv", "products.csv",
    ]  # fmt: skip
    terminal.works("sample", folder / "model", "-n", 4, "-o", tmp_path / "out.zip")
    assert len(zipfile.ZipFile(tmp_path / "out.zip").namelist()) == 4
    assert "orders" in terminal.works("sample", folder / "model", "-n", 4).out
    assert "400 scored" in terminal.works("score", folder / "model", folder / "shop").out
    terminal.refused("sample", folder / "model", "-n", 0, naming=("n is 0",))
    terminal.refused("sample", folder / "model", "-n", 4, "-o", tmp_path / "out", naming=("already there",))
    terminal.refused("sample", folder / "model", "-n", 4, "-o", tmp_path / "a.csv", naming=("folder",))
    words = ("fit", "tables", folder / "shop", "-o", tmp_path / "x")
    terminal.refused(*words, "--epsilon", 1, naming=("linked tables", "--epsilon"))
    terminal.refused(*words, "--model", "vae", naming=("circuit",), remarks=True)
    terminal.refused(*words, "--set", "codec.entity=id", naming=("one table",))
    terminal.refused("fit", "tables", tmp_path, "-o", tmp_path / "y", naming=("holds no table",))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_events_of_entities_are_sampled_whole(tmp_path: Path):
    frame = events(300)
    settings = [*SETTINGS, "codec.entity=patient", "codec.time=date"]
    conjure.fit("tables", frame, tmp_path / "a", settings=settings)
    model = conjure.load(tmp_path / "a")
    made = model.sample(300, seed=1)
    assert list(made.columns) == list(frame.columns)
    assert made["patient"].nunique() == 300
    assert (made.groupby("patient")["sex"].nunique() == 1).all()
    assert made.groupby("patient")["date"].is_monotonic_increasing.all()
    gaps = made["date"].groupby(made["patient"]).diff().dt.days.groupby(made["sex"]).mean()
    assert gaps["f"] == pytest.approx(21, abs=4)
    assert gaps["m"] == pytest.approx(6, abs=2)
    before = made["pressure"].groupby(made["patient"]).shift()
    assert made["pressure"].corr(before) > 0.7
    assert len(model.score(events(50, seed=3))) == 50


class Killed(Exception):
    """A kill in the middle of a run."""


def test_a_run_killed_in_the_second_table_goes_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tables, settings = shop(80), ["training.threads=1", "training.steps=40", "model.states=4"]
    settings += ["training.checkpoint_seconds=0", "training.validate_every=10"]
    conjure.fit("tables", tables, tmp_path / "whole", settings=settings)
    step, done = Trainer._step, []

    def until(trainer: Trainer) -> None:
        if trainer.folder is not None and "orders" in trainer.folder.parts:
            done.append(1)
            if len(done) == 8:
                raise Killed
        step(trainer)

    monkeypatch.setattr(Trainer, "_step", until)
    with pytest.raises(Killed):
        conjure.fit("tables", tables, tmp_path / "cut", settings=settings)
    monkeypatch.setattr(Trainer, "_step", step)
    inside = {p.name: (p / "artifact.json").exists() for p in (tmp_path / "cut" / "tables").iterdir()}
    assert inside == {"products": True, "orders": False}
    with pytest.raises(ArtifactError, match="cut holds an unfinished run: add --resume"):
        conjure.fit("tables", tables, tmp_path / "cut", settings=settings)
    first = (tmp_path / "cut" / "tables" / "products" / "artifact.json").stat().st_mtime_ns
    conjure.fit("tables", tables, tmp_path / "cut", settings=settings, options=FitOptions(resume=True))
    assert (tmp_path / "cut" / "tables" / "products" / "artifact.json").stat().st_mtime_ns == first
    for place in ("", "tables/products", "tables/orders", "tables/items"):
        weights = [(tmp_path / run / place / "model.safetensors").read_bytes() for run in ("whole", "cut")]
        assert weights[0] == weights[1], place


def test_a_damaged_table_is_named(folder: Path, tmp_path: Path):
    import shutil

    shutil.copytree(folder / "model", tmp_path / "model")
    codec = tmp_path / "model" / "tables" / "orders" / "codec.json"
    codec.write_text(codec.read_text() + " ")
    with pytest.raises(ArtifactError, match="orders"):
        conjure.load(tmp_path / "model")
    manifest = json.loads((folder / "model" / "artifact.json").read_text())
    assert "tables/orders/model.safetensors" in manifest["files"]


def test_over_http_tables_are_a_zip_and_the_artifact_travels_whole(folder: Path, tmp_path: Path):
    pytest.importorskip("fastapi", reason="the server comes with the extra `serve`")
    from starlette.testclient import TestClient

    from conjure.server.app import create
    from conjure.server.settings import Settings

    app = create(Settings(root=tmp_path, artifacts={"shop": conjure.load(folder / "model").artifact}))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.post("/artifacts/shop/sample", json={"n": 5, "given": {"customers.region": "north"}})
        assert answer.status_code == 200, answer.text
        (tmp_path / "made.zip").write_bytes(answer.content)
        with zipfile.ZipFile(tmp_path / "made.zip") as archive:
            assert pd.read_csv(archive.open("customers.csv"))["region"].tolist() == ["north"] * 5
        packed = client.get("/artifacts/shop/download").content
        assert client.put("/artifacts/again", content=packed).status_code == 201
        assert client.post("/artifacts/again/sample", json={"n": 2}).status_code == 200


def test_no_name_and_no_key_is_in_the_artifact(folder: Path):
    written = b"".join(p.read_bytes() for p in sorted((folder / "model").rglob("*")) if p.is_file())
    real = shop(400)
    assert not [v for v in [*real["customers"]["name"], *real["products"]["sku"]] if v.encode() in written]
