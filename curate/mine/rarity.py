"""Whether a short answer is rare enough in a split to tell that a passage that holds it may answer."""

from __future__ import annotations

import math
from collections.abc import Callable

from curate.bm25 import Index

RARE_SHARE = 0.005
RARE_PASSAGES = 3
"""A word in at most this many passages, or this share of them, is rare; never one in more than every twentieth."""


def rare_in(index: Index | None) -> Callable[[str], bool]:
    """For an answer: whether some word of it is rare in the split. Never, where no index with word counts is there (dense, rank-bm25)."""
    if index is None or not index.size or not index.vocabulary:
        return lambda _: False
    passages = min(max(RARE_PASSAGES, int(RARE_SHARE * index.size)), index.size // 20)
    if not passages:
        return lambda _: False
    least = math.log(1 + (index.size - passages + 0.5) / (passages + 0.5)) - 1e-9

    def is_rare(answer: str) -> bool:
        terms = index.terms(index.tokens(answer))
        return bool(terms) and float(index.weights(terms).max()) >= least

    return is_rare
