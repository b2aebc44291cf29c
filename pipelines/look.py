"""Looks into a build without changing it: status, rows of a table, rejects, the story of one id, any SELECT."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from curate.filter.labels import LABELS, Label, read_marks
from curate.store import Store, fetch, open_store
from pipelines.flow import STAGE_NAMES
from pipelines.ledger import Entry, read_ledger
from pipelines.verdicts import gate_rows
from schemas.errors import SettingsError, StoreError
from schemas.tables import KEYS, TABLES

Rows = list[dict[str, Any]]


def status(folder: Path) -> Rows:
    """One row a built stage: rows in, kept, rejected and quarantined, seconds, when, answers owed."""
    with open_store(folder, read_only=True) as store:
        ledger = read_ledger(store)
    return [_status_row(ledger[name]) for name in STAGE_NAMES if name in ledger]


def _status_row(entry: Entry) -> dict[str, Any]:
    return {
        "stage": entry.stage,
        "in": entry.rows_in,
        "kept": entry.kept,
        "rejected": sum(entry.rejected.values()),
        "quarantined": sum(entry.quarantined.values()),
        "reasons": {**entry.rejected, **entry.quarantined},
        "owed": entry.owed,
        "seconds": entry.seconds,
        "finished_at": entry.finished_at,
        "notes": list(entry.notes),
    }


@dataclass(frozen=True)
class Part:
    """Some of many rows: those for which a SQL expression holds, so many passed over."""

    where: str | None = None
    offset: int = 0


def show(folder: Path, table: str, limit: int = 20, part: Part = Part()) -> Rows:
    """Rows of a table in key order. Raises SettingsError naming the tables there are, or what is wrong with the expression."""
    with open_store(folder, read_only=True) as store:
        _exists(store, table)
        order = ", ".join(KEYS.get(table, ("stage", "row_key")))
        chosen = _where(store, f"SELECT * FROM {table}", part.where)  # noqa: S608
        return _asked(
            store, f"{chosen} ORDER BY {order} LIMIT $limit OFFSET $offset", {"limit": limit, "offset": part.offset}, part.where
        )


def rejects(
    folder: Path,
    stage: str | None = None,
    reason: str | None = None,
    limit: int | None = None,
    part: Part = Part(),
) -> Rows:
    """Rows of `rejected`, newest stage last; filtered by stage and reason where given. Raises SettingsError for what is no expression."""
    with open_store(folder, read_only=True) as store:
        chosen = _where(
            store,
            "SELECT * FROM rejected WHERE ($stage IS NULL OR stage = $stage) AND ($reason IS NULL OR reason = $reason)",
            part.where,
        )
        return _asked(
            store,
            f"{chosen} ORDER BY list_position($order, stage), reason, row_key, detail, row_json LIMIT $limit OFFSET $offset",
            {
                "stage": stage,
                "reason": reason,
                "order": list(STAGE_NAMES),
                "limit": limit if limit is not None else 2**40,
                "offset": part.offset,
            },
            part.where,
        )


def _where(store: Store, select: str, where: str | None) -> str:
    """The SELECT with an expression of the user's around it. Raises SettingsError unless it is one expression."""
    if where is None:
        return select
    try:
        # What is no lone expression (a comment, a second statement, a bracket too many) does not parse alone either.
        statements = store.connection.extract_statements(f"SELECT (\n{where}\n) AS holds")
    except duckdb.Error as error:
        raise _not_an_expression(str(error)) from error
    if len(statements) != 1:
        raise _not_an_expression("more than one statement")
    return f"SELECT * FROM ({select}) WHERE (\n{where}\n)"  # noqa: S608 (read-only, and the user's own tables)


def _asked(store: Store, query: str, values: Mapping[str, Any], where: str | None) -> Rows:
    try:
        return store.rows(query, values)
    except duckdb.Error as error:
        if where is None:
            raise
        raise _not_an_expression(str(error)) from error


def _not_an_expression(what: str) -> SettingsError:
    return SettingsError(
        what.splitlines()[0], where="--where", next_step="give one SQL expression over the columns, such as \"style = 'heading'\""
    )


def sql(folder: Path, query: str) -> Rows:
    """The result of one read-only SELECT. No file and no network can be reached from it."""
    with open_store(folder, read_only=True) as store:
        try:
            statements = store.connection.extract_statements(query)
            if len(statements) != 1:
                raise SettingsError(
                    "give exactly one statement", where="sql", next_step='curate sql DIR "SELECT count(*) FROM pairs"'
                )
            return fetch(store.connection, query).to_dicts()
        except duckdb.Error as error:
            raise SettingsError(
                str(error), where="sql", next_step="the tables are " + ", ".join(sorted(store.tables() & TABLES.keys()))
            ) from error


