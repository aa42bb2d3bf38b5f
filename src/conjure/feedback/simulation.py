"""People who do not exist: they rate by known utilities, with noise and habits, to plan a round or to test a loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from conjure.core.rng import derive
from conjure.feedback.opinions import Opinion, Task
from conjure.feedback.overview import choose
from conjure.feedback.store import Store

Utility = Callable[[list[str], list[str]], list[float]]  # (prompts, completions) -> what each is worth


@dataclass(frozen=True)
class Person:
    """noise: scale of the Gumbel noise on utilities, so that pairs are told by Bradley and Terry's model; position: how
    much worth a place further up the page adds; careless: who looks at nothing.
    """

    name: str
    noise: float = 1.0
    position: float = 0.0
    careless: bool = False


def panel_of(count: int = 8, careless: int = 2, noise: float = 1.0, position: float = 0.2) -> list[Person]:
    """So many people, the last of them careless."""
    return [Person(f"rater {k + 1}", noise, position, k >= count - careless) for k in range(count)]


def rate(store: Store, people: list[Person], utility: Utility, seed: int = 0, share: float = 1.0) -> int:
    """Everybody ranks a share of the latest round's prompts, as the page would have it; how many judgements.

    They take turns, in another order each time, so that with a small share each judges beside all others.
    """
    lap, count = choose(store), 0
    who = {person: store.rater(person.name, person.name) for person in people}
    rngs = {person: np.random.default_rng(derive(seed, person.name, lap.id)) for person in people}
    turns = np.random.default_rng(derive(seed, "turns", lap.id))
    for _ in range(round(share * lap.prompts)):
        for at in turns.permutation(len(people)):
            person = people[at]
            task = store.next(lap.id, who[person])
            if task is None:
                continue
            shown = [c.id for c in task.completions]
            opinion = Opinion(_ranks(task, person, utility, rngs[person]), shown=shown)
            store.judge(lap.id, who[person], task.prompt_id, opinion)
            count += 1
    return count


def _ranks(task: Task, person: Person, utility: Utility, rng: np.random.Generator) -> dict[int, float]:
    shown = task.completions
    worth = np.zeros(len(shown))
    if not person.careless:
        worth = np.array(utility([task.prompt] * len(shown), [c.text for c in shown]), float) / person.noise
        worth = np.where([c.planted for c in shown], -1e3, worth)  # whoever reads it puts it last
    worth = worth - person.position * np.arange(len(shown)) + rng.gumbel(size=len(shown))
    order = np.argsort(-worth)
    return {shown[at].id: float(place + 1) for place, at in enumerate(order)}


def ceiling(utilities: np.ndarray, noise: float = 1.0) -> float:
    """The best accuracy at guessing such people's pairs, of completions (P, K) with these utilities."""
    first, second = np.triu_indices(utilities.shape[1], 1)
    apart = np.abs(utilities[:, first] - utilities[:, second]) / noise
    apart = apart[~np.isnan(apart)]
    return float((1 / (1 + np.exp(-apart))).mean())
