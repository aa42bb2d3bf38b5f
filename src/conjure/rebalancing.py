"""Made rows where real ones are few: groups brought to the shares they should have, by rows drawn under conditions."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure import catalog, sampling
from conjure.artifact import Artifact
from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.rng import derive

if TYPE_CHECKING:
    import pandas as pd

FEW = 10  # real rows of a group, below which made ones can say little new
GROUPS = 200  # more are no groups, but a column of numbers
MOST = 5_000_000  # made rows at a time: a share close to nothing would ask for far more


@dataclass(frozen=True)
class Plan:
    """Which rows to make. by: columns whose combinations are the groups; to: "equal" (all as large as the largest),
    "independent" (P(a) P(b) of two or more columns: neither tells of the other), or each group's share of the whole.

    keep: which share of its cells, on average, a made row keeps of a real one of its group (0 draws whole rows);
    it helps groups of a handful of rows. within: a column of kinds that made rows of a group hold equally often, so
    that its rare kinds count as much as its frequent ones. most: of made rows a group, where `weigh` makes good the
    rest. only_made leaves the real rows out of the result.
    """

    by: tuple[str, ...]
    to: str | dict[tuple[str, ...], float] = "equal"
    keep: float = 0.0
    within: str | None = None
    most: int = MOST
    only_made: bool = False

    def __post_init__(self) -> None:
        if not self.by:
            raise ConfigError("name at least one column to balance: --target COLUMN")
        if len(set(self.by)) < len(self.by):
            raise ConfigError(f"the columns to balance, {', '.join(self.by)}, name one twice")
        if self.within in self.by:
            raise ConfigError(f"{self.within!r} is balanced already; kinds within a group are those of another column")
        if self.most < 1:
            raise ConfigError(f"at most {self.most} made rows a group are none: at least 1")
        if not 0 <= self.keep < 1:
            raise ConfigError(f"keep is {self.keep:g}; it is a share of cells, from 0 to below 1")
        if self.to == "independent" and len(self.by) < 2:
            raise ConfigError("independence takes two columns or more: add the other with --by COLUMN")

    def makes(self, group: Group) -> int:
        """How many rows are made of a group."""
        return min(self.most, group.wanted if self.only_made else group.lacks)


@dataclass(frozen=True)
class Group:
    """A combination of values: as it is asked for, how many real rows have it (their places), how many are to have."""

    values: tuple[Any, ...]
    rows: np.ndarray
    wanted: int

    @property
    def lacks(self) -> int:
        return max(0, self.wanted - len(self.rows))

    def named(self) -> str:
        return ", ".join(map(_word, self.values))


def real_rows(artifact: Artifact, given: Any = None) -> pd.DataFrame:
    """The rows an artifact was fitted with, set-aside ones included; ConfigError where they are not found again."""
    source = artifact.card.get("source", {})
    corpus = catalog.part("table", "corpus")
    where = given if given is not None else source.get("path") or source.get("name", "")
    try:
        rows, now = corpus.read(where)
    except (DataError, OSError):
        if given is not None:
            raise
        raise ConfigError("the real rows were not found again: say where they are with train (--train FILE)") from None
    if given is None and now.sha256 != source.get("sha256"):
        raise ConfigError(f"{source.get('name')} has changed since the fit: name the real rows (--train FILE)")
    if hasattr(rows, "chunks"):
        raise ConfigError("this table does not fit in memory: give a sample of its rows, or ask for made rows alone")
    return rows


def rebalance(artifact: Artifact, real: pd.DataFrame, plan: Plan, *, seed: int = 0) -> tuple[pd.DataFrame, list[Group]]:
    """Real rows and, below them, made ones that bring each group to its share; and what was done to each group.

    No real row is dropped: the group furthest above its share stays as it is, and the whole grows until the others
    have theirs. ConfigError names a column or group that cannot be.
    """
    import pandas as pd

    groups = _groups(real, plan)
    if (more := sum(map(plan.makes, groups))) > MOST:
        raise ConfigError(f"these shares would take {more:,} made rows; raise the smallest, or balance fewer columns")
    parts = [] if plan.only_made else [real]
    for at, group in enumerate(groups):
        if count := plan.makes(group):
            made = _made(artifact, real, plan, group, (count, derive(seed, "rebalance", at)))
            parts += [part[list(real.columns)] for part in made]
    return pd.concat(parts, ignore_index=True), groups


def vary(artifact: Artifact, rows: pd.DataFrame, keep: float, *, fixed: tuple[str, ...] = (), seed: int = 0) -> Any:
    """Rows with some of their cells drawn anew, from P(those | the rest): new rows in the neighbourhood of real ones.

    Each row keeps a share of its cells of its own, uniform around `keep` (0 to 1 for 0.5), and all of `fixed`.
    """
    rng = np.random.default_rng(derive(seed, "vary"))
    low, high = max(0.0, 2 * keep - 1), min(1.0, 2 * keep)
    share = rng.uniform(low, high, (len(rows), 1))
    names = [n for n in artifact.codec.fields if n not in fixed]
    drop = rng.random((len(rows), len(names))) >= share
    gaps = rows.reset_index(drop=True)
    gaps = gaps.assign(**{n: gaps[n].astype(object).mask(drop[:, k]) for k, n in enumerate(names)})
    return sampling.complete(artifact, gaps, seed=seed)


def weigh(rows: pd.DataFrame, plan: Plan, real: int) -> np.ndarray:
    """Weights (rows,), mean 1, under which groups weigh the same: what balancing by rows alone would take many for.

    rows: what `rebalance` gave, the first `real` of them real. Where a group has made rows they weigh as much as its
    real ones; with `within` each kind weighs the same on either side.
    """
    import pandas as pd

    group, kind = (
        pd.factorize(pd.MultiIndex.from_frame(rows[list(names)].map(_word)))[0] if names else np.zeros(len(rows), int)
        for names in (plan.by, (plan.within,) if plan.within else ())
    )
    side = _cell(group, np.arange(len(rows)) < real)
    cell = _cell(side, kind)
    weights = 1 / (_parts(group, side) * _parts(side, cell) * np.bincount(cell)[cell])
    return weights * len(rows) / weights.sum()


def _cell(*codes: np.ndarray) -> np.ndarray:
    """One code for each combination of codes, (rows,)."""
    return np.unique(np.stack([np.asarray(c, int) for c in codes]), axis=1, return_inverse=True)[1].ravel()


def _parts(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """How many parts the whole of each row has, (rows,)."""
    first = np.unique(part, return_index=True)[1]
    return np.bincount(whole[first], minlength=whole.max() + 1)[whole]


def read_shares(path: Path, by: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    """Shares from a CSV table with the columns to balance and `share`, or for one column from TOML (value = share).

    DataError for a file that is neither, ConfigError for shares that are no numbers above zero.
    """
    if path.suffix.lower() == ".toml":
        try:
            pairs = {(str(k),): v for k, v in tomllib.loads(path.read_text("utf-8")).items()}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not TOML: {error}") from None
    else:
        table, _ = catalog.part("table", "corpus").read(str(path))
        if missing := [n for n in (*by, "share") if n not in table.columns]:
            raise DataError(f"{path} has no column {missing[0]!r}; it needs {', '.join(by)} and share")
        pairs = {tuple(_word(v) for v in row[:-1]): row[-1] for row in table[[*by, "share"]].itertuples(index=False)}
    for key, share in pairs.items():
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < float("inf"):
            raise ConfigError(f"the share of {', '.join(key)} in {path} is {share!r}; it should be above zero")
    return pairs


def describe(groups: list[Group], plan: Plan) -> str:
    """A line a group: real rows, and what was made."""
    width = max(len(g.named()) for g in groups)
    lines = []
    for g in groups:
        made = plan.makes(g)
        few = "  (few real rows: made ones repeat what these say)" if made and len(g.rows) < FEW else ""
        lines.append(f"{g.named():<{width}}  {len(g.rows):>9,} real  {made:>9,} made{few}")
    return "\n".join(lines)


def _groups(real: pd.DataFrame, plan: Plan) -> list[Group]:
    for name in filter(None, (*plan.by, plan.within)):
        if name not in real.columns:
            raise ConfigError(f"no column {name!r} to balance: {nearest(name, [*map(str, real.columns)])}")
        if (distinct := real[name].nunique(dropna=False)) > GROUPS:
            raise ConfigError(
                f"column {name!r} has {distinct:,} distinct values, too many for groups (at most {GROUPS})"
            )
    found: dict[tuple[str, ...], tuple[tuple[Any, ...], np.ndarray]] = {}
    for values, rows in real.groupby(list(plan.by), dropna=False, observed=True, sort=True).indices.items():
        values = values if isinstance(values, tuple) else (values,)
        found[tuple(map(_word, values))] = (values, rows)
    if plan.to == "equal":
        most = max(len(rows) for _, rows in found.values())
        return [Group(values, rows, most) for values, rows in found.values()]
    shares = _shares_if_independent(found) if plan.to == "independent" else plan.to
    if isinstance(shares, str):
        raise ConfigError(f"groups are brought to equal, independent, or a file of shares, not {shares!r}")
    if missing := [key for key in found if key not in shares]:
        raise ConfigError(f"no share is given for {', '.join(missing[0])}, which {len(found[missing[0]][1])} rows have")
    total = sum(shares.values())
    whole = max(len(rows) / shares[key] for key, (_, rows) in found.items()) * total
    none = np.zeros(0, int)
    made = [(found.get(key, (key, none)), share / total) for key, share in shares.items()]
    return [Group(values, rows, round(share * whole)) for (values, rows), share in made]


def _shares_if_independent(found: dict[tuple[str, ...], Any]) -> dict[tuple[str, ...], float]:
    """P(a) P(b) ... of every combination, by the real rows (Kamiran and Calders 2012, sec. 4.2)."""
    import itertools

    total = sum(len(rows) for _, rows in found.values())
    sides: list[dict[str, float]] = [{} for _ in next(iter(found))]
    for key, (_, rows) in found.items():
        for side, word in zip(sides, key):
            side[word] = side.get(word, 0.0) + len(rows) / total
    return {key: float(np.prod([s[w] for s, w in zip(sides, key)])) for key in itertools.product(*sides)}


def _made(
    artifact: Artifact, real: pd.DataFrame, plan: Plan, group: Group, draw: tuple[int, int]
) -> list[pd.DataFrame]:
    """Rows of a group, drawn whole or near real ones; kind by kind where kinds shall be equally frequent."""
    count, seed = draw
    given = {name: None if _word(v) == MISSING else v for name, v in zip(plan.by, group.values)}
    kinds: list[tuple[dict[str, Any], np.ndarray]] = [({}, group.rows)]
    if plan.within and len(group.rows):
        places = real.iloc[group.rows].groupby(plan.within, dropna=False, observed=True, sort=True).indices
        kinds = [({plan.within: None if _word(k) == MISSING else k}, group.rows[at]) for k, at in places.items()]
    parts = []
    for at, (kind, rows) in enumerate(kinds):
        share = count // len(kinds) + (at < count % len(kinds))
        if share and plan.keep and len(rows):
            base = artifact.codec.adapt(real.iloc[np.random.default_rng((seed, at)).choice(rows, share)])
            parts.append(vary(artifact, base, plan.keep, fixed=(*plan.by, *kind), seed=derive(seed, at)))
        elif share:
            parts.append(sampling.sample(artifact, share, given=given | kind, seed=derive(seed, at)))
    return parts


MISSING = "missing"


def _word(value: Any) -> str:
    """A value as a person would write it in a file of shares."""
    if value is None or value != value:  # NaN
        return MISSING
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)
