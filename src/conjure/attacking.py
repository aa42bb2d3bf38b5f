"""Attack an artifact: what its samples betray about training rows, beside what they betray about anybody."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure import catalog, evaluation, fitting, sampling, scoring
from conjure.artifact import Artifact
from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError, PrivacyError
from conjure.core.rng import derive
from conjure.metrics import certificate, plots
from conjure.metrics.attacks import copying, inference, linkage, membership, singling
from conjure.metrics.attacks.membership import Membership
from conjure.metrics.attacks.outcome import Outcome
from conjure.metrics.attacks.tables import Tables, neighbours
from conjure.metrics.copies import hashes
from conjure.metrics.figure import Figure, Plot, Report, Table
from conjure.metrics.frames import kinds, side_by_side
from conjure.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 100  # rows a side: with fewer, even a plain leak is hard to tell from chance
MOST = 10_000  # rows a side that are attacked
LEVEL = 0.05  # of false alarms, over all attacks together
SHARED = 0.02  # control rows that may be training rows beyond what the data's own repetitions explain
AREA, RISK, COPIES = "AUC", "risk", "copies"
ROWS, MODEL = "from made rows", "from the model itself"
EPOCHS = 20.0  # of a density fitted on rows
DISTANCE = "people found, at one false alarm in a hundred, by how near the nearest made row is"
RATIO = "people found, at one false alarm in a hundred, by log-probability over that under a model of other people"


@dataclass(frozen=True)
class Attempts:
    """How much is tried: targets of linking and inferring, descriptions for singling out, models of other people for
    the likelihood ratio (0 leaves it out), and the column that is secret (None: each in turn).
    """

    targets: int = 2_000
    descriptions: int = 500
    references: int = 1
    secret: str | None = None


@dataclass(frozen=True)
class Policy:
    """What may leave the house: the most that any attack may gain (risk), any membership attack tell (auc), and the
    share of made rows that may be copies or near copies beyond what chance makes (copies).

    train and control say where these rows are, as for `attack`. A limit is broken when the whole 95 % interval lies
    above it.
    """

    risk: float = 0.05
    auc: float = 0.55
    copies: float = 0.002
    train: str | None = None
    control: str | None = None


def read_policy(path: Path) -> Policy:
    """A policy from a TOML file; ConfigError where it is none."""
    try:
        return fill(Policy, tomllib.loads(path.read_text("utf-8")), path.name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a policy in TOML: {error}") from None


def gate(artifact: Artifact, made: Any, policy: Policy, *, seed: int = 0) -> Report:
    """The attacks on made rows; PrivacyError names each that breaks the policy, and nothing should be written.

    What the model itself would betray does not count: rows are released here, not the artifact.
    """
    report = attack(artifact, train=policy.train, control=policy.control, made=made, seed=seed)
    limits = {AREA: policy.auc, RISK: policy.risk, COPIES: policy.copies}
    broken = []
    for figure in report.figures:
        if MODEL in figure.name:  # which stays in the house
            continue
        what, _, kind = figure.name.rpartition(": ")
        limit = limits[COPIES if what.endswith(COPIES) else kind]
        if figure.low is not None and figure.low > limit:
            broken.append(f"{figure.name} {figure.ours:.3f} (at least {figure.low:.3f}, allowed {limit:g})")
    if broken:
        raise PrivacyError("not released, for these attacks succeed: " + "; ".join(broken))
    return report


@dataclass(frozen=True)
class People:
    """Rows as frames: attacked members and controls, others for reference models (perhaps none), and made ones."""

    members: pd.DataFrame
    controls: pd.DataFrame
    others: pd.DataFrame
    made: pd.DataFrame


def attack(
    artifact: Artifact,
    *,
    train: Any = None,
    control: Any = None,
    made: Any = None,
    attempts: Attempts | None = None,
    seed: int = 0,
) -> Report:
    """Every attack on a table's samples, as a report.

    train: the training data, found again where it is not given. control: rows of the same source that the model never
    saw; without it those that fit set aside. made: the rows to attack, else as many samples as rows are attacked.
    DataError for a control table that holds training rows, or for fewer than 100 rows on a side.
    """
    if artifact.recipe.domain != "table":
        raise ConfigError(f"attacks are for tables; this artifact is of {artifact.recipe.domain} data")
    attempts, notes, rng = attempts or Attempts(), [], np.random.default_rng(derive(seed, "attack"))
    people = _people(artifact, (train, control, made), (attempts, seed, rng), notes)
    facts = evaluation.facts_of(artifact.codec)
    told = kinds(people.members, facts["kinds"])
    frames = [people.members, people.controls, people.made]
    tables = Tables(*side_by_side(frames, told, facts["forms"]))  # type: ignore[arg-type]
    if attempts.secret is not None and attempts.secret not in tables.names:
        raise ConfigError(f"no column {attempts.secret!r} can be attacked: {nearest(attempts.secret, [*tables.names])}")
    count = len(tables.members)
    tests = [membership.judge(membership.by_distance(tables), count, "membership by distance", DISTANCE)]
    if len(people.others):
        for what, scores in _ratios(artifact, people, attempts.references):
            tests.append(membership.judge(scores, count, f"membership by likelihood ratio, {what}", RATIO))
    return _report(artifact, list(_outcomes(tables, attempts, rng)), tests, notes)


def _people(
    artifact: Artifact, given: tuple[Any, Any, Any], how: tuple[Attempts, int, Any], notes: list[str]
) -> People:
    """The rows on each side: equally many members and controls, half of the controls kept for reference models."""
    (train, control, made), (attempts, seed, rng) = given, how
    corpus = catalog.part("table", "corpus")
    members = evaluation.training_data(artifact, train, notes)
    if members is None:
        raise ConfigError("the training data was not found again: say where it is with train (--train FILE)")
    if control is None:
        controls = evaluation.set_aside(artifact.recipe, corpus.read(train or artifact.card["source"]["path"])[0])
        notes.append("Control rows: those that the fit set aside; it watched them to choose when to stop.")
    else:
        controls = evaluation.in_memory(corpus.read(control)[0], seed)
    for what, frame in (("training", members), ("control", controls)):
        if len(frame) < FEWEST:
            raise DataError(f"the {what} table has {len(frame)} rows; attacks need at least {FEWEST} on each side")
    _refuse_overlap(members, controls)
    members, controls = (frame.iloc[rng.permutation(len(frame))] for frame in (members, controls))
    half = len(controls) // 2 if attempts.references and len(controls) >= 2 * FEWEST else 0
    if attempts.references and not half:
        notes.append(
            f"No likelihood ratio: it takes {2 * FEWEST} control rows, half of them for models of other people."
        )
    others, controls = controls.iloc[:half], controls.iloc[half:]
    count = min(len(members), len(controls), MOST)
    if made is None:
        made = sampling.sample(artifact, max(count, FEWEST), seed=seed)
    return People(members.iloc[:count], controls.iloc[:count], others, made)


def _refuse_overlap(members: pd.DataFrame, controls: pd.DataFrame) -> None:
    """DataError where control rows are training rows more often than the data's own repetitions explain."""
    grids = side_by_side([members, controls], kinds(members, {}), {})
    seen, asked = (hashes(g) for g in grids)  # type: ignore[arg-type]
    half = len(seen) // 2
    usual = float(np.isin(seen[:half], seen[half:]).mean())
    shared = np.isin(asked, seen)
    if shared.mean() > 2 * usual + SHARED:
        raise DataError(
            f"{int(shared.sum()):,} of {len(controls):,} control rows are training rows too "
            f"(the first: row {int(shared.argmax()) + 1}): give rows that the model never saw"
        )


