"""BM25 search over a list of passages, by scored postings or by rank-bm25, with one tokenisation and one order of ties."""

from curate.bm25.index import Engine, Ids, Index, Scores, build, build_numbered
from curate.bm25.postings import K1, B, Variant
from curate.bm25.terms import Numbered, number_texts, search_terms, tokenise

__all__ = [
    "K1",
    "B",
    "Engine",
    "Ids",
    "Index",
    "Numbered",
    "Scores",
    "Variant",
    "build",
    "build_numbered",
    "number_texts",
    "search_terms",
    "tokenise",
]
