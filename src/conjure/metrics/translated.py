"""The judge of pairs: how near made targets come to the true ones, beside two translators that know no grammar."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from conjure.core.errors import ConfigError
from conjure.metrics import likelihood
from conjure.metrics.bootstrap import Interval
from conjure.metrics.extra import needs
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.words import summary

ROUNDS = 100  # resamples of the sentences behind an interval
SHOWN, CHUNK = 12, 512
RUN, OFTEN = 4, 3
BLEU = Metric("BLEU", "share of runs of one to four words that stand in the reference, by sacrebleu", (0.0, 100.0))
CHRF = Metric("chrF", "F-score of runs of up to six characters against the reference, by sacrebleu", (0.0, 100.0))
CIRCLES = Metric(
    "texts in circles",
    f"share of texts in which a run of {RUN} words stands {OFTEN} times; the ceiling is that of the references",
    direction="down",
    guard=True,
)
DOUBLES = Metric(
    "doubled words",
    "share of words that stand right after themselves; the ceiling is that of the references",
    direction="down",
    guard=True,
)


def judge(judged: Judged) -> Report:
    """BLEU, chrF and repetitions of the targets made for held-out sources; objects are pairs.

    Baselines: the source itself, and the target of the nearest training source. A figure has the better of the
    two as its baseline; a table has both.
    """
    needs("sklearn")
    if importlib.util.find_spec("sacrebleu") is None:
        raise ConfigError("judging translations needs sacrebleu: `pip install conjure[text]` brings it")
    sources, references = ([pair[side] for pair in judged.held_out] for side in (0, 1))
    made = {"made": [pair[1] for pair in judged.synthetic], "the source, copied": sources}
    if judged.train is not None:
        made["the nearest training source's target"] = nearest_targets(judged.train, sources)
    scores = {name: overlaps(texts, references) for name, texts in made.items()}
    report = Report(judged.title, likelihood.nats(judged), notes=list(judged.notes))
    for metric in (BLEU, CHRF):
        baseline = max(found[metric.name][0].value for name, found in scores.items() if name != "made")
        report.figures.append(metric.figure(scores["made"][metric.name][0], baseline))
    report.figures += _repetitions(made["made"], references)
    rows = [(name, *(f"{found[m.name][0].value:.1f}" for m in (BLEU, CHRF))) for name, found in scores.items()]
    report.tables.append(Table("Beside translators that know no grammar", ("targets", "BLEU", "chrF"), rows))
    shown = list(zip(sources, made["made"], references))[:SHOWN]
    report.tables.append(Table("Examples", ("source", "made", "reference"), shown))
    report.notes += [f"{m.name}: {scores['made'][m.name][1]}" for m in (BLEU, CHRF)]
    if judged.train is None:
        report.notes.append("Not measured: the nearest training source's target (training pairs not found).")
    report.summary = summary(report.figures)
    return report


def overlaps(texts: Sequence[str], references: Sequence[str]) -> dict[str, tuple[Interval, str]]:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015) with 95 % intervals, each with sacrebleu's signature."""
    from sacrebleu.metrics import BLEU as Words
    from sacrebleu.metrics import CHRF as Letters

    found = {}
    for metric, measure in ((BLEU, Words()), (CHRF, Letters())):
        score = measure.corpus_score(list(texts), [list(references)]).score
        rows = np.array(measure._extract_corpus_statistics(list(texts), [list(references)]), float)
        drawn = np.random.default_rng(0).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), ROUNDS)
        again = [measure._compute_score_from_stats([int(v) for v in counts @ rows]).score for counts in drawn]
        spread = 1.96 * float(np.std(again))
        signature = str(measure.get_signature())
        found[metric.name] = Interval(score, max(0.0, score - spread), min(100.0, score + spread)), signature
    return found


def nearest_targets(train: Sequence[Any], sources: Sequence[str]) -> list[str]:
    """For each source the target of the training source most like it by the cosine of weighted words (tf-idf)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"\S+")
    known, asked = words.fit_transform([pair[0] for pair in train]), words.transform(sources)
    parts = [(asked[at : at + CHUNK] @ known.T).toarray().argmax(1) for at in range(0, len(sources), CHUNK)]
    return [train[at][1] for at in np.concatenate(parts)]


def most_repeated(text: str, run: int = RUN) -> int:
    """How often the commonest run of so many words stands in a text; 0 where the text is shorter."""
    words = text.split()
    return max(Counter(zip(*(words[k:] for k in range(run)))).values(), default=0)


def _repetitions(made: Sequence[str], references: Sequence[str]) -> list[Figure]:
    """Runs of words that come again and again, and words that are said twice."""
    circles = [np.mean([most_repeated(text) >= OFTEN for text in side]) for side in (made, references)]
    doubles = [_doubled(side) for side in (made, references)]
    return [m.figure(float(ours), None, float(real)) for m, (ours, real) in ((CIRCLES, circles), (DOUBLES, doubles))]


def _doubled(texts: Sequence[str]) -> float:
    words = [text.split() for text in texts]
    after = sum(max(0, len(w) - 1) for w in words)
    return sum(a == b for w in words for a, b in pairwise(w)) / after if after else math.nan
