"""Parquet files whose bytes depend on their rows alone."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

ROWS_A_GROUP = 4096
"""Rows of a row group; a page of rows in memory is one group."""


class RowFile:
    """One Parquet file in the making, row group by row group; a context manager."""

    def __init__(self, path: Path, schema: dict[str, pl.DataType]) -> None:
        import pyarrow.parquet as pq  # kept out of start-up

        self._schema = _arrow_schema(schema)
        self._columns = list(schema)
        self.rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        # No Arrow or pandas metadata: nothing but rows and the writer's version goes into the file.
        self._writer: Any = pq.ParquetWriter(
            path, self._schema, version="2.6", compression="zstd", compression_level=3, use_dictionary=False, store_schema=False
        )
        self._waiting = pl.DataFrame(schema=schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._waiting.height:
            self._write(self._waiting)
        self._writer.close()

    def append(self, rows: pl.DataFrame) -> None:
        """Add rows; groups are filled up, so that it does not matter in what portions rows come."""
        self.rows += rows.height
        self._waiting = pl.concat([self._waiting, rows.select(self._columns)])
        while self._waiting.height >= ROWS_A_GROUP:
            self._write(self._waiting[:ROWS_A_GROUP])
            self._waiting = self._waiting[ROWS_A_GROUP:]

    def _write(self, rows: pl.DataFrame) -> None:
        self._writer.write_table(rows.to_arrow().cast(self._schema), row_group_size=ROWS_A_GROUP)


def _arrow_schema(schema: dict[str, pl.DataType]) -> Any:
    import pyarrow as arrow

    return arrow.schema([(name, _arrow_type(kind)) for name, kind in schema.items()])


def _arrow_type(kind: Any) -> Any:
    import pyarrow as arrow

    if isinstance(kind, pl.List):
        return arrow.list_(_arrow_type(kind.inner))
    # Compared, not looked up: polars gives a type now as a class and now as an instance of it.
    types = ((pl.String, arrow.string()), (pl.Int64, arrow.int64()), (pl.Float64, arrow.float64()))
    return next(found for name, found in types if kind == name)
