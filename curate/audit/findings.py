"""What checks say of rows: one frame of findings, whichever check it comes from."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

SCHEMA = {"row": pl.UInt32(), "kind": pl.String(), "detail": pl.String(), "error": pl.Boolean()}
"""One row a finding: the row it is about (from 0), a kind of `schemas.audit.KINDS`, what it collided with, and whether the row is flagged."""


def findings(frame: pl.DataFrame, kind: str, detail: pl.Expr | str, *, error: bool = True) -> pl.DataFrame:
    """Findings of one kind, from a frame with a column `row`; a row with several has the first, told of the others by number."""
    said = pl.lit(detail) if isinstance(detail, str) else detail
    found = frame.select("row", kind=pl.lit(kind), detail=said.cast(pl.String).fill_null(""), error=pl.lit(error))
    more = found.group_by("row", maintain_order=True).agg(pl.col("kind", "detail", "error").first(), others=pl.len() - 1)
    also = pl.when(pl.col("others") > 0).then(pl.format("{} (and {} more)", "detail", "others")).otherwise("detail")
    return more.select(pl.col("row").cast(pl.UInt32), "kind", also.alias("detail"), "error")


def together(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All findings, by row."""
    return pl.concat([pl.DataFrame(schema=SCHEMA), *found]).sort("row", maintain_order=True)


def spoken(role: pl.Expr, slot: pl.Expr) -> pl.Expr:
    """The name of a side for details: "anchor", "positive", "negative 2"."""
    return pl.when((role == "negative") & (slot > 0)).then(pl.format("{} {}", role, slot)).otherwise(role)


def above(negatives: pl.DataFrame, measure: str, own: pl.Expr, best: pl.Expr) -> pl.DataFrame:
    """Findings of negatives (row, role, slot) that fit their anchor better, by some measure, than the positive does."""
    said = pl.format("{} has {} of {}, the positive of {}", spoken(pl.col("role"), pl.col("slot")), pl.lit(measure), own, best)
    return findings(negatives, "negative_above_positive", said)
