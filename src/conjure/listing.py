"""What `conjure list` shows: each catalog name with the first line of what is behind it."""

from __future__ import annotations

from conjure import catalog
from conjure.core.config import nearest
from conjure.core.errors import ConfigError


def rows(kind: str) -> list[tuple[str, str]]:
    """(name, description) pairs of a catalog table; apps show their title and recipes."""
    known = [name for name in catalog.TABLES if name != "reports"] + ["data"]
    if kind not in known:
        raise ConfigError(f"there is no list of {kind!r}: {nearest(kind, known)}")
    if kind == "data":
        return [(name, f"{domain}: {text}") for domain in catalog.DOMAINS for name, text in _embedded(domain)]
    if kind == "apps":
        apps = [catalog.resolve("apps", name) for name in catalog.APPS]
        return [(a.name, f"{a.title} (recipes: {', '.join(a.recipes)})") for a in apps]
    return [(name, _first_line(catalog.resolve(kind, name))) for name in catalog.TABLES[kind]]


def _embedded(domain: str) -> list[tuple[str, str]]:
    return list(catalog.part(domain, "corpus").EMBEDDED.items())


def _first_line(thing: type) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]
