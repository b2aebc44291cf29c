"""What a retrieval evaluation needs: a corpus, queries, and which passages answer them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from schemas.errors import InputError
from schemas.manifest import MANIFEST_NAME, file_sha256, read_manifest
from train.questions import DocumentIndex, Mapped, Unmapped, map_questions
from train.rows import KINDS, cell, needed, read_rows

REAL_ORIGINS = frozenset({"imported", "user"})
"""Queries that people brought; all others were made from the passages."""

QUERY_ID = ("_id", "query_id", "qid", "id")
QUERY_TEXT = ("text", "query", "question")
CORPUS_ID = ("corpus_id", "chunk_id", "document_id", "doc_id", "docid")
GRADE = ("score", "relevance", "grade", "label", "rel")

Qrels = dict[str, dict[str, int]]


@dataclass(frozen=True)
class EvalSet:
    """Queries with judgements over a corpus; every query has at least one relevant id of the corpus (or of `documents`)."""

    name: str
    corpus: Mapping[str, str]
    """Chunk id → passage exactly as it is embedded."""
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    """Query id → corpus id → grade above 0."""
    clusters: Mapping[str, str]
    """Query id → the unit that is resampled."""
    styles: Mapping[str, str]
    origins: Mapping[str, str]
    documents: Mapping[str, str] | None = None
    """Chunk id → document id when judgements name documents: a document then stands where its best chunk stands."""
    unmapped: tuple[Unmapped, ...] = ()
    """Queries that could not be judged, and why."""
    notes: tuple[str, ...] = ()
    manifest_sha256: str = ""
    """Of the dataset folder it was read from."""

    @property
    def real(self) -> frozenset[str]:
        """Ids of the queries that people brought."""
        return frozenset(query for query, origin in self.origins.items() if origin in REAL_ORIGINS)


def read_eval_set(dataset: Path, split: str = "test", *, verify_hashes: bool = True) -> EvalSet:
    """The BEIR folder `eval/SPLIT` of a dataset folder: corpus.jsonl, queries.jsonl, qrels/*.tsv.

    `text` alone is what is embedded (export writes the heading prefix into it when that setting is on). A split without queries gives
    an EvalSet without queries. Raises InputError naming file and line: repeated ids, judgements of ids that are not there.
    """
    read_manifest(dataset, verify_hashes=verify_hashes)
    folder = dataset / "eval" / split
    if not folder.is_dir():
        raise InputError(f"no eval/{split} in this dataset", where=str(dataset), next_step="run `curate build` again")
    corpus = _corpus(folder / "corpus.jsonl")
    texts: dict[str, str] = {}
    details: dict[str, Mapping[str, Any]] = {}
    for place, row in read_rows(folder / "queries.jsonl"):
        query = needed(row, QUERY_ID, place)
        _refuse_repeat(query, texts, place)
        texts[query] = needed(row, QUERY_TEXT, place)
        details[query] = row["metadata"] if isinstance(row.get("metadata"), dict) else {}
    qrels: Qrels = {}
    for file in sorted((folder / "qrels").glob("*.tsv")):
        for place, query, item, grade in _judgements(file):
            if query not in texts or item not in corpus:
                raise InputError(f"judges ({query}, {item}), which is not in this folder", where=place)
            if grade > 0:
                qrels.setdefault(query, {})[item] = grade
    judged = [query for query in texts if query in qrels]
    return EvalSet(
        name=split,
        corpus=corpus,
        queries={query: texts[query] for query in judged},
        qrels={query: qrels[query] for query in judged},
        clusters={query: str(details[query].get("cluster_id") or query) for query in judged},
        styles={query: str(details[query].get("style") or "") for query in judged},
        origins={query: str(details[query].get("origin") or "") for query in judged},
        unmapped=tuple(Unmapped(query, "no_judgement") for query in texts if query not in qrels),
        manifest_sha256=file_sha256(dataset / MANIFEST_NAME),
    )


def is_beir(folder: Path) -> bool:
    """Whether a folder holds a corpus, queries and judgements in the layout of BEIR, as files or as folders of files."""
    return all(_parts(folder, name) for name in ("corpus", "queries", "qrels"))


def read_beir(folder: Path) -> EvalSet:
    """A retrieval task from elsewhere: corpus, queries and qrels as JSONL, Parquet, CSV or TSV (of several qrels `test` alone).

    Title and text are embedded together, as BEIR does; each query is resampled for itself. Judgements of ids that are not there are left
    out with a note, passages without any text too. Raises InputError naming file and row.
    """
    corpus: dict[str, str] = {}
    for place, row in _all_rows(folder, "corpus"):
        item = needed(row, QUERY_ID, place)
        _refuse_repeat(item, corpus, place)
        if text := " ".join(part for part in (cell(row, ("title",)), cell(row, ("text",))) if part):
            corpus[item] = text
    texts: dict[str, str] = {}
    for place, row in _all_rows(folder, "queries"):
        query = needed(row, QUERY_ID, place)
        _refuse_repeat(query, texts, place)
        texts[query] = needed(row, QUERY_TEXT, place)
    files = _parts(folder, "qrels")
    named = [file for file in files if file.stem.startswith("test")] or files
    qrels: Qrels = {}
    stray = 0
    for _, query, item, grade in (row for file in named for row in _judgements(file)):
        if query not in texts or item not in corpus:
            stray += 1
        elif grade > 0:
            qrels.setdefault(query, {})[item] = grade
    judged = [query for query in texts if query in qrels]
    return EvalSet(
        name=folder.name,
        corpus=corpus,
        queries={query: texts[query] for query in judged},
        qrels={query: qrels[query] for query in judged},
        clusters={query: query for query in judged},
        styles=dict.fromkeys(judged, folder.name),
        origins=dict.fromkeys(judged, "user"),
        unmapped=tuple(Unmapped(query, "no_judgement") for query in texts if query not in qrels),
        notes=(f"Judgements of queries or passages that are not there: {stray}.",) if stray else (),
    )


def with_user_queries(base: EvalSet, queries: Path, qrels: Path, chunks: pl.DataFrame | None = None) -> EvalSet:
    """`base`'s corpus with the user's own queries and judgements (BEIR columns; JSONL, CSV, TSV or Parquet).

    Corpus ids are chunk ids or, when `chunks` (columns as in `map_questions`) is given, anything that names a document. One document id
    makes the whole test one of documents: each stands at the rank of its best chunk.
    """
    texts: dict[str, str] = {}
    for place, row in read_rows(queries):
        query = needed(row, QUERY_ID, place)
        _refuse_repeat(query, texts, place)
        texts[query] = needed(row, QUERY_TEXT, place)
    named: Qrels = {}
    for _, query, item, grade in _judgements(qrels):
        if grade > 0:
            named.setdefault(query, {})[item] = grade
    index = DocumentIndex(_in_corpus(chunks, base)) if chunks is not None else None
    resolve = _resolver(named, base.corpus, index)
    found: Qrels = {}
    unmapped: list[Unmapped] = []
    lost = 0
    for query in texts:
        items: dict[str, int] = {}
        for item, grade in named.get(query, {}).items():
            target = resolve(item)
            if target is not None:
                items[target] = max(grade, items.get(target, 0))
        lost += any(resolve(item) is None for item in named.get(query, ()))
        if items:
            found[query] = items
        else:
            unmapped.append(Unmapped(query, "document_unknown" if query in named else "no_judgement"))
    notes = [f"Queries with judgements of passages that this corpus does not have: {lost}."] if lost else []
    if stray := len(named.keys() - texts.keys()):
        notes.append(f"Queries judged in {qrels.name} that are not in {queries.name}: {stray}.")
    clusters = index.clusters(found) if index is not None else {query: query for query in found}
    mapped = Mapped({query: texts[query] for query in found}, found, clusters, tuple(unmapped), {})
    result = _of_user(base, mapped, tuple(notes))
    by_document = index is not None and any(item not in base.corpus for items in found.values() for item in items)
    return replace(result, documents=index.document_of) if index is not None and by_document else result


def with_questions(base: EvalSet, questions: Path, chunks: pl.DataFrame) -> EvalSet:
    """`base`'s corpus with the user's questions (document, answer text and/or offset), mapped onto its chunks by `map_questions`."""
    mapped = map_questions([row for _, row in read_rows(questions)], _in_corpus(chunks, base))
    how = ", ".join(f"{count} by {method}" for method, count in mapped.methods.items() if count)
    return _of_user(base, mapped, (f"Questions mapped onto chunks: {len(mapped.queries)} ({how}).",))


def _of_user(base: EvalSet, mapped: Mapped, notes: tuple[str, ...]) -> EvalSet:
    if not mapped.queries:
        reasons = ", ".join(sorted({item.reason for item in mapped.unmapped})) or "the file has none"
        raise InputError(f"no query could be judged against this corpus ({reasons})", next_step="check ids, titles and answers")
    if mapped.unmapped:
        notes = (*notes, f"Queries left out because they could not be judged: {len(mapped.unmapped)}.")
    return EvalSet(
        name="user",
        corpus=base.corpus,
        queries=mapped.queries,
        qrels=mapped.qrels,
        clusters=mapped.clusters,
        styles=dict.fromkeys(mapped.queries, "user"),
        origins=dict.fromkeys(mapped.queries, "user"),
        unmapped=mapped.unmapped,
        notes=notes,
        manifest_sha256=base.manifest_sha256,
    )


def _parts(folder: Path, name: str) -> list[Path]:
    """`name.jsonl` (or another kind), or the files of the folder `name`."""
    places = [folder / f"{name}{kind}" for kind in KINDS]
    inner = sorted((folder / name).iterdir()) if (folder / name).is_dir() else []
    return [path for path in (*places, *inner) if path.is_file() and path.suffix.lower() in KINDS]


def _all_rows(folder: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in _parts(folder, name):
        yield from read_rows(path)


def _corpus(path: Path) -> dict[str, str]:
    corpus: dict[str, str] = {}
    for place, row in read_rows(path):
        item = needed(row, ("_id",), place)
        _refuse_repeat(item, corpus, place)
        corpus[item] = needed(row, ("text",), place)
    if not corpus:
        raise InputError("the corpus is empty", where=str(path), next_step="run `curate build` again")
    return corpus


def _judgements(path: Path) -> list[tuple[str, str, str, int]]:
    rows = []
    for place, row in read_rows(path):
        grade = cell(row, GRADE) or "1"
        try:
            number = int(float(grade))
        except ValueError as error:
            raise InputError(f"{grade!r} is not a grade", where=place, next_step="grades are whole numbers") from error
        rows.append((place, needed(row, ("query_id", "qid"), place), needed(row, CORPUS_ID, place), number))
    return rows


def _in_corpus(chunks: pl.DataFrame, base: EvalSet) -> pl.DataFrame:
    return chunks.filter(pl.col("chunk_id").is_in(list(base.corpus)))


def _resolver(named: Qrels, corpus: Mapping[str, str], index: DocumentIndex | None) -> Callable[[str], str | None]:
    """A judged id → the id that stands for it: itself when chunks are judged, its document when documents are."""
    if index is None:
        return lambda item: item if item in corpus else None
    documents: dict[str, str] = {}
    for item in {item for items in named.values() for item in items if item not in corpus}:
        document = index.find(item)
        if isinstance(document, str):
            documents[item] = document
    if not documents:
        return lambda item: item if item in corpus else None
    return lambda item: documents.get(item) or index.document_of.get(item)


def _refuse_repeat(key: str, seen: Mapping[str, Any], place: str) -> None:
    if key in seen:
        raise InputError(f"the id {key!r} appears a second time", where=place, next_step="make ids unique")
