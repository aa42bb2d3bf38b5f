"""Columns that tell who somebody is: recognised, never learnt, and filled with people who do not exist, by Faker."""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

LOCALE = "en_US"
EXTRA = "pip install 'conjure[people]'"
CALLED = {  # provider -> what such a column is called, without case and marks
    "email": r"e?mail(address|adresse|adr)?$",
    "user_name": r"(user|login|nick|screen)name$|^login$",
    "first_name": r"^(first|given|fore|christian)name|^vorname$|^fname$|^prenom$",
    "last_name": r"^(last|family|sur)name|^nachname$|^lname$|^surname$",
    "phone_number": r"(phone|mobile|telephone|telefon|cellphone|fax)(number|nr|no)?$|^tel$",
    "ssn": r"^ssn$|socialsecurity(number|nr|no)?$",
    "iban": r"^iban$",
    "credit_card_number": r"(creditcard|cardnumber|ccnumber)",
    "street_address": r"^(street|strasse)(address|name)?$|(street|home|postal|billing|shipping)address$",
    "address": r"^(full)?address$|^adresse$|^anschrift$",
    "name": r"^(full|customer|patient|client|employee|contact|person|owner|holder|member|student|doctor)?name$",
}
LOOKS = {  # provider -> what nine in ten of its values look like
    "email": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "phone_number": r"^\+?[\d\s().x/-]{6,}$",
    "ssn": r"^\d{3}-?\d{2}-?\d{4}$",
    "iban": r"^[A-Z]{2}\d{2}[A-Z0-9 ]{11,34}$",
    "credit_card_number": r"^[\d -]{12,23}$",
    "street_address": r"(?s)\d",
    "address": r"(?s)\d",
    "name": r"^[^\W\d_][\w.'-]*( [\w.'-]+){1,4}$",
}
BY_LOOKS = ("email", "ssn", "iban")  # told by their values, whatever the column is called
NUMBERS = ("phone_number", "credit_card_number", "ssn")  # that may be held as whole numbers
ENOUGH, SEEN = 0.9, 2_000
REPEATED = 0.3  # share of distinct values below which a name or an address is a category
PERSON = ("first_name", "last_name", "name", "email", "user_name")
FAMILY_FIRST = ("ja", "zh", "ko", "hu")
SMALL, POOL = 200, 4_000  # different values behind a column whose values may repeat
ROUNDS = 20
SEX = re.compile(r"^(sex|gender|geschlecht)$", re.IGNORECASE)


def recognised(name: str, present: pd.Series) -> str:
    """The provider whose values a column seems to hold, by its name and its values, "" for none."""
    numeric = present.dtype.kind in "iu"
    if not len(present) or (present.dtype.kind in "bfMmc") or present.nunique() < 2:
        return ""
    spelt, words = re.sub(r"[^a-z0-9]+", "", name.lower()), present.iloc[:SEEN].astype("str")
    for provider, called in CALLED.items():
        fits = bool(re.search(called, spelt))
        if not (fits or (provider in BY_LOOKS and not numeric)) or (numeric and provider not in NUMBERS):
            continue
        looks = LOOKS.get(provider)
        if looks and np.mean([bool(re.search(looks, word)) for word in words]) < ENOUGH:
            continue
        if provider in ("name", "address", "street_address") and words.nunique() < REPEATED * len(words):
            continue
        return provider
    return ""


def needed() -> str:
    """What to install first, where it is not there."""
    return "" if importlib.util.find_spec("faker") else f", which samples need: {EXTRA}"


def check(column: str, provider: Any) -> None:
    """ConfigError for a provider that Faker does not have, or for a missing Faker."""
    if not isinstance(provider, str):
        raise ConfigError(f"column {column!r}: faker is the name of a provider, such as faker = 'name'")
    _provider(_faker(LOCALE, 0), provider, column)


def check_locale(locale: str) -> None:
    """ConfigError for a locale that is not of the form xx_XX, or that Faker does not have."""
    if locale != LOCALE:
        _faker(locale, 0)


def learn(series: pd.Series, locale: str = LOCALE) -> dict[str, Any]:
    """What is kept of a column: whether its values differ, and how many are missing; no value."""
    present = series.dropna()
    unique = bool(len(present) > 1 and present.is_unique)
    return kept(unique, round(1 - len(present) / max(1, len(series)), 3), locale)


def kept(unique: bool = False, missing: float = 0.0, locale: str = LOCALE) -> dict[str, Any]:
    """What `make` must know of a column; as it stands here, nothing of its rows."""
    return {"unique": unique, "missing": missing, "locale": locale}


def make(
    wanted: dict[str, tuple[str, dict[str, Any]]], n: int, source: np.random.Generator, learnt: dict[str, Any]
) -> dict[str, pd.Series]:
    """n values of each column of `wanted`: column -> (provider, what `learn` kept).

    Names, e-mail and user name of a row are one person's, first names go with a learnt column of the sex, a whole
    address with street, postcode and city. ConfigError where Faker is not installed.
    """
    import pandas as pd

    locale = next(kept["locale"] for _, kept in wanted.values())
    fake = _faker(locale, int(source.integers(2**31)))
    providers = dict(wanted.values())
    found: dict[str, np.ndarray] = {}
    if set(providers) & set(PERSON):
        found |= _persons(fake, n, source, (_sexes(learnt, n), _unique_of(wanted), locale))
    for provider, kept in providers.items():
        if provider not in found:
            found[provider] = _values(_provider(fake, provider, provider), n, source, unique=kept["unique"])
    if {"address", "street_address", "postcode", "city"} <= set(found):
        parts = zip(found["street_address"], found["postcode"], found["city"])
        found["address"] = np.array([f"{street}, {code} {city}" for street, code, city in parts], dtype=object)
    out = {}
    for column, (provider, kept) in wanted.items():
        values = pd.Series(found[provider])
        values = values.astype("str") if values.map(type).eq(str).all() else values
        out[column] = values.mask(source.random(n) < kept["missing"]) if kept["missing"] else values
    return out


