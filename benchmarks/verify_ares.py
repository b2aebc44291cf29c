"""Questions that a language model wrote for a passage, beside that passage or another one (ARES): gates, checker and baselines by passage.

    python benchmarks/verify_ares.py --data FOLDER --model PATH_OR_NAME [--folds 3] [--rows 2000] [--no-checker] [--work FOLDER]

FOLDER holds `ares_synthetic/ares_synthetic_queries.parquet`. Wrong passages were drawn, not written to mislead: easier than squad v2. No
passage is scored by anything that was fitted to it. Prints a table, then one line of JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.answerability import benchmark, parser_of
from benchmarks.folds import some
from train.labelled import Labelled


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = parser_of(__doc__, folds=3, rows=2000).parse_args(arguments)
    rows = some(read_ares(options.data), options.rows)
    benchmark("ares", rows, [""] * len(rows), options)


def read_ares(data: Path) -> list[Labelled]:
    """Each question and passage once, if all its rows agree on `Context_Relevance_Label`; a passage is a group."""
    frame = pl.read_parquet(data / "ares_synthetic" / "ares_synthetic_queries.parquet")
    labels = frame.group_by("synthetic_query", "document").agg(pl.col("Context_Relevance_Label").unique().alias("labels"))
    single = labels.filter(pl.col("labels").list.len() == 1).sort("document", "synthetic_query")
    return [
        Labelled(question, document, int(found[0] == "Yes"), document)
        for question, document, found in single.iter_rows()
        if question.strip() and document.strip()
    ]


if __name__ == "__main__":
    main()
