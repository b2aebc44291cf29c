"""The fitted decision: the logistic of a weighted sum of a question's scores, each of them shown with what it adds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from schemas.settings import CombinerSettings

Row = Mapping[str, Any]

_LATE = 400.0
"""Stands for a rank that was not found."""


def _count(name: str, most: int) -> Callable[[Row], float]:
    return lambda row: float(min(len(row[name]), most))


def _number(name: str, missing: float) -> Callable[[Row], float]:
    return lambda row: missing if row[name] is None else float(row[name])


def _rank(name: str) -> Callable[[Row], float]:
    return lambda row: math.log2(_LATE if row[name] is None else min(float(row[name]), _LATE))


def _logit(name: str) -> Callable[[Row], float]:
    def logit(row: Row) -> float:
        score = min(max(float(row[name]), 0.001), 0.999)
        return math.log(score / (1 - score))

    return logit


FEATURES: dict[str, Callable[[Row], float]] = {
    "word_overlap": _number("word_overlap", 0.0),
    "specific_words": lambda row: float(min(row["specific_words"], 6)),
    "question_words": lambda row: math.log2(1 + min(row["question_words"], 64)),
    "unsupported_numbers": _count("unsupported_numbers", 2),
    "unsupported_names": _count("unsupported_names", 3),
    "negation_differs": lambda row: float(row["negation_differs"] is True),
    "answer_overlap": _number("answer_overlap", 1.0),
    "has_answer": lambda row: float(row["answer_overlap"] is not None),
    "bm25_rank": _rank("bm25_rank"),
    "bm25_margin": _number("bm25_margin", 0.0),
    "bm25_answer_margin": _number("bm25_answer_margin", 0.0),
    "dense_rank": _rank("dense_rank"),
    "dense_score": _number("dense_score", 0.0),
    "dense_margin": _number("dense_margin", 0.0),
    "checker_score": _logit("checker_score"),
}
"""Name of a score → the number that enters the sum. A missing rank counts as 400, a missing answer as supported."""
SEARCH_FEATURES = frozenset(("bm25_rank", "bm25_margin", "bm25_answer_margin", "dense_rank", "dense_score", "dense_margin"))
"""Scores that come from searching: never used on dev and test questions."""
MODEL_FEATURES = {
    "dense_rank": "dense_score",
    "dense_score": "dense_score",
    "dense_margin": "dense_score",
    "checker_score": "checker_score",
}
"""Scores that only a configured model gives, each with the check that is null without it."""
_NEEDED = ("word_overlap", "specific_words", "question_words", "unsupported_numbers", "unsupported_names")


def contributions(row: Row, combiner: CombinerSettings) -> dict[str, float] | None:
    """What each score adds to the sum; None when a score that it needs is missing."""
    needed = [
        *(name for name in _NEEDED if name in combiner.weights),
        *(MODEL_FEATURES[n] for n in combiner.weights if n in MODEL_FEATURES),
    ]
    if any(row[name] is None for name in needed):
        return None
    return {name: round(weight * FEATURES[name](row), 6) for name, weight in sorted(combiner.weights.items())}


def probability(row: Row, combiner: CombinerSettings) -> float | None:
    """The probability of being good, to 4 decimals; None when a score that it needs is missing."""
    parts = contributions(row, combiner)
    if parts is None:
        return None
    total = combiner.intercept + math.fsum(parts.values())
    return round(1 / (1 + math.exp(-max(-60.0, min(60.0, total)))), 4)
