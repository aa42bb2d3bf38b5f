"""Spaces, settings and random streams do what they say."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from conjure.core.config import assign, fill, plain
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise, derive
from conjure.core.space import Category, Columns, Dense, Number, Tokens, space_from_json, space_to_json


@dataclass(frozen=True)
class Inner:
    width: int = 3


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    rate: float = 0.1
    names: tuple[str, ...] = ()


def test_settings_nest_and_convert():
    made = fill(Outer, assign({}, ["inner.width=8", "rate=1", 'names=["a", "b"]']))
    assert made == Outer(Inner(8), 1.0, ("a", "b"))
    assert fill(Outer, plain(made)) == made


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"inner\.widht.*'width'"):
        fill(Outer, {"inner": {"widht": 3}})


@pytest.mark.parametrize("values", [{"rate": "fast"}, {"inner": 3}, {"rate": True}])
def test_a_value_of_the_wrong_type_is_refused(values):
    with pytest.raises(ConfigError):
        fill(Outer, values)


def test_a_word_without_equals_is_refused():
    with pytest.raises(ConfigError, match="path=value"):
        assign({}, ["rate"])


@pytest.mark.parametrize(
    "space",
    [
        Dense((1, 2, 2), -1.0, 1.0),
        Dense((3,)),
        Tokens(5, (4,), end=0),
        Columns((Category("a", 3, True), Number("b"))),
    ],
)
def test_spaces_survive_json(space):
    import json

    assert space_from_json(json.loads(json.dumps(space_to_json(space)))) == space


def test_spaces_know_their_own():
    assert Dense((2,), 0, 1).contains(torch.rand(4, 2))
    assert not Dense((2,), 0, 1).contains(torch.rand(4, 2) + 1)
    assert Tokens(5, (3,), end=0).contains(torch.tensor([[1, 0, 0]]))
    assert not Tokens(5, (3,), end=0).contains(torch.tensor([[1, 0, 2]]))
    columns = Columns((Category("a", 3), Category("b", 2)))
    assert columns.contains(torch.tensor([[2, 1]]))
    assert not columns.contains(torch.tensor([[2, 2]]))
    mixed = Columns((Category("a", 3), Number("b")))
    assert mixed.contains(torch.tensor([[2.0, -1.5]]))
    assert not mixed.contains(torch.tensor([[0.5, -1.5]]))


def test_streams_differ_by_name_and_not_by_call():
    assert derive(1, "a") != derive(1, "b") != derive(2, "b")
    assert torch.equal(Noise(1, "x").normal(3), Noise(1, "x").normal(3))
