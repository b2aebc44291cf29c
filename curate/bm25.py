"""BM25 search over a list of passages, by bm25s or by rank-bm25, with one tokenisation and one order of ties."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curate.text import STOPWORDS, is_unspaced, words

Engine = Literal["bm25s", "rank-bm25"]
Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

# The usual values of Robertson and Zaragoza (2009), and the defaults of both libraries.
K1 = 1.5
B = 0.75


@dataclass(frozen=True)
class Index:
    """Passages ready to be searched; reading it from several threads is safe and gives the same bytes."""

    size: int
    """Number of passages."""
    vocabulary: dict[str, int]
    score: Callable[[list[int]], npt.NDArray[Any]]
    """Term numbers of one query in, one score for each passage out."""
    weights: Callable[[list[int]], npt.NDArray[np.float64]] = lambda terms: np.zeros(len(terms))
    """Inverse document frequency of term numbers (bm25s engine only)."""
    mean_length: float = 1.0
    """Tokens of a passage in the mean."""

    def terms(self, query: Sequence[str]) -> list[int]:
        """Numbers of the query's known words, sorted, so that the same words in another order add up to the same float."""
        return sorted(self.vocabulary[token] for token in query if token in self.vocabulary)

    def score_outside(self, terms: Sequence[int], tokens: Sequence[str]) -> float:
        """The score that a passage of these tokens would have if it stood in place of one of its length (bm25s engine only)."""
        counts = Counter(tokens)
        numbered = {self.vocabulary[token]: count for token, count in counts.items() if token in self.vocabulary}
        norm = K1 * (1 - B + B * len(tokens) / self.mean_length)
        frequencies = np.array([numbered.get(term, 0) for term in terms], dtype=np.float64)
        return float((self.weights(list(terms)) * frequencies / (frequencies + norm)).sum())

    def search(self, queries: Sequence[Sequence[str]], k: int) -> tuple[Ids, Scores]:
        """The best `k` passages of each tokenised query: positions [n, k] and scores [n, k].

        Highest score first, of equal scores the earlier passage first. Only scores above 0 count; the rest is filled with
        position -1 and score 0. A query's row depends on nothing but the query and the index.
        """
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.zeros((len(queries), k), dtype=np.float64)
        for row, query in enumerate(queries):
            terms = self.terms(query)
            if not terms or k == 0:
                continue
            found = self.score(terms)
            best = _best(found, k)
            ids[row, : len(best)] = best
            scores[row, : len(best)] = found[best]
        return ids, scores


def tokenise(text: str, *, drop_stopwords: bool = False) -> list[str]:
    """`curate.text.words`, and each pair of neighbouring characters of an unspaced script besides the characters.

    Lone Chinese or Japanese characters say little; pairs of them are the usual index term (as in Lucene's CJKAnalyzer).
    """
    found = words(text)
    pairs = [a + b for a, b in pairwise(found) if _is_character(a) and _is_character(b)]
    if drop_stopwords:
        found = [word for word in found if word not in STOPWORDS]
    return found + pairs


def build(engine: Engine, token_lists: Iterable[Sequence[str]]) -> Index:
    """Index passages given as tokens, read once, one at a time, and kept as 4-byte numbers while building.

    bm25s scores as Lucene does (its idf is never negative, so a corpus of three passages works). rank-bm25 is BM25Okapi: the
    same term weight up to the constant k1 + 1, but an idf of 0 for words in half of the passages and, for words in more than half, a
    quarter of the mean idf; with two or three passages it may find nothing.
    """
    if engine == "bm25s":
        return build_bm25s(token_lists)
    vocabulary: dict[str, int] = {}
    from rank_bm25 import BM25Okapi  # kept out of start-up

    passages = list(_numbered(token_lists, vocabulary))
    if not vocabulary:
        return _empty(len(passages))
    okapi = BM25Okapi(passages, k1=K1, b=B)
    return Index(len(passages), vocabulary, okapi.get_scores)


def build_bm25s(token_lists: Iterable[Sequence[str]], method: str = "lucene", idf_method: str | None = None) -> Index:
    """The bm25s engine with a named variant.

    `method="atire", idf_method="robertson"` gives rank-bm25's scores wherever no word stands in more than half of the passages.
    Scores are float32: their sums are the same on every machine even where `log` differs in the last bit of a float64.
    """
    import bm25s  # kept out of start-up

    vocabulary: dict[str, int] = {}
    passages = list(_numbered(token_lists, vocabulary))
    if not vocabulary:
        return _empty(len(passages))
    # The numpy backend by name: numba, if installed, would compile for 12 s in every process.
    retriever = bm25s.BM25(k1=K1, b=B, method=method, idf_method=idf_method, dtype="float32", backend="numpy")
    retriever.scores = retriever.build_index_from_ids(list(range(len(vocabulary))), passages, show_progress=False)
    found_in = np.diff(retriever.scores["indptr"]).astype(np.float64)
    idf = np.log(1 + (len(passages) - found_in + 0.5) / (found_in + 0.5))
    mean_length = sum(map(len, passages)) / len(passages)
    return Index(len(passages), vocabulary, retriever.get_scores_from_ids, lambda terms: idf[terms], mean_length)


def _numbered(token_lists: Iterable[Sequence[str]], vocabulary: dict[str, int]) -> Iterator[array[int]]:
    for tokens in token_lists:
        yield array("i", [vocabulary.setdefault(token, len(vocabulary)) for token in tokens])


def _empty(size: int) -> Index:
    return Index(size, {}, lambda _: np.zeros(size))


def _best(scores: npt.NDArray[Any], k: int) -> npt.NDArray[np.intp]:
    positive = np.flatnonzero(scores > 0)
    if len(positive) > k:
        threshold = np.partition(scores[positive], len(positive) - k)[len(positive) - k]
        # All that reach the k-th score, however many: the stable sort below then prefers the earlier passage.
        positive = positive[scores[positive] >= threshold]
    order = np.argsort(-scores[positive], kind="stable")
    return positive[order[:k]]


@lru_cache(maxsize=65536)
def _is_character(word: str) -> bool:
    return len(word) == 1 and is_unspaced(word)
