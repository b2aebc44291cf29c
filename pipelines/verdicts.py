"""What each gate of a finished build says of a question: score, threshold, verdict; for a fitted decision, what each score adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from curate.filter.combined import contributions
from curate.filter.gates import verdicts
from curate.store import Store
from pipelines.ledger import read_ledger
from schemas.reasons import Reason
from schemas.settings import FilterSettings
from schemas.tables import Checks, polars_schema


def filter_settings(store: Store) -> FilterSettings | None:
    """The settings that the rows in `pairs` were filtered with; None where stage filter has not run, or an older version wrote the checks."""
    entry = read_ledger(store).get("filter")
    columns = {row["column_name"] for row in store.rows("SELECT column_name FROM duckdb_columns() WHERE table_name = 'checks'")}
    if entry is None or not columns >= polars_schema(Checks).keys():
        return None
    nested: dict[str, Any] = {}
    for key, value in entry.fingerprint.settings.items():
        _, *parents, last = key.split(".")
        inner = nested
        for name in parents:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return FilterSettings.model_validate({name: value for name, value in nested.items() if name in FilterSettings.model_fields})


def gate_rows(store: Store, question_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row a gate that applies to each of the questions, in the order of the gates."""
    settings = filter_settings(store)
    if settings is None:
        return
    sql = files("curate").joinpath("sql", "filter_questions.sql").read_text(encoding="utf-8")
    for row in store.rows(
        f"SELECT * FROM ({sql}) WHERE question_id IN $ids ORDER BY question_id",  # noqa: S608 (one SELECT around the stage's own)
        {"ids": list(question_ids), "after": "", "size": 2**40},
    ):
        for verdict in verdicts(row, settings):
            yield {
                "question_id": row["question_id"],
                "gate": str(verdict.reason),
                "verdict": {True: "passes", False: "fails", None: "unknown"}[verdict.passed],
                "score": verdict.score,
                "threshold": verdict.threshold,
                "adds": _added(row, settings) if verdict.reason == Reason.COMBINED_SCORE_LOW else None,
            }


def _added(row: Mapping[str, Any], settings: FilterSettings) -> dict[str, float] | None:
    combiner = settings.combiner if row["split"] == "train" else settings.combiner_no_search
    return None if combiner is None else contributions(row, combiner)
