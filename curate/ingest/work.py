"""The row-parallel part of ingest: one file, or some rows of a table, to rows and rejections. Pure and picklable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.ingest.blocks import Parsed
from curate.ingest.clean import clean
from curate.ingest.columns import Layout, choose
from curate.ingest.decode import decode
from curate.ingest.discover import TABLES, SourceFile
from curate.ingest.documents import document_row
from curate.ingest.reject import NotKept, reject
from curate.ingest.rows import pair_rows, record_row
from curate.ingest.tables import BATCH, Numbered, Table, open_tables
from curate.stage import Rejection
from schemas.errors import CurateError
from schemas.reasons import Reason
from schemas.settings import IngestSettings

MAX_BATCH_CHARACTERS = 4_000_000
"""A batch of rows ends before it holds more text than this, so that memory stays bounded whatever the rows hold."""


@dataclass(frozen=True)
class FileTask:
    """Read one document file."""

    file: SourceFile
    settings: IngestSettings


@dataclass(frozen=True)
class RowsTask:
    """Turn some rows of one table into documents or pairs."""

    name: str
    layout: Layout
    rows: tuple[Numbered, ...]
    settings: IngestSettings


@dataclass(frozen=True)
class Outcome:
    """What became of one task. Each kept row comes with the key under which it is rejected if it was there before."""

    name: str
    documents: tuple[tuple[str, dict[str, Any]], ...] = ()
    pairs: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = ()
    """(key, passage as a document, imported pair)"""
    rejected: tuple[Rejection, ...] = ()


Task = FileTask | RowsTask | Outcome


def tasks(files: Sequence[SourceFile], settings: IngestSettings) -> Iterator[Task]:
    """Work for each file, in order; a table that cannot be read is at once an outcome."""
    for file in files:
        if file.kind not in TABLES:
            yield FileTask(file, settings)
            continue
        try:
            for table in open_tables(file, settings):
                yield from _table_tasks(table, settings)
        except CurateError:
            raise
        except Exception as error:  # whatever a reader of untrusted bytes may raise is said of the file
            yield Outcome(file.name, rejected=(reject(file.name, _cause(error)),))


def _table_tasks(table: Table, settings: IngestSettings) -> Iterator[Task]:
    layout = choose(table.columns, settings.columns)
    rows: list[Numbered] = []
    size = count = 0
    for numbered in table.rows(layout.used()):
        if rows and (len(rows) >= BATCH or size > MAX_BATCH_CHARACTERS):
            yield RowsTask(table.name, layout, tuple(rows), settings)
            rows, size = [], 0
        rows.append(numbered)
        size += _characters(numbered[1])
        count += 1
    if not count:
        raise NotKept(Reason.FILE_EMPTY, "a table without rows")
    yield RowsTask(table.name, layout, tuple(rows), settings)


def _characters(values: Mapping[str, Any] | NotKept) -> int:
    if isinstance(values, NotKept):
        return 0
    return sum(len(value) for value in values.values() if isinstance(value, str))


def work(task: Task) -> Outcome:
    """Do one task. Never raises for what a file holds."""
    match task:
        case Outcome():
            return task
        case FileTask():
            return _read_file(task.file, task.settings)
        case RowsTask():
            return _read_rows(task)


def _read_file(file: SourceFile, settings: IngestSettings) -> Outcome:
    try:
        text = _text_of(file, settings)
        row = document_row(file.name, file.kind, _reader(file.kind)(text))
    except Exception as error:  # whatever a parser of untrusted bytes may raise is said of the file
        return Outcome(file.name, rejected=(reject(file.name, _cause(error)),))
    return Outcome(file.name, documents=((file.name, row),))


def _text_of(file: SourceFile, settings: IngestSettings) -> str:
    path = Path(file.path)
    with path.open("rb") as handle:
        data = handle.read(settings.max_file_bytes + 1)
    if len(data) > settings.max_file_bytes:
        raise NotKept(Reason.FILE_TOO_LARGE, f"more than {settings.max_file_bytes} bytes")
    if not data:
        raise NotKept(Reason.FILE_EMPTY, "0 bytes")
    text = clean(decode(data, settings.encoding, markup=file.kind == "html"))
    if not text.strip():
        raise NotKept(Reason.FILE_EMPTY, "only white space")
    return text


def _reader(kind: str) -> Callable[[str], Parsed]:
    # Each parser takes time to load, and most corpora need one.
    match kind:
        case "markdown":
            from curate.ingest.markdown import read_markdown

            return read_markdown
        case "rst":
            from curate.ingest.rst import read_rst

            return read_rst
        case "html":
            from curate.ingest.html import read_html

            return read_html
    from curate.ingest.plain import read_plain

    return read_plain


def _cause(error: Exception) -> NotKept:
    """The reason that an exception stands for."""
    if isinstance(error, NotKept):
        return error
    if isinstance(error, RecursionError):
        return NotKept(Reason.FILE_TOO_DEEP, "nested deeper than the parser can follow")
    if isinstance(error, OSError):
        return NotKept(Reason.FILE_UNREADABLE, error.strerror or type(error).__name__)
    if isinstance(error, MemoryError):
        return NotKept(Reason.FILE_TOO_LARGE, "not enough memory to parse it")
    return NotKept(Reason.FILE_BROKEN, f"{type(error).__name__}: {error}"[:300])


def _read_rows(task: RowsTask) -> Outcome:
    documents, pairs, rejected = [], [], []
    for number, values in task.rows:
        key = f"{task.name}#{number}"
        try:
            if isinstance(values, NotKept):
                raise values
            if task.layout.pairs:
                pairs.append((key, *pair_rows(task.name, values, task.layout, task.settings)))
            else:
                documents.append((key, record_row(task.name, values, task.layout)))
        except NotKept as cause:
            # A row without letters is not an empty file.
            reason = Reason.ROW_WITHOUT_TEXT if cause.reason is Reason.FILE_EMPTY else cause.reason
            known = {} if isinstance(values, NotKept) else {"row": number, **values}
            rejected.append(reject(key, NotKept(reason, cause.detail), known))
    return Outcome(task.name, tuple(documents), tuple(pairs), tuple(rejected))
