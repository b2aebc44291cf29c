"""Where BM25 puts each question's own chunk, or a near-copy of it, among all chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.bm25 import Index, build, tokenise
from curate.stage import Reader
from curate.verify.specific import common_stems, stems


@dataclass(frozen=True)
class Corpus:
    """All chunks, searchable, each with the number of its near-duplicate cluster."""

    index: Index
    clusters: npt.NDArray[np.int64]
    members: dict[int, npt.NDArray[np.int64]]
    """Positions of each cluster's chunks in the index."""
    cluster_of: dict[str, int]
    position_of: dict[str, int]
    common: frozenset[str]
    """Stems that stand in more than a quarter of the chunks."""
    stem_counts: Mapping[str, int]
    """In how many chunks each stem stands."""


@dataclass(frozen=True)
class Place:
    """Where the own chunk stands. `rank` from 1; None beyond the window or where no word is shared.

    `margin`: its score minus that of the best chunk outside its cluster, over the larger of the two; None when both are 0.
    """

    rank: int | None
    margin: float | None


@dataclass(frozen=True)
class Own:
    """A question's own chunk; `passage` when its text is not the one in the index (a planted fault)."""

    chunk_id: str
    passage: str | None = None


def read_corpus(reader: Reader) -> Corpus:
    """Index every chunk's passage; passages are read and numbered one batch at a time."""
    names: dict[str, int] = {}
    cluster_of: dict[str, int] = {}
    for batch in reader.batches("chunk_clusters", columns=("chunk_id", "chunk_cluster_id")):
        for chunk_id, cluster in batch.iter_rows():
            cluster_of[chunk_id] = names.setdefault(cluster, len(names))
    position_of: dict[str, int] = {}
    counts: Counter[str] = Counter()
    index = build("bm25s", _passages(reader, position_of, counts))
    # A chunk without a cluster (there should be none) is its own.
    order = [cluster_of.setdefault(chunk_id, -1 - position) for chunk_id, position in position_of.items()]
    clusters = np.array(order, dtype=np.int64)
    return Corpus(index, clusters, _members(clusters), cluster_of, position_of, common_stems(counts, len(order)), counts)


def _passages(reader: Reader, position_of: dict[str, int], counts: Counter[str]) -> Iterator[list[str]]:
    for batch in reader.batches("chunks", size=1024, columns=("chunk_id", "passage")):
        for chunk_id, passage in batch.iter_rows():
            position_of[chunk_id] = len(position_of)
            tokens = tokenise(passage, drop_stopwords=True)
            counts.update(stems(tokens))
            yield tokens


def _members(clusters: npt.NDArray[np.int64]) -> dict[int, npt.NDArray[np.int64]]:
    order = np.argsort(clusters, kind="stable")
    numbers, starts = np.unique(clusters[order], return_index=True)
    return {int(number): part for number, part in zip(numbers, np.split(order, starts[1:]), strict=True)} if len(order) else {}


def own_places(corpus: Corpus, questions: Sequence[str], owns: Sequence[Own], window: int) -> list[Place]:
    """The place of each question's own chunk when the question is searched; a chunk that is not in the corpus has none."""
    return [_place(corpus, question, own, window) for question, own in zip(questions, owns, strict=True)]


def _place(corpus: Corpus, question: str, own: Own, window: int) -> Place:
    terms = corpus.index.terms(tokenise(question, drop_stopwords=True))
    members = corpus.members.get(corpus.cluster_of.get(own.chunk_id, _NOWHERE))
    if not terms or members is None:
        return Place(None, None)
    scores = corpus.index.score(terms).astype(np.float64)
    if own.passage is None:
        best = int(members[scores[members].argmax()])
        score, position = float(scores[best]), best
    else:
        score = corpus.index.score_outside(terms, tokenise(own.passage, drop_stopwords=True))
        position = int(members[0])
    scores[members] = 0.0
    other = float(scores.max())
    rank = 1 + int((scores > score).sum()) + int((scores[:position] == score).sum())
    largest = max(score, other)
    return Place(
        rank if score > 0 and rank <= window else None,
        round((score - other) / largest, 4) if largest > 0 else None,
    )


_NOWHERE = int(np.iinfo(np.int64).min)