def _ratios(artifact: Artifact, people: People, references: int) -> Iterator[tuple[str, np.ndarray]]:
    """Log-probability of members and then controls, over that under models fitted on shares of other people: to who
    holds the made rows, and to who holds the model, where it has a likelihood.
    """
    import pandas as pd

    rows = pd.concat([people.members, people.controls])
    shares = np.array_split(np.arange(len(people.others)), references)
    plain = Recipe("table", "circuit", "expectation", training={"epochs": EPOCHS}, held_out=0.0)
    recipes = {ROWS: plain}
    if callable(getattr(artifact.model, "log_prob", None)):
        recipes[MODEL] = artifact.recipe
    for what, recipe in recipes.items():
        target = artifact if what == MODEL else fitting.fit(recipe, people.made)
        others = [fitting.fit(replace(recipe, seed=k + 1), people.others.iloc[s]) for k, s in enumerate(shares)]
        yield what, membership.by_ratio(*_scores([target, *others], rows))


def _scores(models: list[Artifact], rows: pd.DataFrame) -> tuple[np.ndarray, list[np.ndarray]]:
    first, *others = [scoring.score(model, model.codec.adapt(rows)) for model in models]
    return first, others


def _outcomes(tables: Tables, attempts: Attempts, rng: np.random.Generator) -> Iterator[Outcome]:
    beside = neighbours(tables)
    yield copying.exact(tables)
    yield copying.near(tables, beside)
    yield singling.univariate(tables, attempts.descriptions, rng)
    yield singling.multivariate(tables, attempts.descriptions, rng)
    yield linkage.link(tables, attempts.targets, rng)
    secrets = [attempts.secret] if attempts.secret else tables.names
    yield from (inference.infer(tables, name, attempts.targets) for name in secrets)
    yield copying.nearer_share(tables, beside)