def why(folder: Path, key: str) -> list[dict[str, Any]]:
    """The story of a document, chunk, question, pair or file: every row that mentions it, in the order of the flow.

    `key` is an id or its beginning (at least 6 characters), or a source file name. Raises StoreError when nothing mentions it.
    """
    with open_store(folder, read_only=True) as store:
        story = list(_story(store, key, read_marks(folder)))
    if not story:
        raise StoreError(
            f"nothing here is named {key!r}", where=str(folder), next_step="`curate show DIR documents` lists ids and files"
        )
    return story


_STORY = (
    ("documents", "source = $key OR starts_with(document_id, $key) OR document_id IN (SELECT document_id FROM chunks WHERE chunk_id IN $chunks)"),
    ("imported_pairs", "starts_with(imported_pair_id, $key) OR imported_pair_id IN (SELECT imported_pair_id FROM questions WHERE question_id IN $questions)"),
    ("document_clusters", "document_id IN $documents"),
    ("splits", "document_id IN $documents"),
    ("chunks", "chunk_id IN $chunks OR ($by_document AND document_id IN $documents)"),
    ("chunk_clusters", "chunk_id IN $chunks OR ($by_document AND chunk_id IN (SELECT chunk_id FROM chunks WHERE document_id IN $documents))"),
    ("questions", "question_id IN $questions OR ($by_chunk AND chunk_id IN $chunks)"),
    ("checks", "question_id IN $questions OR ($by_chunk AND question_id IN (SELECT question_id FROM questions WHERE chunk_id IN $chunks))"),
    ("pairs", "question_id IN $questions OR ($by_chunk AND chunk_id IN $chunks)"),
    ("negatives", "pair_id IN (SELECT pair_id FROM pairs WHERE question_id IN $questions) OR ($by_chunk AND pair_id IN (SELECT pair_id FROM pairs WHERE chunk_id IN $chunks))"),
)  # fmt: skip


def _story(store: Store, key: str, labels: Mapping[str, Label]) -> Iterator[dict[str, Any]]:
    found = store.tables()
    ids = _ids(store, key)
    for table, condition in _STORY:
        if table in found:
            used = {name: value for name, value in ids.items() if f"${name}" in condition}
            order = ", ".join(KEYS[table])
            for row in store.rows(f"SELECT * FROM {table} WHERE {condition} ORDER BY {order}", used):  # noqa: S608
                yield {"table": table, **row}
                if table == "checks":
                    yield from ({"table": "gates", **gate} for gate in gate_rows(store, [row["question_id"]]))
                    if row["question_id"] in labels:
                        yield {"table": LABELS, **asdict(labels[row["question_id"]])}
    every = [key, *ids["documents"], *ids["chunks"], *ids["questions"], *_pairs(store, ids)]
    for row in store.rows(
        "SELECT * FROM rejected WHERE row_key IN $every OR starts_with(row_key, $begins) ORDER BY list_position($order, stage), row_key",
        {"every": every, "begins": ids["key"], "order": list(STAGE_NAMES)},
    ):
        yield {"table": "rejected", **row}


def _ids(store: Store, key: str) -> dict[str, Any]:
    """Documents, chunks and questions that belong to the key, walking up from what it names."""
    named = key if len(key) >= 6 else "-"
    questions = _column(store, "questions", "question_id", "starts_with(question_id, $key) OR starts_with(group_id, $key)", named)
    questions += _column(store, "pairs", "question_id", "starts_with(pair_id, $key)", named)
    chunks = _column(store, "chunks", "chunk_id", "starts_with(chunk_id, $key)", named)
    by_chunk = bool(chunks)
    if questions:
        chunks += _column(store, "questions", "chunk_id", "question_id IN $key", questions)
    documents = _column(store, "documents", "document_id", "starts_with(document_id, $key)", named)
    documents += _column(store, "documents", "document_id", "source = $key", key)
    by_document = bool(documents)
    if chunks:
        documents += _column(store, "chunks", "document_id", "chunk_id IN $key", chunks)
    return {
        "key": named,
        "documents": documents,
        "chunks": chunks,
        "questions": questions,
        "by_document": by_document,
        "by_chunk": by_chunk,
    }


def _column(store: Store, table: str, column: str, condition: str, key: Any) -> list[str]:
    if table not in store.tables():
        return []
    rows = store.rows(f"SELECT DISTINCT {column} AS id FROM {table} WHERE {condition} ORDER BY 1", {"key": key})  # noqa: S608
    return [row["id"] for row in rows]


def _pairs(store: Store, ids: dict[str, Any]) -> list[str]:
    return _column(store, "pairs", "pair_id", "question_id IN $key", ids["questions"]) if ids["questions"] else []


def _exists(store: Store, table: str) -> None:
    tables = sorted(store.tables() & TABLES.keys())
    if table not in tables:
        raise SettingsError(f"no table {table!r}", where="show", next_step=f"one of {', '.join(tables)}")


def as_json(rows: Any) -> str:
    """Rows as indented JSON, ids and text unescaped."""
    return json.dumps(rows, ensure_ascii=False, indent=2, default=str)
