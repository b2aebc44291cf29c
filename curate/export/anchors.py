"""Pairs by what they ask: a page holds whole anchors, and no text stands both for and against one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from curate.export.parquet import ROWS_A_GROUP
from curate.stage import Context, content_id
from curate.text import normalise

Row = dict[str, Any]

NEGATIVE = ("negative_texts", "negative_chunk_ids", "negative_origins", "negative_states", "negative_scores")
PROMOTED = ("promoted_texts", "promoted_chunk_ids", "promoted_origins")
"""Columns of a page that are lists of equal length, or null."""


def pages(context: Context, split: str) -> Iterator[pl.DataFrame]:
    """The split's pairs in their final order, a page of anchors in memory at a time (of all pairs only the ids).

    Columns are those of `curate/sql/export_pairs.sql` and `anchor_number`: the same for pairs with the same normalised anchor, which
    come one after the other, where the first of them stands.
    """
    order = context.reader.query("export_order", {"split": split, "seed": str(context.settings.seed)})
    numbers: dict[str, int] = {}
    column = [numbers.setdefault(content_id(_key(anchor)), len(numbers)) for anchor in order["anchor"]]
    order = order.select("pair_id", pl.Series("anchor_number", column, pl.Int64)).sort("anchor_number", maintain_order=True)
    anchors = len(numbers)
    del numbers, column
    for first in range(0, anchors, ROWS_A_GROUP):
        ids = order.filter(pl.col("anchor_number").is_between(first, first + ROWS_A_GROUP, closed="left"))
        found = context.reader.query("export_pairs", {"ids": ids["pair_id"].to_list()})
        yield ids.join(found, on="pair_id", how="left", maintain_order="left")


def settled(page: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The page, each pair without negatives that answer its anchor in another pair, and how many those were.

    A promoted candidate that the user's own rows say does not answer is none. The pair's own passage among its negatives would be a
    fault of mining: it stays, for the contracts to find.
    """
    of_anchor = (pl.len() > 1) | pl.col("promoted_texts").is_not_null().any()
    page = page.with_row_index("place").with_columns(shared=of_anchor.over("anchor_number"))
    rows = page.filter("shared").to_dicts()
    left_out = 0
    by_anchor: dict[int, list[Row]] = {}
    for row in rows:
        by_anchor.setdefault(row["anchor_number"], []).append(row)
    for asked in by_anchor.values():
        left_out += _settle(asked)
    settled_rows = pl.DataFrame(rows, schema=page.schema)
    return pl.concat([page.filter(~pl.col("shared")), settled_rows]).sort("place").drop("place", "shared"), left_out


def _settle(rows: list[Row]) -> int:
    """Take out of these rows of one anchor what stands on both sides; returns the negatives that went."""
    answers = {_key(row["positive"]) for row in rows if row["is_positive"]}
    denied = {_key(row["positive"]) for row in rows if not row["is_positive"]} - answers
    for row in rows:
        keys = [_key(text) for text in row["promoted_texts"] or []]
        stands = [bool(key) and key not in denied and key != _key(row["anchor"]) for key in keys]
        _keep(row, PROMOTED, stands)
        answers |= {key for key, stand in zip(keys, stands, strict=True) if stand}
    left_out = 0
    for row in rows:
        others = answers - {_key(row["positive"])}
        stands = [_key(text) not in others for text in row["negative_texts"] or []]
        _keep(row, NEGATIVE, stands)
        left_out += stands.count(False)
    return left_out


def _key(text: str) -> str:
    """Texts of punctuation alone are not all the same."""
    return normalise(text) or text.strip()


def _keep(row: Row, columns: tuple[str, ...], stands: list[bool]) -> None:
    if not all(stands):
        for name in columns:
            row[name] = [value for value, stand in zip(row[name], stands, strict=True) if stand]


def by_anchor(page: pl.DataFrame) -> list[Row]:
    """Rows of the multi_positive format with their provenance: one for each anchor of a settled page of usable positive pairs.

    Positives are the pairs' own passages in the order of the pairs, then the promoted ones; negatives follow in the same order. No
    text comes twice.
    """
    found: dict[int, Row] = {}
    rows = page.to_dicts()
    for row in rows:
        whole = found.setdefault(row["anchor_number"], row | {"positives": {}, "against": {}})
        _add(whole, "positives", (row["positive"], row["pair_id"], row["chunk_id"], "pair"))
        whole["withheld_chunk_ids"] = sorted({*whole["withheld_chunk_ids"], *row["withheld_chunk_ids"]})
    for side, columns in (("positives", PROMOTED), ("against", NEGATIVE[:3])):
        for row in rows:
            for text, *where in zip(*(row[name] or [] for name in columns), strict=True):
                _add(found[row["anchor_number"]], side, (text, row["pair_id"], *where))
    return [_listed(whole) for whole in found.values()]


def _add(whole: Row, side: str, passage: tuple[Any, ...]) -> None:
    text = passage[0]
    if text.strip().lower() != whole["anchor"].strip().lower() or side == "against":
        whole[side].setdefault(text, passage)


def _listed(whole: Row) -> Row:
    for side, name in (("positives", "positive"), ("against", "negative")):
        texts, pair_ids, chunk_ids, origins = zip(*whole[side].values(), strict=True) if whole[side] else ((), (), (), ())
        whole |= {f"{name}s": list(texts), f"{name}_pair_ids": list(pair_ids)}
        whole |= {f"{name}_chunk_ids": list(chunk_ids), f"{name}_origins": list(origins)}
    return whole
