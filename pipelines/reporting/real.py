"""What people ask, to compare the kept questions with: how the queries of `generate.examples` begin, how long they are, what they share with passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from curate.bm25 import Numbered, build_numbered, number_texts
from curate.generate.examples import read_examples
from curate.store import Store
from curate.verify.quotes import word_overlap
from pipelines.reporting.counting import first_words, histogram, shares
from schemas.errors import CurateError
from schemas.report import RealQueries
from schemas.settings import Settings

MOST_QUERIES = 500
MOST_PASSAGES = 50_000
"""Drawn by hash where there are more: a report takes seconds."""

_BLOCK = 4096


def real_queries(store: Store, settings: Settings) -> RealQueries | None:
    """The queries of `generate.examples`; None without such a file, or when it cannot be read any more."""
    if settings.generate.examples is None:
        return None
    try:
        examples = read_examples(settings.generate.examples)
    except CurateError:
        # The file was there when the build ran; a report does without it.
        return None
    asked = sorted(examples.queries, key=lambda query: sha256(query.encode()).digest())[:MOST_QUERIES]
    overlaps, searched = _overlaps(store, asked, settings.mine.stemmer)
    return RealQueries(
        queries=len(examples.queries),
        first_words=first_words(examples.queries),
        words=histogram([len(text.split()) for text in examples.queries]),
        overlap=shares(overlaps, 0.05),
        compared=len(overlaps),
        searched=searched,
    )


def _overlaps(store: Store, queries: Sequence[str], stemmer: str | None) -> tuple[list[float], int]:
    """Of each query the share of its content words in the passage that BM25 ranks first (queries that find none are left out), and passages searched."""
    chunks = [row["chunk_id"] for row in store.rows("SELECT chunk_id FROM chunks ORDER BY md5(chunk_id) LIMIT $most", {"most": MOST_PASSAGES})]  # fmt: skip
    index = build_numbered("bm25s", _numbered(store, chunks, stemmer), stemmer=stemmer)
    found, _ = index.search([index.tokens(query) for query in queries], 1)
    hits = [(query, chunks[place]) for query, place in zip(queries, found[:, 0].tolist(), strict=True) if place >= 0]
    texts = _passages(store, sorted({chunk for _, chunk in hits}))
    return [word_overlap(query, texts[chunk]) for query, chunk in hits], len(chunks)


def _numbered(store: Store, chunks: Sequence[str], stemmer: str | None) -> Iterator[Numbered]:
    for start in range(0, len(chunks), _BLOCK):
        block = chunks[start : start + _BLOCK]
        texts = _passages(store, block)
        yield number_texts([texts[chunk] for chunk in block], stemmer)


def _passages(store: Store, chunks: Sequence[str]) -> dict[str, str]:
    rows = store.rows("SELECT chunk_id, passage FROM chunks WHERE chunk_id IN (SELECT unnest($chunks))", {"chunks": list(chunks)})
    return {row["chunk_id"]: row["passage"] for row in rows}
