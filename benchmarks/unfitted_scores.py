"""Scores of labelled rows that are fitted to nothing: plain baselines, the product's gates, and what its sentence checker looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import polars as pl

from benchmarks.folds import Bench, Columns, Scores
from curate.filter.combined import FEATURES
from curate.verify.dense import Dense
from curate.verify.kept import Kept
from curate.verify.ranks import Corpus, read_corpus
from curate.verify.scoring import Scorer
from curate.verify.sentence_checker import score_matrix
from curate.verify.sentence_match import SCORES, best_sentences
from curate.verify.support import negation_differs
from pipelines.sentence_checker import rarity_of
from schemas.settings import VerifySettings
from train.labelled import Labelled

_GATES = (
    "word_overlap",
    "specific_words",
    "question_words",
    "unsupported_numbers",
    "unsupported_names",
    "bm25_rank",
    "bm25_margin",
)
FAULTS = frozenset({"unsupported_numbers", "unsupported_names", "negation_differs", "bm25_rank"})
"""Gates whose higher numbers speak against a row."""


def columns_of(bench: Bench) -> tuple[dict[str, Scores], Columns, Scores]:
    """Plain baselines, gates, and what a sentence checker looks at [rows, scores]."""
    questions, passages = [row.question for row in bench.rows], [row.passage for row in bench.rows]
    gates = gate_columns(bench.rows, bench.headings)
    sentences = sentence_scores(bench)
    plain = {
        "keep all": np.zeros(len(questions)),
        "cosine": sentences[:, SCORES.index("passage_cosine")],
        "bm25 score": _bm25(questions, passages),
        "word overlap": gates["word_overlap"],
    }
    return plain, gates, sentences


def gate_columns(rows: Sequence[Labelled], headings: Sequence[str]) -> Columns:
    """The product's own scores of each row, searched for among all passages; no answers are known, evidence is the best sentence."""
    passages = list(dict.fromkeys(row.passage for row in rows))
    chunk = {passage: f"{number:06}" for number, passage in enumerate(passages)}
    corpus: Corpus = read_corpus(_Passages(passages))
    items = [
        {
            "question_id": str(number),
            "chunk_id": chunk[row.passage],
            "question": row.question,
            "style": "question",
            "answer": None,
            "evidence": None,
            "text": row.passage,
            "passage": row.passage,
            "headings": heading,
            "others": None,
        }
        for number, (row, heading) in enumerate(zip(rows, headings, strict=True))
    ]
    found = Scorer(VerifySettings(), corpus, None, None).check(items)
    columns = {name: np.asarray([FEATURES[name](row) for row in found]) for name in _GATES}
    evidence = [best_sentences(row.question, row.passage, 1) for row in rows]
    denied = [negation_differs(row.question, None, sentence) is True for row, sentence in zip(rows, evidence, strict=True)]
    return columns | {"negation_differs": np.asarray(denied, dtype=np.float64)}


class _Passages:
    """A reader over passages that are no build's."""

    def __init__(self, passages: Sequence[str]) -> None:
        ids = [f"{number:06}" for number in range(len(passages))]
        self.tables = {
            "chunk_clusters": pl.DataFrame({"chunk_id": ids, "chunk_cluster_id": ids}),
            "chunks": pl.DataFrame({"chunk_id": ids, "passage": list(passages)}),
        }

    def batches(self, table: str, size: int = 4096, columns: Sequence[str] | None = None) -> Any:
        """All rows at once."""
        del size
        yield self.tables[table].select(columns or pl.all())

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """There is nothing to ask."""
        raise NotImplementedError(sql, parameters)

    def count(self, table: str) -> int:
        """Number of rows."""
        return self.tables[table].height


def _bm25(questions: Sequence[str], passages: Sequence[str]) -> Scores:
    """BM25 score of each row's own passage."""
    from curate.bm25 import build, tokenise

    different = list(dict.fromkeys(passages))
    index = build("bm25s", (tokenise(passage, drop_stopwords=True) for passage in different))
    at = {passage: number for number, passage in enumerate(different)}
    found = []
    for question, passage in zip(questions, passages, strict=True):
        terms = index.terms(tokenise(question, drop_stopwords=True))
        found.append(float(index.score(terms)[at[passage]]) if terms else 0.0)
    return np.asarray(found)


def sentence_scores(bench: Bench) -> Scores:
    """What a sentence checker looks at, of each row [rows, scores]."""
    with (
        closing(Kept(bench.folder)) as kept,
        closing(Dense(VerifySettings(dense_model=bench.options.model, device=bench.options.device), kept)) as dense,
    ):
        return score_matrix([(row.question, row.passage) for row in bench.rows], rarity_of(bench.rows), dense)
