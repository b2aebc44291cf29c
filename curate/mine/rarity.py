"""How rare words are in a split: whether an answer tells that a passage that holds it may answer, and how much two texts have in common."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np

from curate.bm25 import Index
from curate.near.signing import Hashes, runs_of, word_hash
from curate.text import normalise

RARE_SHARE = 0.005
RARE_PASSAGES = 3
"""A word in at most this many passages, or this share of them, is rare; never one in more than every twentieth."""
WORDS_KEPT = 2**19
"""Known words held at once, about 100 MB."""
TELLING_RUN = 10
"""Words in a row. Measured by benchmarks/mine_quality.py: of passages that nobody planted, squad 0.2% and medquad 1.6% share such a run with a
positive, and all passages do that a sentence of the positive was put into."""
_PRECISION = 2**20
"""Weights are whole numbers, so that their sums do not depend on an order."""


@dataclass(frozen=True)
class Words:
    """The numbers of the distinct content words of a text, and the sum of their weights."""

    numbers: frozenset[int] = frozenset()
    weight: int = 0


@dataclass(frozen=True)
class Wording:
    """What a text is compared by."""

    shingles: frozenset[int] = frozenset()
    """Hashes of its word shingles."""
    telling: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Hashes of every TELLING_RUN words in a row of which one is rare."""
    words: Words = field(default_factory=Words)


class Lexicon:
    """The words of a split with their inverse document frequencies (of an index with Lucene's); without an index, nothing is rare.

    A word is looked at once: what is compared of texts is then a matter of numbers.
    """

    def __init__(self, index: Index | None = None) -> None:
        self.index = index
        self.forget()

    def forget(self) -> None:
        """Give back the memory; what was read before cannot be compared with what is read from now on."""
        self._numbers = dict[str, int]()
        self._hashes = array("Q")
        self._weights = list[int]()
        self._rare = array("b")

    @property
    def is_full(self) -> bool:
        """Whether it holds so many words that it should forget."""
        return len(self._numbers) > WORDS_KEPT

    @cached_property
    def _least(self) -> float:
        size = self.index.size if self.index else 0
        passages = min(max(RARE_PASSAGES, int(RARE_SHARE * size)), size // 20)
        return math.log(1 + (size - passages + 0.5) / (passages + 0.5)) - 1e-9 if passages else math.inf

    @cached_property
    def _idf(self) -> list[float]:
        """By term number."""
        found: list[float] = self.index.weights(range(len(self.index.vocabulary))).tolist() if self.index else []
        return found

    def is_rare(self, text: str) -> bool:
        """Whether some word of the text is rare in the split."""
        return any(max(self._idf_of(word), default=0.0) >= self._least for word in normalise(text).split())

    def read(self, texts: Sequence[str], shingle: int) -> list[Wording]:
        """What normalised texts are compared by."""
        numbered = [self._number(text.split()) for text in texts]
        flat = np.fromiter(chain.from_iterable(numbered), dtype=np.int64)
        ends = np.cumsum([0, *map(len, numbered)])
        hashes = np.split(np.array(self._hashes, dtype=np.uint64)[flat], ends[1:-1]) if texts else []
        until = np.concatenate(([0], np.cumsum(np.array(self._rare, dtype=np.int64)[flat])))
        tells = until[TELLING_RUN:] > until[:-TELLING_RUN]
        found = zip(numbered, ends.tolist(), runs_of(hashes, shingle), runs_of(hashes, TELLING_RUN), strict=False)
        return [
            Wording(frozenset(shingles.tolist()), runs[tells[start : start + len(runs)]], self._words(numbers))
            for numbers, start, shingles, runs in found
        ]

    def shared(self, first: Words, second: Words) -> float:
        """Weighted Jaccard similarity of two texts' words; 0 when neither has any."""
        least = min(first.weight, second.weight)
        if 3 * least < first.weight + second.weight:
            # Below a half whatever they share; the exact value is not asked for.
            return least / max(first.weight, second.weight, 1) / 2
        both = sum(map(self._weights.__getitem__, first.numbers & second.numbers))
        return both / (first.weight + second.weight - both) if both else 0.0

    def _words(self, numbers: Sequence[int]) -> Words:
        found = frozenset(filter(self._weights.__getitem__, set(numbers)))
        return Words(found, sum(map(self._weights.__getitem__, found)))

    def _number(self, words: Sequence[str]) -> list[int]:
        try:
            return list(map(self._numbers.__getitem__, words))
        except KeyError:
            return [self._numbers[word] if word in self._numbers else self._add(word) for word in words]

    def _add(self, word: str) -> int:
        idf = self._idf_of(word)
        self._hashes.append(word_hash(word))
        self._weights.append(round(_PRECISION * sum(idf)))
        self._rare.append(max(idf, default=0.0) >= self._least)
        number = self._numbers[word] = len(self._numbers)
        return number

    def _idf_of(self, word: str) -> list[float]:
        if self.index is None:
            return []
        terms = [word] if self.index.stemmer is None else self.index.tokens(word)
        return [self._idf[term] for term in self.index.terms(terms)]
