"""The judge of conversations: how surprising held-out answers are, and what is written in their place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from conjure.metrics.bootstrap import Interval, interval
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.textual import Stretches
from conjure.metrics.words import summary

PERPLEXITY = Metric(
    "perplexity of answers",
    "exp of the mean nats a token of held-out answers: among how many tokens the model hesitates",
    (1.0, math.inf),
    "down",
)
BEFORE = Metric(
    "perplexity before",
    "the same of the weights that the run started from; the baseline stands beside both",
    (1.0, math.inf),
    "down",
)
FALL = Metric(
    "nats gained a token",
    "how much less surprising a token of held-out answers became by this run, conversation by conversation",
    (-math.inf, math.inf),
)
PIECE = 50  # characters of a stretch looked for in the training answers
COPIED = Metric(
    "copied answers",
    f"share of answers with a stretch of {PIECE} characters that stands word for word in the training data; the "
    "ceiling says how often real answers have one",
    direction="down",
    guard=True,
)
SHOWN, SHORT = 8, 400


def judge(judged: Judged) -> Report:
    """Perplexity on the assistant's turns before, after and of unigrams; copies; answers side by side.

    facts: "tokens", how many of each held-out object count; "before", its nats under the weights the run started
    from; "answers_before", what these answer. Each may be missing. Nobody knows the perplexity of people, so it has
    no ceiling.
    """
    report = Report(judged.title, [], notes=list(judged.notes))
    tokens = judged.facts.get("tokens")
    if judged.scores is not None and tokens is not None and tokens.sum():
        report.figures += _perplexities(judged, tokens)
        report.notes.append("Baseline: each token by its frequency in the training answers. There is no ceiling.")
    if judged.train is None:
        report.notes.append("Not measured: copies and the baseline (training data not found).")
    else:
        report.figures += _copies(judged)
    report.tables.append(_side_by_side(judged))
    report.summary = summary(report.figures)
    return report


def answers(one: Any) -> list[str]:
    """What the assistant says in a conversation; a document as it is."""
    return [one] if isinstance(one, str) else [m["content"] for m in one if m["role"] == "assistant"]


def _perplexities(judged: Judged, tokens: np.ndarray) -> list[Figure]:
    """Means are over tokens, intervals over conversations, which are what is independent."""
    rng = np.random.default_rng(judged.seed)
    before, unigrams = judged.facts.get("before"), judged.baseline_scores

    def each(nats: np.ndarray) -> Interval:
        found = interval(lambda w: -float(w @ nats) / float(w @ tokens), len(nats), rng)
        return Interval(*(math.exp(value) for value in found))

    baseline = None if unigrams is None else math.exp(-float(unigrams.sum()) / float(tokens.sum()))
    figures = [PERPLEXITY.figure(each(judged.scores), baseline, kind=judged.score_kind)]  # type: ignore[arg-type]
    if before is not None:
        gained = judged.scores - before  # type: ignore[operator]
        fall = interval(lambda w: float(w @ gained) / float(w @ tokens), len(gained), rng)
        figures += [BEFORE.figure(each(before), baseline), FALL.figure(fall)]
    return figures


def _copies(judged: Judged) -> list[Figure]:
    stretches = Stretches("\0".join(text for one in judged.train for text in answers(one)))

    def share(texts: list[str]) -> float | None:
        long = [text for text in texts if len(text) >= PIECE]
        return None if not long else float(np.mean([stretches.found(text, PIECE).any() for text in long]))

    made = share([text for one in judged.synthetic for text in answers(one)[-1:]])
    real = share([text for one in judged.held_out for text in answers(one)])
    return [] if made is None else [COPIED.figure(made, None, real)]


def _side_by_side(judged: Judged) -> Table:
    """What was asked, what people answered, what the model answers, and what it answered before."""
    before = judged.facts.get("answers_before")
    rows = []
    for at, one in enumerate(judged.synthetic[:SHOWN]):
        if isinstance(one, str):
            asked, real = judged.held_out[at][:SHORT], "-"
        else:
            asked = one[-2]["content"] if len(one) > 1 else ""
            real = (answers(judged.held_out[at]) or ["-"])[0]
        told = [asked, real, *(answers(found[at])[-1] for found in (before, judged.synthetic) if found is not None)]
        rows.append(tuple(text[:SHORT] + ("..." if len(text) > SHORT else "") for text in told))
    return Table("Answers", ("asked", "held out", *(["before"] if before is not None else []), "ours"), rows)
