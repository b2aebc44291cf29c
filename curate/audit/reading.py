"""The rows of a dataset as they stand in its files, with the split and the place of each."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import polars.exceptions

from curate.audit.files import SPLITS, Part, find_parts
from curate.ingest.decode import decode, detect
from curate.ingest.reject import NotKept
from schemas.errors import InputError
from schemas.plain import json_object

_CHARACTERS_SHOWN = 160


@dataclass(frozen=True)
class Rows:
    """All rows, in the order of the files."""

    frame: pl.DataFrame
    """The columns of the input."""
    places: pl.DataFrame
    """row (UInt32, from 0), split (String or null), place ("train.jsonl row 3")."""
    files: tuple[str, ...]
    notes: tuple[str, ...]
    named_split: bool = False
    """Whether the splits come from names of files and not from a column."""


def read_dataset(path: Path, split_column: str | None = None) -> Rows:
    """Read all files of a dataset; raises InputError naming the file, and the row where one does not parse."""
    parts, notes = find_parts(path)
    frames = [_read(part, notes) for part in parts]
    for part, frame in zip(parts, frames, strict=True):
        if not frame.width:
            raise InputError(
                "holds no columns", where=part.name, next_step="the first line of a CSV or TSV file names its columns"
            )
    frame = _together(parts, frames)
    if not frame.height:
        raise InputError("holds no rows", where=path.name, next_step="give a file with one row a line")
    places, named = _places(parts, frames, frame, split_column)
    return Rows(frame, places, tuple(part.name for part in parts), tuple(notes), named)


def _together(parts: list[Part], frames: list[pl.DataFrame]) -> pl.DataFrame:
    if len(frames) == 1:
        return frames[0]
    try:
        return pl.concat(frames, how="diagonal_relaxed")
    except polars.exceptions.PolarsError as error:
        names = ", ".join(part.name for part in parts[:5])
        raise InputError(
            f"the files' columns do not go together: {_first_line(error)}",
            where=names,
            next_step="audit them one at a time, or give their columns the same types",
        ) from error


def _places(
    parts: list[Part], frames: list[pl.DataFrame], frame: pl.DataFrame, split_column: str | None
) -> tuple[pl.DataFrame, bool]:
    found = []
    for part, rows in zip(parts, frames, strict=True):
        number = pl.int_range(1, rows.height + 1, dtype=pl.UInt32, eager=True)
        place = pl.format("{} row {}", pl.lit(part.name), number) if len(parts) > 1 else pl.format("row {}", number)
        found.append(pl.select(split=pl.lit(part.split, pl.String), place=place))
    places = pl.concat(found).with_row_index("row")
    name = (
        split_column
        if split_column in frame.columns
        else next((name for name in frame.columns if name.strip().lower() == "split"), None)
    )
    if name is None:
        return places, any(part.split for part in parts)
    value = frame[name].cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    return places.with_columns(split=value.replace(SPLITS)), False


def _read(part: Part, notes: list[str]) -> pl.DataFrame:
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".jsonl": lambda path: _json_lines(path, notes),
        ".ndjson": lambda path: _json_lines(path, notes),
        ".json": lambda path: _json_list(path, notes),
        ".csv": lambda path: _delimited(path, ",", notes),
        ".tsv": lambda path: _delimited(path, "\t", notes),
        ".parquet": lambda path: pl.read_parquet(path, hive_partitioning=False, memory_map=False),
        ".arrow": _arrow,
    }
    try:
        return readers[part.path.suffix.lower()](part.path)
    except InputError:
        raise
    except polars.exceptions.NoDataError:
        return pl.DataFrame()
    except NotKept as fault:
        raise InputError(fault.detail, where=part.name, next_step="save it as UTF-8 text") from fault
    except (OSError, ValueError, polars.exceptions.PolarsError) as error:
        # pyarrow's errors are ValueErrors and OSErrors.
        raise InputError(
            f"cannot be read: {_first_line(error)}", where=part.name, next_step="check that the file is whole and UTF-8"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_CHARACTERS_SHOWN]


def _decoded(path: Path, notes: list[str]) -> str:
    """The text of a file; that it is not UTF-8 is said, for a guessed encoding may be wrong."""
    data = path.read_bytes()
    encoding = detect(data)
    if encoding.replace("_", "-") not in ("utf-8", "utf-8-sig", "ascii"):
        notes.append(f"{path.name} is not UTF-8: read as {encoding}.")
    return decode(data)


def _json_lines(path: Path, notes: list[str]) -> pl.DataFrame:
    if not path.stat().st_size:
        return pl.DataFrame()
    try:
        return pl.read_ndjson(path, infer_schema_length=None)
    except polars.exceptions.PolarsError:
        return _parsed(list(_objects(path, notes)))


def _objects(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    """The objects of a file that polars refused, or where it is broken."""
    lines = enumerate(_decoded(path, notes).split("\n"), 1)
    return [json_object(line, f"{path.name} line {number}") for number, line in lines if line.strip()]


def _json_list(path: Path, notes: list[str]) -> pl.DataFrame:
    try:
        value = json.loads(_decoded(path, notes))
    except (ValueError, RecursionError):
        return _json_lines(path, notes)
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list) and item and isinstance(item[0], dict)]
        value = lists[0] if len(lists) == 1 else [value]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InputError("not a list of JSON objects", where=path.name, next_step="write one JSON object a line, as .jsonl")
    return _parsed(value)


def _parsed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows whose columns may hold values of several types: these become JSON, as text."""
    columns: dict[str, list[Any]] = {
        name: [row.get(name) for row in rows] for name in dict.fromkeys(key for row in rows for key in row)
    }
    return pl.DataFrame([_series(name, values) for name, values in columns.items()])


