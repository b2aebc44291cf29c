"""Table files row by row: JSONL, JSON lists, CSV, TSV, Parquet and Hugging Face datasets, never whole in memory (JSON lists are)."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from curate.ingest.decode import decode, detect_stream
from curate.ingest.discover import SourceFile
from curate.ingest.hub import dataset_rows, hub_splits, saved_splits
from curate.ingest.reject import NotKept
from schemas.reasons import Reason
from schemas.settings import IngestSettings

Numbered = tuple[int, Mapping[str, Any] | NotKept]
"""Row number (from 1; the line of a JSONL file) and the row's values, or why it does not parse."""

PEEK = 1000
"""Rows of a JSONL or JSON file whose keys make up its columns."""
BATCH = 1000


@dataclass(frozen=True)
class Table:
    """One table of a file; `rows(columns)` reads those columns. It may raise NotKept at the place where the file breaks."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[tuple[str, ...]], Iterator[Numbered]]


def open_tables(file: SourceFile, settings: IngestSettings) -> Iterator[Table]:
    """The tables of a file: one, or one a split of a dataset. Raises NotKept, OSError or InputError."""
    if file.kind in ("hub", "saved"):
        splits = hub_splits(file.path) if file.kind == "hub" else saved_splits(file.path)
        mark = ":" if file.kind == "hub" else "/"
        for split, dataset in splits:
            whole = not split or file.name.endswith(":" + split)
            name = file.name if whole else f"{file.name}{mark}{split}"
            yield Table(name, tuple(dataset.column_names), _reader_of(dataset))
        return
    if Path(file.path).stat().st_size == 0:
        raise NotKept(Reason.FILE_EMPTY, "0 bytes")
    yield _OPENERS[file.kind](file, settings)


def _reader_of(dataset: Any) -> Callable[[tuple[str, ...]], Iterator[Numbered]]:
    return lambda columns: enumerate(dataset_rows(dataset, columns, BATCH), 1)


def _open_parquet(file: SourceFile, _: IngestSettings) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def rows(columns: tuple[str, ...]) -> Iterator[Numbered]:
        number = 0
        try:
            with pq.ParquetFile(file.path) as parquet:
                for batch in parquet.iter_batches(BATCH, columns=list(columns)):
                    for values in batch.to_pylist():
                        number += 1
                        yield number, values
        except (pa.ArrowException, OSError, ValueError) as error:
            raise NotKept(Reason.FILE_BROKEN, f"not readable as Parquet after row {number}: {_first_line(error)}") from error

    try:
        with pq.ParquetFile(file.path) as parquet:
            names = tuple(parquet.schema_arrow.names)
    except PermissionError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise NotKept(Reason.FILE_BROKEN, f"not readable as Parquet: {_first_line(error)}") from error
    return Table(file.name, names, rows)


def _open_jsonl(file: SourceFile, settings: IngestSettings) -> Table:
    encoding = _encoding(file, settings)
    return _of_objects(file.name, lambda: _json_lines(_lines(file, encoding)))


def _open_json(file: SourceFile, settings: IngestSettings) -> Table:
    path = Path(file.path)
    if path.stat().st_size > settings.max_file_bytes:
        raise NotKept(Reason.FILE_TOO_LARGE, "a JSON list is read whole; write it as JSONL, one object a line")
    text = decode(path.read_bytes(), settings.encoding)
    try:
        value = json.loads(text.lstrip("\ufeff"))
    except RecursionError as error:
        raise NotKept(Reason.FILE_TOO_DEEP, "JSON nested too deep") from error
    except ValueError as error:
        encoding = _encoding(file, settings)
        if text.count("\n") and not text.lstrip().startswith("["):
            return _of_objects(file.name, lambda: _json_lines(_lines(file, encoding)))
        raise NotKept(Reason.FILE_BROKEN, f"not JSON: {error}") from error
    if not isinstance(value, list):
        raise NotKept(Reason.FILE_BROKEN, "expected a list of objects, found one value; wrap it in [ ] or write JSONL")
    return _of_objects(file.name, lambda: ((number, _object(item)) for number, item in enumerate(value, 1)))


def _of_objects(name: str, read: Callable[[], Iterator[Numbered]]) -> Table:
    """A table without a header: its columns are the keys of the first rows."""
    columns: dict[str, None] = {}
    first = list(islice(read(), PEEK))
    for _, values in first:
        if not isinstance(values, NotKept):
            columns |= dict.fromkeys(values)
    if not columns:
        broken = f"; row {first[0][0]}: {first[0][1].detail}" if first and isinstance(first[0][1], NotKept) else ""
        raise NotKept(Reason.FILE_BROKEN if first else Reason.FILE_EMPTY, f"no row holds an object{broken}")

    def rows(wanted: tuple[str, ...]) -> Iterator[Numbered]:
        for number, values in read():
            yield number, values if isinstance(values, NotKept) else {key: values[key] for key in wanted if key in values}

    return Table(name, tuple(columns), rows)


def _json_lines(lines: Iterable[str]) -> Iterator[Numbered]:
    for number, line in enumerate(lines, 1):
        if line.strip(" \t\r\n\ufeff\0"):
            try:
                yield number, _object(json.loads(line.strip(" \t\r\n\ufeff\0")))
            except RecursionError:
                yield number, NotKept(Reason.ROW_BROKEN, "JSON nested too deep")
            except ValueError as error:
                yield number, NotKept(Reason.ROW_BROKEN, f"not JSON: {error}")


def _object(value: Any) -> Mapping[str, Any] | NotKept:
    return value if isinstance(value, dict) else NotKept(Reason.ROW_BROKEN, f"not an object but {type(value).__name__}")


def _open_delimited(file: SourceFile, settings: IngestSettings) -> Table:
    # A field may be as long as a document; the limit is of the whole process, and 128 KB by default.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    encoding = _encoding(file, settings)
    header_line = next(_lines(file, encoding), "")
    delimiter = "\t" if file.kind == "tsv" else _delimiter(header_line)
    try:
        header = next(csv.reader(_lines(file, encoding), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise NotKept(Reason.FILE_BROKEN, f"the header does not parse: {error}") from error
    columns = tuple(name.strip().lstrip("\ufeff") for name in header)
    if not any(columns):
        raise NotKept(Reason.FILE_EMPTY, "no header")
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise NotKept(Reason.FILE_BROKEN, f"the header names {repeated[0]!r} twice")

    def rows(wanted: tuple[str, ...]) -> Iterator[Numbered]:
        places = {name: columns.index(name) for name in wanted}
        reader = csv.reader(_lines(file, encoding), delimiter=delimiter, strict=True)
        next(reader, None)
        yield from _delimited_rows(reader, places, len(columns))

    return Table(file.name, columns, rows)


def _delimited_rows(reader: Any, places: Mapping[str, int], width: int) -> Iterator[Numbered]:
    number = 0
    while True:
        number += 1
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, NotKept(Reason.ROW_BROKEN, f"from line {line}: {error} (is a quote not closed?)")
            continue
        if not fields:
            number -= 1
        elif len(fields) > width:
            yield number, NotKept(Reason.ROW_BROKEN, f"line {line} has {len(fields)} fields, the header {width}")
        else:
            yield number, {name: fields[place] if place < len(fields) else None for name, place in places.items()}


def _delimiter(header: str) -> str:
    return max(",;\t", key=lambda mark: (header.count(mark), mark == ","))


def _encoding(file: SourceFile, settings: IngestSettings) -> str:
    with Path(file.path).open("rb") as handle:
        return settings.encoding or detect_stream(handle)


def _lines(file: SourceFile, encoding: str) -> Iterator[str]:
    with Path(file.path).open(encoding=encoding, errors="replace", newline="") as handle:
        first = handle.readline()
        yield first.removeprefix("\ufeff")
        yield from handle


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_OPENERS: dict[str, Callable[[SourceFile, IngestSettings], Table]] = {
    "parquet": _open_parquet,
    "jsonl": _open_jsonl,
    "json": _open_json,
    "csv": _open_delimited,
    "tsv": _open_delimited,
}
