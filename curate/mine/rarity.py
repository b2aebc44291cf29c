"""How rare words are in a split: whether an answer tells that a passage that holds it may answer, and how much two texts have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from curate.bm25 import Index, number_texts

RARE_SHARE = 0.005
RARE_PASSAGES = 3
"""A word in at most this many passages, or this share of them, is rare; never one in more than every twentieth."""


@dataclass(frozen=True)
class Words:
    """The distinct index terms of a text, and the sum of their weights."""

    terms: frozenset[int] = frozenset()
    weight: float = 0.0


@dataclass(frozen=True)
class Lexicon:
    """The words of a split with their inverse document frequencies (of an index with Lucene's); without an index, nothing is rare."""

    index: Index | None = None

    @cached_property
    def _least(self) -> float:
        size = self.index.size if self.index else 0
        passages = min(max(RARE_PASSAGES, int(RARE_SHARE * size)), size // 20)
        return math.log(1 + (size - passages + 0.5) / (passages + 0.5)) - 1e-9 if passages else math.inf

    @cached_property
    def _weights(self) -> list[float]:
        """By term number."""
        found: list[float] = self.index.weights(range(len(self.index.vocabulary))).tolist() if self.index else []
        return found

    def is_rare(self, text: str) -> bool:
        """Whether some word of the text is rare in the split."""
        if self.index is None:
            return False
        terms = self.index.terms(self.index.tokens(text))
        return bool(terms) and float(self.index.weights(terms).max()) >= self._least

    def read(self, texts: Sequence[str]) -> list[Words]:
        """The words of each text that the split knows."""
        if self.index is None or not self.index.vocabulary or not texts:
            return [Words() for _ in texts]
        numbered = number_texts(texts, self.index.stemmer)
        names = np.array([self.index.vocabulary.get(term, -1) for term in numbered.vocabulary], dtype=np.int64)
        parts = np.split(names[numbered.numbers], np.cumsum(numbered.lengths)[:-1])
        return [self._words(part) for part in parts]

    def _words(self, numbers: npt.NDArray[np.int64]) -> Words:
        found = np.unique(numbers[numbers >= 0]).tolist()
        return Words(frozenset(found), math.fsum(map(self._weights.__getitem__, found)))

    def shared(self, first: Words, second: Words) -> float:
        """Weighted Jaccard similarity of two texts' words; 0 when neither has any."""
        least = min(first.weight, second.weight)
        if 3 * least < first.weight + second.weight:
            # Below a half whatever they share; the exact value is not asked for.
            return least / max(first.weight, second.weight, 1e-9) / 2
        both = math.fsum(map(self._weights.__getitem__, first.terms & second.terms))
        return both / (first.weight + second.weight - both) if both else 0.0