def _series(name: str, values: list[Any]) -> pl.Series:
    if len({type(value) for value in values if value is not None}) > 1:
        return pl.Series(name, [_as_text(value) for value in values], pl.String)
    try:
        return pl.Series(name, values, strict=True)
    except (TypeError, ValueError, OverflowError, polars.exceptions.PolarsError):
        return pl.Series(name, [_as_text(value) for value in values], pl.String)


def _as_text(value: Any) -> str | None:
    text = value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A lone surrogate is no character: what it damaged is said of the row.
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _delimited(path: Path, separator: str, notes: list[str]) -> pl.DataFrame:
    """All values as text. A quotation mark in a TSV file is a character like any other, as in BEIR's."""
    quote = '"' if separator == "," else None
    with path.open("rb") as handle:
        header = handle.readline()
    if separator == "," and header.count(b";") > header.count(b","):
        separator = ";"
    try:
        return pl.read_csv(path, separator=separator, quote_char=quote, infer_schema=False, truncate_ragged_lines=False)
    except polars.exceptions.ComputeError as error:
        if "utf-8" not in str(error).lower():
            _name_ragged(path, separator, quote)
            raise
        text = _decoded(path, notes).encode()
        return pl.read_csv(text, separator=separator, quote_char=quote, infer_schema=False)


def _name_ragged(path: Path, separator: str, quote: str | None) -> None:
    """Raise InputError for the first row with more fields than the header."""
    quoting: Any = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        reader = csv.reader(handle, delimiter=separator, quoting=quoting)
        width = len(next(reader, []))
        for number, fields in enumerate(reader, 1):
            if len(fields) > width:
                raise InputError(
                    f"{len(fields)} fields where the header has {width}",
                    where=f"{path.name} row {number} (line {reader.line_num})",
                    next_step="put quotes around texts that hold the separator, or save the rows as JSONL",
                )


def _arrow(path: Path) -> pl.DataFrame:
    """A file of `save_to_disk` (a stream) or of Feather (a file)."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            table = pa.ipc.open_file(source).read_all()
        frame = pl.from_arrow(table)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
