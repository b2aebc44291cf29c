"""Passages that are near-duplicates of known ones: Jaccard similarity of word shingles, found without missing any above the threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from curate.filter.decontaminate.runs import Hashes, Numbered, Table

_NOTHING = np.empty(0, np.uint64)


class NearPassages:
    """Known passages, by the lowest hashes of their shingles.

    Two sets as similar as the threshold share one of their lowest hashes (a prefix filter in the order of hashes); candidates are
    verified. About 12 bytes a word.
    """

    def __init__(self, passages: Iterable[str], threshold: float, shingle: int) -> None:
        self.threshold = threshold
        self.shingle = shingle
        self._sets = _shingle_sets(Numbered(passages), shingle)
        lowest = [self._prefix(found) for found in self._sets]
        owners = np.repeat(np.arange(len(lowest), dtype=np.int32), [len(found) for found in lowest])
        self._lowest = Table(np.concatenate([_NOTHING, *lowest]), owners)

    def find(self, passages: Iterable[str]) -> list[tuple[int, float] | None]:
        """For each passage the first known one that is near, and how near; None without one."""
        return [self._first(found) for found in _shingle_sets(Numbered(passages), self.shingle)]

    def _first(self, found: Hashes) -> tuple[int, float] | None:
        lowest = self._prefix(found)
        candidates = {known for _, known in self._lowest.matches(lowest, np.zeros(len(lowest), np.int32))}
        for known in sorted(candidates):
            similarity = self._similarity(found, self._sets[known])
            if similarity >= self.threshold:
                return known, similarity
        return None

    def _similarity(self, a: Hashes, b: Hashes) -> float:
        if min(len(a), len(b)) < self.threshold * max(len(a), len(b)):
            return 0.0
        both = len(np.intersect1d(a, b, assume_unique=True))
        return both / (len(a) + len(b) - both)

    def _prefix(self, found: Hashes) -> Hashes:
        return found[: len(found) - math.ceil(self.threshold * len(found) - 1e-9) + 1] if len(found) else found


def _shingle_sets(texts: Numbered, shingle: int) -> list[Hashes]:
    """Each text's distinct shingle hashes in ascending order; none for a text of fewer words than a shingle."""
    hashes, owners = texts.runs(shingle)
    places = np.arange(len(texts.lengths))
    starts, ends = np.searchsorted(owners, places, "left"), np.searchsorted(owners, places, "right")
    return [np.unique(hashes[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
