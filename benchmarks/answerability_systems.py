"""Systems of the benchmark of answerability: scores as they stand, or weighed together by a regression that is fitted to the other folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.folds import Bench, Columns, Scores
from train.binary import best_cut

SENTENCES, BOTH = "sentence checker", "gates + sentence checker"
COMBINED = "gates + sentence checker + cross-encoder"


@dataclass(frozen=True)
class System:
    """Scores of all rows, each from a fold that its group was held out of, and the threshold chosen on the other folds."""

    scores: Scores
    thresholds: Scores


def fixed(scores: Scores, bench: Bench) -> System:
    """Scores that need no fitting; the threshold is that of the best F1 on the other folds."""
    thresholds = np.zeros(len(scores))
    for fold in range(bench.options.folds):
        inside = bench.folds != fold
        thresholds[~inside] = best_cut(bench.labels[inside], scores[inside]).threshold
    return System(scores, thresholds)


def weighed(parts: Sequence[Columns], bench: Bench) -> System:
    """All columns weighed together."""
    matrix = np.column_stack([column for part in parts for column in part.values()])
    return _regressed(bench, lambda _: (matrix, matrix))


def crossed(parts: Sequence[Columns], checkers: Sequence[tuple[Scores, Scores]], bench: Bench) -> System:
    """Columns and logits of checkers weighed together: out of fold on training rows, as held out on the others."""
    columns = [column for part in parts for column in part.values()]

    def matrices(fold: int) -> tuple[Scores, Scores]:
        trained = [scores[fold] for scores, _ in checkers]
        return np.column_stack([*columns, *trained]), np.column_stack([*columns, *(held for _, held in checkers)])

    return _regressed(bench, matrices)


def _regressed(bench: Bench, matrices: Callable[[int], tuple[Scores, Scores]]) -> System:
    """Logistic regression on a fold's training rows; its threshold is chosen on its own training scores."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores, thresholds = np.zeros(len(bench.rows)), np.zeros(len(bench.rows))
    for fold in range(bench.options.folds):
        inside = bench.folds != fold
        training, held = matrices(fold)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
        model.fit(training[inside], bench.labels[inside])
        scores[~inside] = model.predict_proba(held[~inside])[:, 1]
        thresholds[~inside] = best_cut(bench.labels[inside], model.predict_proba(training[inside])[:, 1]).threshold
    return System(scores, thresholds)
