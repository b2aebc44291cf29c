"""An index that can be searched, whichever engine scores its passages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curate.bm25.postings import K1, B, Postings, Variant, post
from curate.bm25.ranking import best, scores_at, scores_of_all, search_postings
from curate.bm25.terms import Numbered, number_tokens, search_terms

Engine = Literal["bm25s", "rank-bm25"]
Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Index:
    """Passages ready to be searched; reading it from several threads is safe and gives the same bytes."""

    size: int
    """Number of passages."""
    vocabulary: dict[str, int]
    score: Callable[[list[int]], npt.NDArray[Any]]
    """Term numbers of one query in, one score for each passage out."""
    postings: Postings | None = None
    """None: rank-bm25."""
    stemmer: str | None = None
    """Of `tokens`: the one that the passages were read with."""

    @property
    def mean_length(self) -> float:
        """Tokens of a passage in the mean."""
        return self.postings.mean_length if self.postings else 1.0

    def weights(self, terms: Sequence[int]) -> Scores:
        """Inverse document frequency of term numbers (bm25s engine only)."""
        return self.postings.idf[list(terms)] if self.postings and len(terms) else np.zeros(len(terms))

    def tokens(self, text: str) -> list[str]:
        """The index terms of a query, or of any text, read as the passages were."""
        return search_terms(text, self.stemmer)

    def terms(self, query: Sequence[str]) -> list[int]:
        """Numbers of the query's known words, sorted, so that the same words in another order add up to the same float."""
        return sorted(self.vocabulary[token] for token in query if token in self.vocabulary)

    def scores_at(self, terms: Sequence[int], positions: Sequence[int]) -> Scores:
        """The scores of a few passages, the same as in `score` and without looking at the others."""
        if self.postings is None:
            return np.asarray(self.score(list(terms)), dtype=np.float64)[list(positions)]
        return scores_at(self.postings, terms, np.asarray(positions, dtype=np.int64)).astype(np.float64)

    def score_outside(self, terms: Sequence[int], tokens: Sequence[str]) -> float:
        """The score that a passage of these tokens would have if it stood in place of one of its length (bm25s engine only)."""
        counts = Counter(tokens)
        numbered = {self.vocabulary[token]: count for token, count in counts.items() if token in self.vocabulary}
        norm = K1 * (1 - B + B * len(tokens) / self.mean_length)
        frequencies = np.array([numbered.get(term, 0) for term in terms], dtype=np.float64)
        scale = self.postings.scale if self.postings else 1.0
        return float((self.weights(list(terms)) * frequencies * scale / (frequencies + norm)).sum())

    def search(self, queries: Sequence[Sequence[str]], k: int) -> tuple[Ids, Scores]:
        """The best `k` passages of each tokenised query: positions [n, k] and scores [n, k].

        Highest score first, of equal scores the earlier passage first. Only scores above 0 count; the rest is filled with
        position -1 and score 0. A query's row depends on nothing but the query and the index.
        """
        numbered = [self.terms(query) for query in queries]
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.zeros((len(queries), k), dtype=np.float64)
        if k == 0:
            return ids, scores
        if self.postings is not None:
            search_postings(self.postings, numbered, ids, scores)
            return ids, scores
        for row, terms in enumerate(numbered):
            if terms:
                found = self.score(terms)
                places = best(found, k)
                ids[row, : len(places)] = places
                scores[row, : len(places)] = found[places]
        return ids, scores


def build(engine: Engine, token_lists: Iterable[Sequence[str]], variant: Variant = "lucene") -> Index:
    """Index passages given as tokens, read once and kept as numbers while building."""
    return build_numbered(engine, number_tokens(token_lists), variant)


def build_numbered(engine: Engine, blocks: Iterable[Numbered], variant: Variant = "lucene", stemmer: str | None = None) -> Index:
    """Index passages given as numbered terms, block by block.

    bm25s, lucene: the scores of the library bm25s (an idf is never negative, so a corpus of three passages works). bm25s, okapi: those of
    rank-bm25, whose idf is 0 for words in half of the passages and, for words in more than half, a quarter of the mean idf; with two or
    three passages it may find nothing. rank-bm25 is that library itself, as a reference: slow, and all its passages are Python objects.
    """
    if engine == "bm25s":
        postings = post(blocks, variant)
        return Index(postings.size, postings.vocabulary, lambda terms: scores_of_all(postings, terms), postings, stemmer)
    from rank_bm25 import BM25Okapi  # kept out of start-up

    vocabulary: dict[str, int] = {}
    passages: list[list[int]] = []
    for block in blocks:
        names = np.array([vocabulary.setdefault(term, len(vocabulary)) for term in block.vocabulary], dtype=np.int64)
        ends = np.cumsum(block.lengths)[:-1]
        passages += [part.tolist() for part in np.split(names[block.numbers], ends)]
    if not vocabulary:
        return Index(len(passages), {}, lambda _: np.zeros(len(passages)), stemmer=stemmer)
    okapi = BM25Okapi(passages, k1=K1, b=B)
    return Index(len(passages), vocabulary, okapi.get_scores, stemmer=stemmer)
