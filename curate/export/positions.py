"""`provenance/chunks.parquet`: where each passage of the corpus stands, so that questions about documents can be judged."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curate.export.parquet import ROWS_A_GROUP, RowFile
from curate.stage import Context

PATH = "provenance/chunks.parquet"
SCHEMA: dict[str, pl.DataType] = {
    "chunk_id": pl.String(),
    "document_id": pl.String(),
    "source": pl.String(),
    "title": pl.String(),
    "start": pl.Int64(),
    "end": pl.Int64(),
    "text": pl.String(),
    "cluster_id": pl.String(),
    "chunk_cluster_id": pl.String(),
}


def write_positions(context: Context, folder: Path) -> dict[str, int]:
    """Write the file in order of chunk ids; returns its rows by path."""
    after = ""
    with RowFile(folder / PATH, SCHEMA) as file:
        while (rows := context.reader.query("export_chunks", {"after": after, "size": ROWS_A_GROUP})).height:
            file.append(rows)
            after = rows["chunk_id"][-1]
    return {PATH: file.rows}
