"""ROC-AUC, average precision and thresholds against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.binary import average_precision, best_cut, f1_at, keeping, roc_auc

LABELS = np.array([0, 1, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.4, 0.8, 0.9])


def test_by_hand() -> None:
    # Pairs won: 0.4 over 0.1 (and a tie with 0.4), 0.8 and 0.9 over both.
    assert roc_auc(LABELS, SCORES) == pytest.approx(5.5 / 6)
    assert average_precision(LABELS, SCORES) == pytest.approx(2 / 3 + (1 / 3) * (3 / 4))
    assert best_cut(LABELS, SCORES).threshold == 0.4
    assert best_cut(LABELS, SCORES).f1 == pytest.approx(6 / 7)
    assert (f1_at(LABELS, SCORES, 0.4), f1_at(LABELS, SCORES, 0.8), f1_at(LABELS, SCORES, 2.0)) == pytest.approx(
        (6 / 7, 0.8, 0.0)
    )
    assert (keeping(LABELS, SCORES, 0.6), keeping(LABELS, SCORES, 0.95), keeping(LABELS, SCORES, 0.1)) == (0.8, 0.4, 0.9)


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        roc_auc(np.array([1, 1]), np.array([0.1, 0.2]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=40))
def test_like_scikit_learn(rows: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    labels = np.array([label for label, _ in rows] + [0, 1])
    scores = np.array([score / 6 for _, score in rows] + [0.5, 0.5])
    assert roc_auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert average_precision(labels, scores) == pytest.approx(metrics.average_precision_score(labels, scores))
    cut = best_cut(labels, scores)
    assert cut.f1 == pytest.approx(max(metrics.f1_score(labels, scores >= level) for level in scores))
    assert cut.f1 == pytest.approx(f1_at(labels, scores, cut.threshold))
