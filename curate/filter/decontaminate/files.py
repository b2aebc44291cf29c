"""Reads the files that training is kept apart from: queries of users or of a benchmark, and passages that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.ingest.discover import SUFFIXES, SourceFile
from curate.ingest.reject import NotKept
from curate.ingest.tables import open_tables
from curate.text import counted
from schemas.errors import InputError, SettingsError
from schemas.settings import IngestSettings

WHERE = "filter.decontaminate"
QUERY_COLUMNS = ("query", "question", "anchor", "text")
PASSAGE_COLUMNS = ("passage", "corpus", "context", "positive", "document")
LONGEST_QUERY = 2000
"""Characters; a longer text is no query."""
_TABLES = ("jsonl", "json", "csv", "tsv", "parquet")
_MENDED = "correct or remove that row"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file; a query or passage that it does not hold is empty."""

    file: str
    row: int
    query: str
    passage: str

    @property
    def place(self) -> str:
        """Where it stands, for messages: its text is told to nobody."""
        return f"{self.file} row {self.row}"


def read_lines(names: Sequence[str]) -> Iterator[Line]:
    """The rows of all files, one in memory at a time; rows are counted from 1, blank ones too where a row is a line.

    A text file holds a query a line; JSONL, JSON, CSV, TSV and Parquet a column query, question, anchor or text, and may hold one named
    passage, corpus, context, positive or document. A table with title and text but none of the other columns is a corpus, as in BEIR.
    Raises SettingsError for a file that is not there, InputError naming file and row for one that cannot be read.
    """
    shown = _shown(names)
    for name in names:
        yield from _of_file(name, shown[name])


def check_files(names: Sequence[str]) -> None:
    """Read all rows and keep none: what is wrong with a file must come out before hours of other work. Raises as `read_lines` does."""
    for _ in read_lines(names):
        pass


def _shown(names: Sequence[str]) -> dict[str, str]:
    """Names without their folders, unless two would be the same."""
    bare = [Path(name).name for name in names]
    return {name: short if bare.count(short) == 1 else name for name, short in zip(names, bare, strict=True)}


def _of_file(name: str, shown: str) -> Iterator[Line]:
    path = Path(name)
    kind = SUFFIXES.get(path.suffix.lower(), "text")
    found = False
    try:
        if not path.is_file():
            raise SettingsError(
                f"no file {name}", where=WHERE, next_step="name files of queries: text, JSONL, CSV, TSV or Parquet"
            )
        for line in _of_table(SourceFile(shown, name, kind)) if kind in _TABLES else _of_text(path, shown):
            found = True
            yield line
    except NotKept as fault:
        raise InputError(fault.detail, where=name, next_step="mend the file, or save it as text with a query a line") from fault
    except OSError as error:
        raise SettingsError(f"cannot read {name}: {error.strerror}", where=WHERE, next_step="check the file's rights") from error
    if not found:
        raise InputError("no query in it", where=name, next_step=f"a query a line, or a column named {_listed(QUERY_COLUMNS)}")


def _of_text(path: Path, shown: str) -> Iterator[Line]:
    with path.open("rb") as handle:
        for number, data in enumerate(handle, 1):
            try:
                text = data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise _broken(shown, number, f"not UTF-8: {error.reason}") from error
            if text:
                yield Line(shown, number, _query(text, shown, number), "")


def _of_table(file: SourceFile) -> Iterator[Line]:
    for table in open_tables(file, IngestSettings()):
        query, passage = _columns(table.columns, file.name)
        for number, values in table.rows(tuple(column for column in (query, passage) if column)):
            if isinstance(values, NotKept):
                raise _broken(file.name, number, values.detail)
            line = Line(file.name, number, _text(values, query, file.name, number), _text(values, passage, file.name, number))
            if not line.query and not line.passage:
                raise _broken(file.name, number, f"no text in its column {query or passage}")
            _query(line.query, file.name, number)
            yield line


def _columns(names: Sequence[str], shown: str) -> tuple[str, str]:
    """Names of the query's and of the passage's column; one may be empty."""
    by_name = {name.strip().lower(): name for name in reversed(names)}
    query = next((by_name[name] for name in QUERY_COLUMNS if name in by_name), "")
    passage = next((by_name[name] for name in PASSAGE_COLUMNS if name in by_name), "")
    if query.strip().lower() == "text" and "title" in by_name and not passage:
        query, passage = "", query
    if not query and not passage:
        # In a table without a header the first query stands where names should: only what looks like a name is shown.
        plain = [name for name in map(str, names[:12]) if name.isidentifier() and len(name) <= 24]
        raise InputError(
            f"no column of queries among {counted(len(names), 'column')}" + (f", such as {', '.join(plain)}" if plain else ""),
            where=shown,
            next_step=f"name the column of queries {_listed(QUERY_COLUMNS)} (that of passages {_listed(PASSAGE_COLUMNS)})",
        )
    return query, passage


def _text(values: Mapping[str, Any], column: str, shown: str, number: int) -> str:
    value = values.get(column) if column else None
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _broken(shown, number, f"column {column} holds no text but {type(value).__name__}")
    return value.strip()


def _query(text: str, shown: str, number: int) -> str:
    if len(text) > LONGEST_QUERY:
        raise _broken(shown, number, f"{len(text):,} characters are no query")
    return text


def _broken(shown: str, number: int, what: str) -> InputError:
    return InputError(what, where=f"{shown}, row {number}", next_step=_MENDED)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)
