"""How well scores tell two classes apart: ROC-AUC, average precision, the threshold of the best F1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cut:
    """A threshold (scores at or above it are taken as 1) and the F1 of class 1 there."""

    threshold: float
    f1: float


def roc_auc(labels: Labels, scores: Scores) -> float:
    """Chance that a row of class 1 scores above a row of class 0, ties counting half (Mann-Whitney). Needs both classes."""
    ranks = mean_ranks(scores)
    ones = int(labels.sum())
    zeros = len(labels) - ones
    if not ones or not zeros:
        raise ValueError("needs rows of both classes")
    return float((ranks[labels == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def average_precision(labels: Labels, scores: Scores) -> float:
    """Precision weighted by the recall gained at each distinct score, from the highest down (as scikit-learn defines it)."""
    precision, recall, _ = _curve(labels, scores)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def best_cut(labels: Labels, scores: Scores) -> Cut:
    """The threshold with the highest F1 of class 1; of equals, the highest threshold."""
    precision, recall, levels = _curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(np.argmax(f1))
    return Cut(float(levels[best]), float(f1[best]))


def keeping(labels: Labels, scores: Scores, share: float) -> float:
    """The highest threshold that keeps at least this share of the rows of class 1."""
    _, recall, levels = _curve(labels, scores)
    return float(levels[int(np.argmax(recall >= share - 1e-12))])


def f1_at(labels: Labels, scores: Scores, threshold: float) -> float:
    """F1 of class 1 when scores at or above the threshold are taken as 1; 0 when nothing right is taken."""
    taken = scores >= threshold
    right = int(labels[taken].sum())
    return 2 * right / (int(taken.sum()) + int(labels.sum())) if right else 0.0


def _curve(labels: Labels, scores: Scores) -> tuple[Scores, Scores, Scores]:
    """Precision, recall and threshold at every distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    right = np.cumsum(labels[order])[last].astype(np.float64)
    return right / (last + 1), right / max(1, int(labels.sum())), ordered[last]


def mean_ranks(values: Scores) -> Scores:
    """Ranks from 1, of equal values the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Scores = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
