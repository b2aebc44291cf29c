"""Labels and scores: values that are none, and how they are spread."""

from __future__ import annotations

import polars as pl

from curate.audit.findings import findings
from curate.audit.texts import Dataset
from schemas.audit import DatasetFinding
from schemas.plain import NLI_LABELS

_STS_TOP = 5.0
IMBALANCE = 0.9
"""Share of one label from which a classifier that always says it looks good."""


def unknown(dataset: Dataset) -> list[pl.DataFrame]:
    """Labels and scores that are no label and no score."""
    column = dataset.columns.used.get("score" if dataset.kind == "scored" else "label")
    if dataset.kind not in ("scored", "labeled", "nli") or column is None:
        return []
    given = dataset.rows.frame[column].cast(pl.String, strict=False)
    values = dataset.values.with_columns(given=given)
    bad = values.filter(pl.col("label").is_null())
    # A name of the user's may hold braces.
    name = pl.lit(column)
    shown = pl.col("given").str.slice(0, 40)
    said = pl.when(pl.col("given").is_null()).then(pl.lit(f"{column} is null")).otherwise(pl.format("{} is “{}”", name, shown))
    found = [findings(bad, "unknown_label", said)]
    if dataset.kind == "scored":
        outside = values.filter((pl.col("label") < 0) | (pl.col("label") > _STS_TOP))
        found.append(findings(outside, "unknown_label", pl.format("{} is {}, not from 0 to 1 or 5", name, shown)))
    return found


def spread(dataset: Dataset) -> list[DatasetFinding]:
    """One label for all rows, or for nearly all."""
    values = dataset.values["label"].drop_nulls()
    if not len(values) or dataset.kind not in ("scored", "labeled", "nli"):
        return []
    counts = values.value_counts().sort("count", "label", descending=[True, False])
    value, most = counts.row(0)
    name = NLI_LABELS[int(value)] if dataset.kind == "nli" else f"{value:g}"
    what = "score" if dataset.kind == "scored" else "label"
    if counts.height == 1 and len(values) > 1:
        return [
            DatasetFinding(
                kind="constant_label", group="labels", detail=f"every {what} is {name}: there is nothing to tell apart"
            )
        ]
    if dataset.kind != "scored" and most > IMBALANCE * len(values):
        return [
            DatasetFinding(kind="label_imbalance", group="labels", detail=f"label {name} in {most:,} of {len(values):,} rows")
        ]
    return []
