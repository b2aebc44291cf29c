"""Small files of rows (JSONL, CSV, TSV, Parquet) read as dicts, with errors that name file and row."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import polars.exceptions

from schemas.errors import InputError
from schemas.plain import json_object

KINDS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a file with the place of each ("queries.jsonl line 3"); blank lines of JSONL are passed over.

    Raises InputError for a missing file, an unknown ending, or a row that does not parse.
    """
    if not path.is_file():
        raise InputError("no such file", where=str(path), next_step=f"give a file ending in {', '.join(KINDS)}")
    readers = {".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _delimited, ".tsv": _delimited, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError("cannot tell what kind of file this is", where=str(path), next_step=f"use {', '.join(KINDS)}")
    try:
        yield from reader(path)
    except (OSError, UnicodeDecodeError, csv.Error, polars.exceptions.PolarsError) as error:
        raise InputError(
            f"cannot be read: {error}", where=str(path), next_step="check that the file is whole and UTF-8"
        ) from error


def cell(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of these columns that is there and not blank, as text (in any letter case and with `-` for `_`)."""
    found = {str(key).strip().lower().replace("-", "_"): value for key, value in row.items() if key is not None}
    for name in names:
        value = found.get(name)
        if value is not None and str(value).strip():
            return str(value)
    return None


def needed(row: Mapping[str, Any], names: Sequence[str], place: str) -> str:
    """`cell`, or an InputError that names the place and the column."""
    value = cell(row, names)
    if value is None:
        columns = ", ".join(str(key) for key in row)
        raise InputError(
            f"no {names[0]!r} (columns there: {columns})", where=place, next_step=f"name the column one of {', '.join(names)}"
        )
    return value


def number(text: str, place: str, next_step: str) -> float:
    """A score as a finite number, or an InputError that names the place."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"score {text[:40]!r} is no number", where=place, next_step=next_step)
    return value


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="\n") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                continue
            place = f"{path.name} line {number}"
            yield place, json_object(line, place)


def _delimited(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    tabs = path.suffix.lower() == ".tsv"
    with path.open(encoding="utf-8-sig", newline="") as handle:
        # BEIR's TSV files are written without quoting: a quotation mark there is a character like any other.
        rows: Iterable[dict[str, Any]] = (
            csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.DictReader(handle)
        )
        for number, row in enumerate(rows, start=1):
            yield f"{path.name} row {number}", row


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in enumerate(pl.read_parquet(path).iter_rows(named=True), start=1):
        yield f"{path.name} row {number}", row
