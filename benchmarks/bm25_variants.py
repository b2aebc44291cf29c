"""Which term weights and which stemmer rank best where people judged: nDCG@10 of BM25 on SQuAD (v1) and Cranfield.

    python benchmarks/bm25_variants.py --data FOLDER

The index terms are those of mining. Differences from the first row come with the 95% interval of a bootstrap over questions (SQuAD: over articles).
Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from curate.bm25 import Index, Variant, build, build_numbered, number_texts, tokenise

CUT = 10
RESAMPLES = 2000
SYSTEMS: dict[str, tuple[Variant, str | None] | None] = {
    "lucene": ("lucene", None),
    "okapi": ("okapi", None),
    "lucene, words only": None,
    "lucene, stemmed": ("lucene", "english"),
    "okapi, stemmed": ("okapi", "english"),
}


@dataclass(frozen=True)
class Judged:
    """Passages, questions, and for each question the grades of passages by their place; `clusters` are resampled together."""

    passages: list[str]
    questions: list[str]
    grades: list[dict[int, float]]
    clusters: list[str]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args(arguments)
    report: dict[str, Any] = {"benchmark": "bm25_variants"}
    for name, judged in (("squad", squad(options.data / "squad")), ("ir_cranfield", cranfield(options.data / "ir_cranfield"))):
        print(f"{name}: {len(judged.passages):,} passages, {len(judged.questions):,} questions")
        values = {system: ndcg(judged, system) for system in SYSTEMS}
        first = next(iter(values.values()))
        report[name] = {}
        for system, found in values.items():
            low, high = interval(found - first, judged.clusters)
            report[name][system] = {"ndcg@10": round(float(found.mean()), 4), "low": round(low, 4), "high": round(high, 4)}
            print(f"{system:20} {found.mean():.4f}   {(found - first).mean():+.4f} ({low:+.4f} to {high:+.4f})")
    print(json.dumps(report))


def ndcg(judged: Judged, system: str) -> npt.NDArray[np.float64]:
    """nDCG@10 of each question."""
    queries, index = _searchable(judged, system)
    ids, _ = index.search(queries, CUT)
    values = []
    for found, grades in zip(ids.tolist(), judged.grades, strict=True):
        gained = sum(grades.get(place, 0.0) / math.log2(rank + 1) for rank, place in enumerate(found, start=1))
        best = sorted(grades.values(), reverse=True)[:CUT]
        values.append(gained / sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, start=1)))
    return np.array(values)


def _searchable(judged: Judged, system: str) -> tuple[list[list[str]], Index]:
    chosen = SYSTEMS[system]
    if chosen is None:
        index = build("bm25s", (tokenise(text, drop_stopwords=True) for text in judged.passages))
        return [tokenise(question, drop_stopwords=True) for question in judged.questions], index
    variant, stemmer = chosen
    index = build_numbered("bm25s", [number_texts(judged.passages, stemmer)], variant, stemmer)
    return [index.tokens(question) for question in judged.questions], index


def interval(differences: npt.NDArray[np.float64], clusters: list[str]) -> tuple[float, float]:
    """95% of the means of resampled clusters."""
    _, numbers = np.unique(np.array(clusters), return_inverse=True)
    sums, counts = np.bincount(numbers, weights=differences), np.bincount(numbers)
    random = np.random.default_rng(0)
    picks = random.integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = np.quantile(sums[picks].sum(1) / counts[picks].sum(1), (0.025, 0.975))
    return float(low), float(high)


def squad(folder: Path) -> Judged:
    """Each human question, and the paragraph it was asked of."""
    paragraphs = pl.read_parquet(folder / "v1_paragraphs.parquet").unique("para_id", maintain_order=True)
    questions = pl.read_parquet(folder / "v1_questions.parquet")
    place = {name: i for i, name in enumerate(paragraphs["para_id"])}
    titles = paragraphs["title"].to_list()
    homes = [place[name] for name in questions["para_id"]]
    grades = [{home: 1.0} for home in homes]
    return Judged(paragraphs["context"].to_list(), questions["question"].to_list(), grades, [titles[home] for home in homes])


def cranfield(folder: Path) -> Judged:
    """Abstracts with their titles, and graded judgements; queries without a relevant abstract are left out."""
    corpus, queries = pl.read_parquet(folder / "corpus.parquet"), pl.read_parquet(folder / "queries.parquet")
    place = {name: i for i, name in enumerate(corpus["doc_id"])}
    grades: dict[str, dict[int, float]] = {}
    for query, document, score in pl.read_parquet(folder / "qrels.parquet").iter_rows():
        if score > 0 and document in place:
            grades.setdefault(query, {})[place[document]] = float(score)
    kept = [(name, text) for name, text in queries.select("query_id", "text").iter_rows() if name in grades]
    texts = [f"{title}\n{text}" for title, text in corpus.select("title", "text").iter_rows()]
    return Judged(texts, [text for _, text in kept], [grades[name] for name, _ in kept], [name for name, _ in kept])


if __name__ == "__main__":
    main()
