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
    """A mean difference and its 95% interval; the bounds are null when there are fewer than two clusters to resample."""

    mean: float
    low: float | None
    high: float | None
    queries: int
    clusters: int


def paired_bootstrap(differences: Matrix, clusters: Sequence[str], *, draws: int, seed: int) -> list[Interval]:
    """One Interval for each column of `differences` [queries, metrics]; `clusters` names each query's cluster.

    Whole clusters are drawn with replacement, since questions about one document rise and fall together; a draw's value is the mean
    over the queries drawn. Percentile interval, 2.5% to 97.5%. The order of the queries does not matter.
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
    drawn = [weights @ sums / (weights @ counts)[:, None] for weights in _weights(len(names), draws, seed)]
    values = np.concatenate(drawn)
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    return [Interval(float(means[c]), float(low[c]), float(high[c]), rows, len(names)) for c in range(columns)]


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
