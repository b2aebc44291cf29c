"""The contract between a stage and the runner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol, TypeVar

import polars as pl

from schemas.reasons import Reason, State
from schemas.settings import Settings

A = TypeVar("A")
B = TypeVar("B")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rejection:
    """A row, file or candidate that is not kept. `row` is what was known of it (goes to `rejected.row_json`)."""

    key: str
    reason: Reason
    detail: str = ""
    row: Row = field(default_factory=dict)
    state: State = "rejected"


@dataclass(frozen=True)
class Batch:
    """Some rows for one table, and what was rejected while making them."""

    table: str
    rows: Sequence[Row] = ()
    rejected: Sequence[Rejection] = ()


class Reader(Protocol):
    """Read access to the tables a stage declared."""

    def batches(self, table: str, size: int = 4096, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """All rows in key order, `size` at a time."""

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The result of a SELECT (or of `curate/sql/NAME.sql` when `sql` is a bare NAME)."""

    def count(self, table: str) -> int:
        """Number of rows."""


class Engine(Protocol):
    """Runs pure batch functions, in process or over processes: same results, same order."""

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """`function` over `items`, in order; it and its items must pickle."""


@dataclass(frozen=True)
class Context:
    """All a stage may use. `sources` is read by ingest alone, `folder` (the build folder) by export and the LLM store."""

    settings: Settings
    reader: Reader
    engine: Engine
    progress: Callable[[int, int | None], None]
    """Called with (rows done, rows in all or None)."""
    note: Callable[[str], None]
    """One sentence for the user, shown in the closing summary."""
    sources: tuple[str, ...] = ()
    folder: str = ""
    owed: list[str] = field(default_factory=list)
    """Keys of answers still owed for passing reasons; a stage that appends here is recorded as incomplete."""


@dataclass(frozen=True)
class Stage:
    """One step of the flow. `produce` yields batches; everything else is the runner's work."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    produce: Callable[[Context], Iterator[Batch]]
    settings: tuple[str, ...] = ()
    """Dotted names of the sections or values it uses; its fingerprint depends on these alone."""
    settings_if: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Dotted name of a value → further sections that are used where that value is set."""
    libraries: tuple[str, ...] = ()
    """Distributions whose version shapes its rows."""
    files: tuple[str, ...] = ()
    """SQL and prompt files it uses, relative to the `curate` package."""
    conserves: str | None = None
    """The input table of which every row ends in the output or in `rejected` (row_key = that table's key)."""
    folder_files: tuple[str, ...] = ()
    """Files of the build folder whose content shapes its rows; one that is not there counts as nothing."""


def content_id(*parts: str) -> str:
    """16 hex digits of the sha256 of the parts, each preceded by its length, so that no two lists collide."""
    digest = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:16]