def _persons(fake: Any, n: int, source: np.random.Generator, how: tuple[np.ndarray, set[str], str]) -> dict[str, Any]:
    """First and last names, and what follows from them; all that must differ does."""
    sexes, unique, locale = how
    firsts = {
        sex: _pool(getattr(fake, f"first_name_{sex}", fake.first_name), n) for sex in ("female", "male", "nonbinary")
    }
    lasts = _pool(fake.last_name, n)
    first = np.empty(n, dtype=object)
    for sex, pool in firsts.items():
        at = np.flatnonzero(sexes == sex)
        first[at] = source.choice(pool, len(at))
    last = source.choice(lasts, n)
    glue = "" if locale[:2] in ("ja", "zh") else " "
    if "first_name" in unique:
        first = _numbered(first, True, glue)
    nothing = np.full(n, "", dtype=object)
    for before in ([nothing] if "last_name" in unique else []) + ([first] if "name" in unique else []):
        for _ in range(ROUNDS):
            if not len(again := _repeated(before + last)):
                break
            last[again] = source.choice(lasts, len(again))
        again = _repeated(before + last)
        last[again] = [f"{word}{glue}{k + 2}" for k, word in enumerate(last[again])]
    name = last + glue + first if locale[:2] in FAMILY_FIRST else first + glue + last
    spelt = np.array([f"{_ascii(a)}.{_ascii(b)}".strip(".") or "user" for a, b in zip(first, last)], dtype=object)
    found = {"first_name": first, "last_name": last, "name": name, "user_name": spelt.copy(), "email": spelt.copy()}
    for provider in ("user_name", "email"):
        found[provider] = _numbered(found[provider], provider in unique)
    domains = source.choice(np.array(["example.com", "example.org", "example.net"], dtype=object), n)
    found["email"] = found["email"] + "@" + domains
    return found


def _sexes(learnt: dict[str, Any], n: int) -> np.ndarray:
    """Whose first name a row bears, by a learnt column of the sex where there is one."""
    told = {"f": "female", "female": "female", "w": "female", "m": "male", "male": "male"}
    for name, series in learnt.items():
        if SEX.match(name) and series.dtype.kind not in "iufbM":
            return np.array([told.get(str(v).lower(), "nonbinary") for v in series], dtype=object)
    return np.full(n, "nonbinary", dtype=object)


def _unique_of(wanted: dict[str, tuple[str, dict[str, Any]]]) -> set[str]:
    return {provider for provider, kept in wanted.values() if kept["unique"]}


def _pool(draw: Callable[[], Any], n: int) -> np.ndarray:
    return np.array([draw() for _ in range(min(max(n, SMALL), POOL))], dtype=object)


def _values(draw: Callable[[], Any], n: int, source: np.random.Generator, *, unique: bool) -> np.ndarray:
    """n values of a provider, all different where they should be and it can."""
    if not unique:
        return source.choice(_pool(draw, n), n)
    found: dict[Any, None] = {}
    for _ in range(ROUNDS):
        found |= dict.fromkeys(draw() for _ in range(n - len(found)))
        if len(found) == n:
            break
    values = np.empty(n, dtype=object)
    values[: len(found)] = list(found)
    if len(found) < n:  # the provider has no more: numbered ones
        values[len(found) :] = source.choice(np.array(list(found), dtype=object), n - len(found))
        return _numbered(values, True, " ")
    return values


def _numbered(values: np.ndarray, unique: bool, glue: str = "") -> np.ndarray:
    """The values, those that repeat an earlier one with a number behind them."""
    if not unique:
        return values
    out, taken, turn = values.copy(), set(values), {}
    for at in _repeated(values):
        turn[values[at]] = turn.get(values[at], 1) + 1
        while (word := f"{values[at]}{glue}{turn[values[at]]}") in taken:
            turn[values[at]] += 1
        taken.add(word)
        out[at] = word
    return out


def _repeated(values: np.ndarray) -> np.ndarray:
    import pandas as pd

    return np.flatnonzero(pd.Series(values).duplicated())


def _ascii(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", plain)


def _faker(locale: str, seed: int) -> Any:
    try:
        from faker import Faker
    except ImportError:
        raise ConfigError(f"names, addresses and the like are made by Faker, which is not installed: {EXTRA}") from None
    try:
        fake = Faker(locale)
    except (AttributeError, ValueError, ImportError):
        raise ConfigError(f"Faker has no locale {locale!r}: codec.locale is such as en_US, de_DE or fr_FR") from None
    fake.seed_instance(seed)
    return fake


def _provider(fake: Any, provider: str, column: str) -> Callable[[], Any]:
    """What makes a value; ConfigError with the nearest where there is no such provider."""
    known = [
        n for n in dir(fake.factories[0]) if not n.startswith("_") and n not in ("seed", "seed_instance", "random")
    ]
    if provider not in known or not callable(getattr(fake, provider, None)):
        raise ConfigError(f"column {column!r}: Faker has no provider {provider!r}: {_near(provider, known)}")
    return getattr(fake, provider)


def _near(provider: str, known: list[str]) -> str:
    close = nearest(provider, known)
    return close if close.startswith("did") else "such as name, email, street_address, phone_number"
