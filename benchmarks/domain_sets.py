"""Raw documents and the questions people asked of them, out of the folders of `benchmarks/domain.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.planted_negatives import read_medquad


@dataclass(frozen=True)
class Domain:
    """Raw documents and the questions people asked of them, as files."""

    documents: Path
    queries: Path
    qrels: Path | None


def prepare_squad(data: Path, folder: Path, limit: int, skip: int = 0) -> Domain:
    """Each article's paragraphs joined by blank lines; answer offsets counted in the joined text."""
    paragraphs = pl.read_parquet(data / "squad" / "v1_paragraphs.parquet").sort("title", "para_id")
    texts: dict[str, str] = {}
    starts: dict[str, tuple[str, int]] = {}
    for title, paragraph, context in paragraphs.select("title", "para_id", "context").iter_rows():
        joined = texts[title] + "\n\n" if title in texts else ""
        starts[paragraph] = (title, len(joined))
        texts[title] = joined + context
    documents = [{"id": title, "title": title, "text": text} for title, text in texts.items()]
    questions = pl.read_parquet(data / "squad" / "v1_questions.parquet").filter(~pl.col("is_impossible"))
    rows = [
        {
            "question_id": row["id"],
            "question": row["question"],
            "document": starts[row["para_id"]][0],
            "answer": row["answer"],
            "answer_start": starts[row["para_id"]][1] + row["answer_start"],
        }
        for row in questions.iter_rows(named=True)
    ]
    chosen = _some(rows, "question_id", limit, skip)
    return Domain(_write(folder / "raw" / "articles.jsonl", documents).parent, _write(folder / "questions.jsonl", chosen), None)


def prepare_cranfield(data: Path, folder: Path, limit: int, skip: int = 0) -> Domain:
    """Each abstract a document; judgements name documents."""
    source = data / "ir_cranfield"
    corpus = pl.read_parquet(source / "corpus.parquet").rename({"doc_id": "id"})
    queries = pl.read_parquet(source / "queries.parquet").select(pl.col("query_id").alias("_id"), "text")
    chosen = _some(queries.to_dicts(), "_id", limit, skip)
    kept = {row["_id"] for row in chosen}
    qrels = pl.read_parquet(source / "qrels.parquet").filter(pl.col("query_id").is_in(list(kept)))
    documents = _write(folder / "raw" / "abstracts.jsonl", corpus.select("id", "title", "text").to_dicts())
    judgements = [
        {"query-id": q, "corpus-id": d, "score": s} for q, d, s in qrels.select("query_id", "doc_id", "score").iter_rows()
    ]
    return Domain(documents.parent, _write(folder / "queries.jsonl", chosen), _write(folder / "qrels.jsonl", judgements))


def prepare_medquad(data: Path, folder: Path, limit: int, skip: int = 0) -> Domain:
    """The answers on each subject joined by blank lines, `limit` of them; their questions, with where the answer begins."""
    source = read_medquad(data, limit, skip)
    documents, rows = [], []
    for subject, answers in sorted(source.members.items()):
        joined = ""
        for answer in answers:
            joined += "\n\n" if joined else ""
            start = len(joined)
            joined += source.passages[answer]
            rows += [
                {
                    "question_id": one.id,
                    "question": one.text,
                    "document": subject,
                    "answer": source.passages[answer],
                    "answer_start": start,
                }
                for one in source.questions.get(answer, ())
            ]
        documents.append({"id": subject, "title": subject, "text": joined})
    return Domain(_write(folder / "raw" / "subjects.jsonl", documents).parent, _write(folder / "questions.jsonl", rows), None)


def _some(rows: Sequence[Mapping[str, Any]], key: str, limit: int, skip: int) -> list[Mapping[str, Any]]:
    """At most `limit` rows after the first `skip`, by hash of their id, so that the same ones come every time."""
    return sorted(rows, key=lambda row: sha256(str(row[key]).encode()).hexdigest())[skip : skip + limit]


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
