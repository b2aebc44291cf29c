"""What finds candidates among the passages of one split: words (BM25), meaning (an embedding model), or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from curate.bm25 import Ids, Index, Scores

if TYPE_CHECKING:
    from curate.verify.dense import Dense

Origin = Literal["bm25", "dense", "hybrid"]

RANKS_KEPT = 60
"""The constant of reciprocal rank fusion, as in Cormack, Clarke and Büttcher (2009)."""


class Searcher(Protocol):
    """Passages of one split, numbered from 0 in the order of their ids."""

    @property
    def origin(self) -> Origin:
        """What its hits are called."""

    def search(self, anchors: Sequence[str], k: int) -> tuple[Ids, Scores]:
        """The best k of each anchor: positions [n, k], filled with -1, and scores [n, k]; of equal scores the earlier passage first."""

    def own_score(self, anchor: str, position: int) -> float:
        """The score of one passage, wherever it stands."""


@dataclass(frozen=True)
class Words:
    """BM25."""

    index: Index
    origin: Origin = "bm25"

    def search(self, anchors: Sequence[str], k: int) -> tuple[Ids, Scores]:
        """By words in common."""
        return self.index.search([self.index.tokens(anchor) for anchor in anchors], min(k, self.index.size))

    def own_score(self, anchor: str, position: int) -> float:
        """0 without a word in common."""
        terms = self.index.terms(self.index.tokens(anchor))
        return float(self.index.scores_at(terms, [position])[0]) if terms else 0.0


@dataclass(frozen=True)
class Meaning:
    """Cosines of an embedding model, exact."""

    dense: Dense
    origin: Origin = "dense"

    def search(self, anchors: Sequence[str], k: int) -> tuple[Ids, Scores]:
        """By cosine, to four decimals."""
        return self.dense.top(anchors, k)

    def own_score(self, anchor: str, position: int) -> float:
        """The cosine of anchor and passage."""
        return self.dense.cosine(anchor, position)


@dataclass(frozen=True)
class Both:
    """Reciprocal rank fusion of two engines: the sum of 1 / (60 + rank) over those that find the passage among their best k."""

    first: Searcher
    second: Searcher
    origin: Origin = "hybrid"

    def search(self, anchors: Sequence[str], k: int) -> tuple[Ids, Scores]:
        """The best k of the two lists joined."""
        lists = [engine.search(anchors, k)[0] for engine in (self.first, self.second)]
        ids = np.full((len(anchors), k), -1, dtype=np.int64)
        scores = np.zeros((len(anchors), k), dtype=np.float64)
        for row in range(len(anchors)):
            found = fused([found[row] for found in lists])[:k]
            ids[row, : len(found)] = [position for position, _ in found]
            scores[row, : len(found)] = [score for _, score in found]
        return ids, scores

    def own_score(self, anchor: str, position: int) -> float:  # noqa: ARG002 (margins of a hybrid search are taken on cosines)
        """Ranks have no scale that a margin could be taken on."""
        return 0.0


def fused(lists: Sequence[npt.NDArray[np.int64]]) -> list[tuple[int, float]]:
    """(position, fused score), the highest first, of equal ones the earlier position; -1 is no passage."""
    scores: dict[int, float] = {}
    for found in lists:
        for rank, position in enumerate(found.tolist(), start=1):
            if position >= 0:
                scores[position] = scores.get(position, 0.0) + 1 / (RANKS_KEPT + rank)
    return sorted(((position, round(score, 12)) for position, score in scores.items()), key=lambda hit: (-hit[1], hit[0]))
