"""The BM25 rank of each question's own chunk, or of a near-copy of it, among all chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.bm25 import Index, build, tokenise
from curate.stage import Reader
from curate.verify.specific import common_stems, stems

QUERIES_AT_A_TIME = 512


@dataclass(frozen=True)
class Corpus:
    """All chunks, searchable, each with the number of its near-duplicate cluster."""

    index: Index
    clusters: npt.NDArray[np.int64]
    cluster_of: dict[str, int]
    common: frozenset[str]
    """Stems that stand in more than a quarter of the chunks."""


def read_corpus(reader: Reader) -> Corpus:
    """Index every chunk's passage; passages are read and numbered one batch at a time."""
    names: dict[str, int] = {}
    cluster_of: dict[str, int] = {}
    for batch in reader.batches("chunk_clusters", columns=("chunk_id", "chunk_cluster_id")):
        for chunk_id, cluster in batch.iter_rows():
            cluster_of[chunk_id] = names.setdefault(cluster, len(names))
    order: list[int] = []
    counts: Counter[str] = Counter()
    index = build("bm25s", _passages(reader, cluster_of, order, counts))
    return Corpus(index, np.array(order, dtype=np.int64), cluster_of, common_stems(counts, len(order)))


def _passages(reader: Reader, cluster_of: dict[str, int], order: list[int], counts: Counter[str]) -> Iterator[list[str]]:
    for batch in reader.batches("chunks", size=1024, columns=("chunk_id", "passage")):
        for chunk_id, passage in batch.iter_rows():
            # A chunk without a cluster (there should be none) is its own.
            order.append(cluster_of.setdefault(chunk_id, -1 - len(order)))
            tokens = tokenise(passage, drop_stopwords=True)
            counts.update(stems(tokens))
            yield tokens


def own_ranks(corpus: Corpus, questions: Sequence[str], chunk_ids: Sequence[str], window: int) -> list[int | None]:
    """Rank (from 1) of each question's chunk or a near-copy; None beyond `window` or where no word is shared."""
    ranks: list[int | None] = []
    for start in range(0, len(questions), QUERIES_AT_A_TIME):
        part = slice(start, start + QUERIES_AT_A_TIME)
        own = np.array([corpus.cluster_of.get(chunk_id, _NOWHERE) for chunk_id in chunk_ids[part]], dtype=np.int64)
        ids, _ = corpus.index.search([tokenise(text, drop_stopwords=True) for text in questions[part]], window)
        if not len(corpus.clusters):
            ranks += [None] * len(ids)
            continue
        hits = (ids >= 0) & (corpus.clusters[ids] == own[:, None])
        ranks += [int(row.argmax()) + 1 if row.any() else None for row in hits]
    return ranks


_NOWHERE = np.iinfo(np.int64).min