def _report(artifact: Artifact, found: list[Outcome], tests: list[Membership], notes: list[str]) -> Report:
    """Figures and verdicts: an attack works when its p is below LEVEL over the number of attacks."""
    *proofs, sanity = found
    outcomes = [t.start for t in tests] + proofs
    limit = LEVEL / len(outcomes)
    works = [o for o in outcomes if o.p < limit]
    summary = [
        f"{o.name} works: {o.members.hits} of {o.members.trials} on training rows, {o.controls.hits} of "
        f"{o.controls.trials} on control rows (p = {o.p:.1g})."
        for o in works
    ]
    if not works:
        summary = [f"No attack did better on training rows than on control rows, of {len(outcomes)} tried."]
    header = ("attack", "training rows", "control rows", "risk", "95 % interval", "p", "works")
    rows = [_row(o, o in works) for o in outcomes] + [_row(sanity, None)]
    notes += [
        f"An attack counts as working when chance would do as well less than once in {1 / limit:,.0f} times "
        f"({LEVEL:.0%} over all {len(outcomes)} attacks). That none works is no proof that none could.",
        "Risk: how much of what the population does not give away the attack gains on training rows.",
        "The share of rows nearer to training rows is a sanity check only: small leaks pass it unseen.",
    ]
    name = artifact.card.get("source", {}).get("name", "data")
    title = f"Attacks on samples of {artifact.recipe.model} of {name}"
    claim = artifact.card.get("privacy")
    report = Report(title, [*map(_area, tests), *map(_risk, outcomes)], summary, notes=notes + certificate.notes(claim))
    report.tables = [Table("Attacks", header, rows), *certificate.tables(claim)]
    report.plots = _plots(tests, outcomes)
    return report


def _plots(tests: list[Membership], outcomes: list[Outcome]) -> list[Plot]:
    areas = [(t.start.name, t.auc, t.low, t.high) for t in tests]
    risks = [(o.name, o.risk, *o.interval) for o in outcomes]
    betrayed = "Area under the curve, 95 % interval. Dashed: chance. Right of it: rows betray who."
    gained = "What an attack gains on training rows over control rows, 95 % interval."
    return [
        plots.intervals(areas, "Membership", betrayed, line=0.5),
        plots.intervals(risks, "Risk by attack", gained, line=0.0),
    ]


def _area(t: Membership) -> Figure:
    meaning = "telling training rows from control rows; 0.5 is chance"
    return Figure(f"{t.start.name}: {AREA}", meaning, t.auc, t.low, t.high, 0.5, 0.5, direction="toward 0.5")


def _risk(o: Outcome) -> Figure:
    return Figure(f"{o.name}: {RISK}", o.meaning, o.risk, *o.interval, 0.0, 0.0, (-1.0, 1.0), "down")


def _row(o: Outcome, works: bool | None) -> tuple[Any, ...]:
    low, high = o.interval
    sides = [f"{r.hits} of {r.trials}" for r in (o.members, o.controls)]
    verdict = "" if works is None else "yes" if works else "no"
    return (o.name, *sides, round(o.risk, 4), f"{low:.3f} to {high:.3f}", f"{o.p:.2g}", verdict)
