"""The same rows in the files that other trainers read: FlagEmbedding's JSON lines and LlamaIndex's fine-tuning dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from schemas.tables import SPLITS

ROWS = 4096


def write_others(folder: Path, names: tuple[str, ...]) -> tuple[dict[str, int], list[str]]:
    """Write `flagembedding/SPLIT.jsonl` and `llamaindex/SPLIT.json` as asked for, from the files of a dataset folder; returns rows by path
    relative to it, and a sentence on what is not in them. Splits without rows get no file.
    """
    rows: dict[str, int] = {}
    notes = []
    for name in names:
        (folder / name).mkdir()
        for split in SPLITS:
            written, note = _WRITERS[name](folder, split)
            rows |= written
            notes += [note] if note else []
        if not any((folder / name).iterdir()):
            (folder / name).rmdir()
    return rows, notes


def _flagembedding(folder: Path, split: str) -> tuple[dict[str, int], str | None]:
    """{query, pos, neg}: the layout of FlagEmbedding's fine-tuning scripts, which draw negatives from every row."""
    path, without, written = f"flagembedding/{split}.jsonl", 0, 0
    with (folder / path).open("w", encoding="utf-8", newline="\n") as handle:
        for row, _ in _anchors(folder, split):
            if not row["negatives"]:
                without += 1
                continue
            handle.write(_json({"query": row["anchor"], "pos": row["positives"], "neg": row["negatives"]}) + "\n")
            written += 1
    note = f"{path}: {without:,} anchors without negatives are left out." if without else None
    if not written:
        (folder / path).unlink()
        return {}, note
    return {path: written}, note


def _llamaindex(folder: Path, split: str) -> tuple[dict[str, int], None]:
    """queries, corpus and relevant_docs by id: LlamaIndex's EmbeddingQAFinetuneDataset. Of dev and test the questions of `eval/` against all passages."""
    queries, corpus, relevant = _trained(folder, split) if split == "train" else _tested(folder, split)
    if not queries:
        return {}, None
    path = f"llamaindex/{split}.json"
    parts: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        ("{\n", "queries", queries),
        (",\n", "corpus", corpus),
        (",\n", "relevant_docs", relevant),
    )
    with (folder / path).open("w", encoding="utf-8", newline="\n") as handle:
        for start, name, values in parts:
            handle.write(f"{start}{_json(name)}: {{\n")
            handle.writelines(
                f"{',' if i else ''}{_json(key)}: {_json(value)}\n" for i, (key, value) in enumerate(values.items())
            )
            handle.write("}")
        handle.write(',\n"mode": "text"\n}\n')
    return {path: len(queries)}, None


Parts = tuple[dict[str, str], dict[str, str], dict[str, list[str]]]


def _trained(folder: Path, split: str) -> Parts:
    """Anchors by the id of their first question, and the chunks that answer them; texts that are no chunk have no id to go by."""
    queries: dict[str, str] = {}
    corpus: dict[str, str] = {}
    relevant: dict[str, list[str]] = {}
    for row, source in _anchors(folder, split):
        known = [
            (chunk, text) for chunk, text in zip(source["positive_chunk_ids"], row["positives"], strict=True) if chunk is not None
        ]
        if known:
            queries[source["question_id"]] = row["anchor"]
            corpus |= dict(known)
            relevant[source["question_id"]] = [chunk for chunk, _ in known]
    return queries, corpus, relevant


def _tested(folder: Path, split: str) -> Parts:
    place = folder / "eval" / split
    queries = {row["_id"]: row["text"] for row in _lines(place / "queries.jsonl")}
    relevant: dict[str, list[str]] = {}
    with (place / "qrels" / f"{split}.tsv").open(encoding="utf-8") as handle:
        next(handle)
        for line in handle:
            query, chunk, _ = line.rstrip("\n").split("\t")
            relevant.setdefault(query, []).append(chunk)
    return queries, {row["_id"]: row["text"] for row in _lines(place / "corpus.jsonl")} if queries else {}, relevant


def _anchors(folder: Path, split: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Rows of `multi_positive` with where they came from."""
    place = f"multi_positive/{split}.parquet"
    if not (folder / place).is_file():
        return
    rows, sources = pl.scan_parquet(folder / place), pl.scan_parquet(folder / "provenance" / place)
    total = rows.select(pl.len()).collect().item()
    for start in range(0, total, ROWS):
        own, source = rows.slice(start, ROWS).collect(), sources.slice(start, ROWS).collect()
        yield from zip(own.iter_rows(named=True), source.iter_rows(named=True), strict=True)


def _lines(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="\n") as handle:
        yield from map(json.loads, handle)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_WRITERS: Mapping[str, Callable[[Path, str], tuple[dict[str, int], str | None]]] = {
    "flagembedding": _flagembedding,
    "llamaindex": _llamaindex,
}
