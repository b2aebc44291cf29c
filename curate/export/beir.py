"""The evaluation folders in BEIR's layout: one corpus of all chunks, the queries of one split, and what is relevant to them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from curate.export.formats import usable
from curate.stage import Context, Reader
from curate.text import normalise

EVAL_SPLITS = ("dev", "test")
IDS_A_QUERY = 4096


@dataclass
class Query:
    """One question of a split, however many pairs ask it."""

    query_id: str
    text: str
    style: str
    origin: str
    cluster_id: str
    chunk_ids: set[str] = field(default_factory=set)


def write_eval(context: Context, folder: Path) -> dict[str, int]:
    """Write `eval/dev` and `eval/test`; returns rows by path relative to `folder`."""
    queries = {split: read_queries(context.reader, split) for split in EVAL_SPLITS}
    rows: dict[str, int] = {}
    for split in EVAL_SPLITS:
        place = f"eval/{split}"
        (folder / place / "qrels").mkdir(parents=True)
        if split == EVAL_SPLITS[0]:
            passages = _write_lines(folder / place / "corpus.jsonl", _corpus(context.reader))
        else:
            shutil.copyfile(folder / "eval" / EVAL_SPLITS[0] / "corpus.jsonl", folder / place / "corpus.jsonl")
        rows[f"{place}/corpus.jsonl"] = passages
        rows[f"{place}/queries.jsonl"] = _write_lines(folder / place / "queries.jsonl", _query_lines(queries[split]))
        rows[f"{place}/qrels/{split}.tsv"] = _write_qrels(
            context.reader, folder / place / "qrels" / f"{split}.tsv", queries[split]
        )
    return rows


def read_queries(reader: Reader, split: str) -> list[Query]:
    """The split's questions in id order, one for each normalised wording, with every chunk that is known to answer them.

    Questions that stand verbatim in their passage (`train_only`) ask nothing here, but their passages count as answers.
    """
    found: dict[str, Query] = {}
    columns = ("pair_id", "question_id", "chunk_id", "anchor", "positive", "split", "cluster_id", "style", "origin", "train_only")
    asked = (pl.col("split") == split) & pl.col("is_positive") & ~pl.col("train_only") & usable()
    for rows in reader.batches("pairs", columns=(*columns, "is_positive")):
        for row in rows.filter(asked).iter_rows(named=True):
            query = Query(row["question_id"], row["anchor"], row["style"], row["origin"], row["cluster_id"])
            found.setdefault(normalise(row["anchor"]), query)
    if not found:
        return []
    for rows in reader.batches("pairs", columns=("anchor", "chunk_id", "origin", "is_positive")):
        _add_answers(found, rows.filter("is_positive").select("anchor", "chunk_id", "origin").rows())
    _add_answers(found, reader.query("export_repeated_questions").rows())
    _add_answers(found, _promoted(reader, split))
    return sorted(found.values(), key=lambda query: query.query_id)


def _promoted(reader: Reader, split: str) -> Iterator[tuple[Any, ...]]:
    """Chunks that mining found to answer, unless a row of the user's says that they do not."""
    answers = reader.query("export_promoted", {"split": split}).rows()
    if not answers:
        return
    denied: set[tuple[str, str]] = set()
    for rows in reader.batches("pairs", columns=("anchor", "chunk_id", "is_positive")):
        denied.update((normalise(anchor), chunk_id) for anchor, chunk_id, positive in rows.rows() if not positive)
    yield from (answer for answer in answers if (normalise(answer[0]), answer[1]) not in denied)


def _add_answers(queries: Mapping[str, Query], answers: Iterable[tuple[Any, ...]]) -> None:
    for anchor, chunk_id, origin in answers:
        query = queries.get(normalise(anchor))
        # What a generator wrote must not change what people judged.
        if query is not None and (query.origin != "imported" or origin == "imported"):
            query.chunk_ids.add(chunk_id)


def _corpus(reader: Reader) -> Iterator[dict[str, Any]]:
    for rows in reader.batches("chunks", columns=("chunk_id", "passage")):
        for chunk_id, passage in rows.rows():
            # The heading path, where it is embedded, already stands in the text: a title would double it.
            yield {"_id": chunk_id, "title": "", "text": passage}


def _query_lines(queries: Iterable[Query]) -> Iterator[dict[str, Any]]:
    for query in queries:
        details = {"style": query.style, "origin": query.origin, "cluster_id": query.cluster_id}
        yield {"_id": query.query_id, "text": query.text, "metadata": details}


def _write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        for line in lines:
            handle.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_qrels(reader: Reader, path: Path, queries: list[Query]) -> int:
    """Near-copies of an answer are answers too."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write("query-id\tcorpus-id\tscore\n")
        for begin in range(0, len(queries), IDS_A_QUERY):
            page = queries[begin : begin + IDS_A_QUERY]
            copies: dict[str, set[str]] = {}
            wanted = sorted({chunk_id for query in page for chunk_id in query.chunk_ids})
            for chunk_id, member in reader.query("export_near_copies", {"ids": wanted}).rows():
                copies.setdefault(chunk_id, set()).add(member)
            for query in page:
                relevant = query.chunk_ids.union(*(copies.get(chunk_id, ()) for chunk_id in query.chunk_ids))
                handle.writelines(f"{query.query_id}\t{chunk_id}\t1\n" for chunk_id in sorted(relevant))
                count += len(relevant)
    return count
