"""Paired bootstrap by cluster: how far a mean difference between two systems may be from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

# Weights held at once, so that memory stays under some 100 MB whatever the number of clusters.
_CELLS = 10_000_000


@dataclass(frozen=True)
class Interval:
    """A mean difference and its 95% interval; the bounds are null when there are fewer than two clusters to resample, and at -1 or 1
    where the clusters tell nothing on that side."""

    mean: float
    low: float | None
    high: float | None
    queries: int
    clusters: int


def paired_bootstrap(differences: Matrix, clusters: Sequence[str], *, draws: int, seed: int) -> list[Interval]:
    """One Interval for each column of `differences` [queries, metrics], all between -1 and 1; `clusters` names each query's cluster.

    Whole clusters are drawn with replacement, since questions about one document rise and fall together; a draw's value is the mean
    over the queries drawn. The interval is studentised (bootstrap-t: Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 12.5, on clusters): each draw's distance from the measured mean is taken in standard errors of that draw, those of a ratio
    of cluster sums. Percentiles of the draws' means, as most tools report, hold the truth in 86% rather than 95% of the cases at 15
    clusters (docs/benchmarks.md). A draw whose clusters are all alike has no standard error: where more than 2.5% of the draws are such, as with
    two or three clusters or where few documents differ at all, that side's bound is -1 or 1, the end of the scale. The order of the queries does not matter.
    """
    rows, columns = differences.shape
    if rows == 0 or rows != len(clusters):
        raise ValueError("needs one cluster name for each of at least one query")
    names, index = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    counts = np.bincount(index, minlength=len(names)).astype(np.float64)
    sums = np.stack([_sums(differences[:, column], index, len(names)) for column in range(columns)], axis=1)
    means = sums.sum(axis=0) / rows
    if len(names) < 2:
        return [Interval(float(mean), None, None, rows, len(names)) for mean in means]
    _, error = _mean_and_error(np.ones((1, len(names))), sums, counts)
    drawn = [_distances(weights, sums, counts) for weights in _weights(len(names), draws, seed)]
    # Not interpolated: between a number and infinity lies none.
    below, above = np.percentile(np.concatenate(drawn), [2.5, 97.5], axis=0, method="nearest")
    alike = error[0] == 0
    unit = np.where(alike, 1.0, error[0])
    low = np.where(alike, means, np.clip(means - above * unit, -1, means))
    high = np.where(alike, means, np.clip(means - below * unit, means, 1))
    return [Interval(float(means[c]), float(low[c]), float(high[c]), rows, len(names)) for c in range(columns)]


def _distances(weights: Matrix, sums: Matrix, counts: npt.NDArray[np.float64]) -> Matrix:
    """How many of its own standard errors each draw's mean [draws, columns] lies above the measured one; infinite where it has none."""
    drawn, error = _mean_and_error(weights, sums, counts)
    away = drawn - sums.sum(axis=0) / counts.sum()
    infinite = np.where(np.abs(away) < 1e-12, 0.0, np.copysign(np.inf, away))
    return np.where(error > 0, away / np.where(error > 0, error, 1), infinite)


def _mean_and_error(weights: Matrix, sums: Matrix, counts: npt.NDArray[np.float64]) -> tuple[Matrix, Matrix]:
    """Means over the queries drawn and their standard errors [draws, columns], linearised (Cochran, Sampling Techniques, 1977, 6.4)."""
    clusters = len(counts)
    total = (weights @ counts)[:, None]
    mean = weights @ sums / total
    squares, cross, sizes = weights @ sums**2, weights @ (sums * counts[:, None]), (weights @ counts**2)[:, None]
    spread = squares - 2 * mean * cross + mean**2 * sizes
    # What the subtraction leaves of equal clusters is rounding.
    spread = np.where(spread > 1e-12 * (squares + mean**2 * sizes), spread, 0.0)
    return mean, np.sqrt(spread * clusters / (clusters - 1)) / total


def _sums(values: npt.NDArray[np.float64], index: npt.NDArray[np.intp], size: int) -> npt.NDArray[np.float64]:
    # Sorted within a cluster: the same numbers in another order would add up to another last digit.
    order = np.lexsort((values, index))
    return np.bincount(index[order], weights=values[order], minlength=size).astype(np.float64)


def _weights(clusters: int, draws: int, seed: int) -> Iterator[Matrix]:
    generator = np.random.default_rng(seed)
    shares = np.full(clusters, 1 / clusters)
    step = max(1, _CELLS // clusters)
    for start in range(0, draws, step):
        yield generator.multinomial(clusters, shares, size=min(step, draws - start)).astype(np.float64)
