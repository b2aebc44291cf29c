"""Answerable against unanswerable questions of squad v2, which people wrote to look answerable: gates, checker and baselines by article.

    python benchmarks/verify_squad2.py --data FOLDER --model PATH_OR_NAME [--folds 3] [--rows 1000] [--no-checker] [--work FOLDER]

FOLDER holds `squad/v2_paragraphs.parquet` and `squad/v2_questions.parquet`. No article is scored by anything that was fitted to it. Prints a
table, then one line of JSON.
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
    options = parser_of(__doc__, folds=3, rows=None).parse_args(arguments)
    rows = some(read_squad2(options.data), options.rows)
    benchmark("squad2", rows, [row.group for row in rows], options)


def read_squad2(data: Path) -> list[Labelled]:
    """All questions of v2; an article is a group."""
    paragraphs = pl.read_parquet(data / "squad" / "v2_paragraphs.parquet").select("para_id", "title", "context")
    questions = pl.read_parquet(data / "squad" / "v2_questions.parquet").join(paragraphs, on="para_id").sort("id")
    columns = questions.select("question", "context", "is_impossible", "title")
    return [
        Labelled(question, context, int(not impossible), title) for question, context, impossible, title in columns.iter_rows()
    ]


if __name__ == "__main__":
    main()
