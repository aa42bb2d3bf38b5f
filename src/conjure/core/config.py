"""Settings: frozen dataclasses filled from TOML tables and `a.b=c` words; an unknown key is refused."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from typing import Any, TypeVar

from conjure.core.errors import ConfigError

T = TypeVar("T")


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """The tail of an error sentence: the closest known name, or all of them."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"


def fill(cls: type[T], values: dict[str, Any], where: str = "") -> T:
    """A dataclass from a nested dict; ConfigError names the unknown key (and the nearest) or the wrong type."""
    hints = typing.get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    taken = {}
    for key, value in values.items():
        path = f"{where}.{key}" if where else key
        if key not in known:
            raise ConfigError(f"unknown setting {path!r}: {nearest(key, known)}")
        taken[key] = _coerce(hints[key], value, path)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if field.name not in taken and not optional:
            raise ConfigError(f"the setting {f'{where}.{field.name}' if where else field.name!r} is missing")
    return cls(**taken)


def assign(values: dict[str, Any], words: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """A copy of `values` with `path=value` words applied; values read as TOML, else as text."""
    out = _copy(values)
    for word in words:
        path, sign, text = word.partition("=")
        if not sign or not path:
            raise ConfigError(f"{word!r} is not of the form path=value")
        *parents, last = path.strip().split(".")
        table = out
        for name in parents:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{path!r}: {name!r} is a value, not a group of settings")
        table[last] = parse(text.strip())
    return out


def pairs(words: list[str] | None, option: str = "--given") -> dict[str, str]:
    """{key: value} from `key=value` words as an option takes them; values as typed: a prompt may end in a space."""
    found = {}
    for word in words or []:
        key, sign, value = word.partition("=")
        if not sign:
            raise ConfigError(f"{option} {word!r} is not of the form key=value")
        found[key.strip()] = value
    return found


def parse(text: str) -> Any:
    """A TOML value, or the text itself where it is none."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def plain(config: Any) -> Any:
    """A dataclass as nested dicts and lists, ready for JSON or TOML."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: plain(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, dict):
        return {k: plain(v) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [plain(v) for v in config]
    return config


def _copy(values: dict[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, dict) else v for k, v in values.items()}


def _coerce(hint: Any, value: Any, path: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        if isinstance(value, hint):  # type: ignore[arg-type]
            return value
        if not isinstance(value, dict):
            raise ConfigError(f"{path!r} is a group of settings, not a value")
        return fill(hint, value, path)  # type: ignore[arg-type]
    if origin in (typing.Union, types.UnionType):
        return _first_fit(arguments, value, path)
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{path!r} is {value!r}: {nearest(str(value), [str(a) for a in arguments])}")
        return value
    if origin in (tuple, list) and isinstance(value, (list, tuple)):
        inner = arguments[0] if arguments else Any
        return (tuple if origin is tuple else list)(_coerce(inner, v, path) for v in value)
    if origin is dict and isinstance(value, dict):
        return {k: _coerce(arguments[1], v, f"{path}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint in (int, float) and isinstance(value, bool)):
        return value
    wanted = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{path!r} is {value!r}; it should be of type {wanted}")


def _first_fit(hints: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and type(None) in hints:
        return None
    failure = None
    for hint in hints:
        if hint is type(None):
            continue
        try:
            return _coerce(hint, value, path)
        except ConfigError as error:
            failure = error
    raise failure or ConfigError(f"{path!r} cannot be {value!r}")
