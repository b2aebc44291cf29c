"""The rows of each format and, in the same order, where each came from."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from schemas.dataset import FORMATS, dataset_model, negative_columns
from schemas.errors import ContractError
from schemas.tables import polars_schema

TEXT = pl.String()
TEXTS = pl.List(pl.String())

SOURCES = ("pair_id", "question_id", "chunk_id", "document_id", "cluster_id", "style", "origin", "model", "source")
PROVENANCE: dict[str, pl.DataType] = dict.fromkeys(SOURCES, TEXT)
EXTRA: dict[str, dict[str, pl.DataType]] = {
    "triplets": {"negative_chunk_ids": TEXTS, "negative_origins": TEXTS, "negative_states": TEXTS},
    "pairs": {},
    "labeled": {"passage_chunk_id": TEXT, "passage_origin": TEXT},
    "scored": {},
}
"""Besides `PROVENANCE`. A supplied negative that is no chunk has a null chunk id."""


def row_schema(name: str, negatives: int) -> dict[str, pl.DataType]:
    """Columns of a format's own file."""
    return polars_schema(dataset_model(name, negatives))


def provenance_schema(name: str) -> dict[str, pl.DataType]:
    """Columns of the file beside it."""
    return PROVENANCE | EXTRA[name]


def usable() -> pl.Expr:
    """Of a page of pairs: anchor and passage hold something, and not the same."""
    anchor, positive = pl.col("anchor").str.strip_chars(), pl.col("positive").str.strip_chars()
    return not_blank() & (anchor.str.to_lowercase() != positive.str.to_lowercase())


def not_blank() -> pl.Expr:
    """Anchor and passage hold something."""
    return pl.col("anchor").str.contains(r"\S") & pl.col("positive").str.contains(r"\S")


def split_page(page: pl.DataFrame, negatives: int) -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
    """A page of `curate/sql/export_pairs.sql` as (rows, provenance) of each format; rows hold to their contract.

    Raises ContractError naming format and fault.
    """
    makers: dict[str, Callable[[pl.DataFrame, int], pl.DataFrame]] = {
        "triplets": _triplets,
        "pairs": _pairs,
        "labeled": _labeled,
        "scored": _scored,
    }
    found = {}
    for name in FORMATS:
        wide = makers[name](page, negatives)
        rows = _checked(wide.select(row_schema(name, negatives).keys()), name, negatives)
        found[name] = (rows, wide.select(provenance_schema(name).keys()))
    return found


def _pairs(page: pl.DataFrame, negatives: int) -> pl.DataFrame:  # noqa: ARG001 (all makers take the same)
    return page.filter(usable() & pl.col("is_positive"))


def _triplets(page: pl.DataFrame, negatives: int) -> pl.DataFrame:
    whole = _pairs(page, negatives).filter(pl.col("negative_texts").list.len() == negatives)
    columns = [pl.col("negative_texts").list.get(i).alias(name) for i, name in enumerate(negative_columns(negatives))]
    return whole.with_columns(columns)


def _labeled(page: pl.DataFrame, negatives: int) -> pl.DataFrame:  # noqa: ARG001
    page = page.filter(not_blank()).with_row_index("row")
    own = page.with_columns(
        passage=pl.col("positive"),
        label=pl.coalesce("label", pl.col("is_positive").cast(pl.Int64)),
        passage_chunk_id=pl.col("chunk_id"),
        passage_origin=pl.lit("pair"),
    )
    parts = {"passage": "negative_texts", "passage_chunk_id": "negative_chunk_ids", "passage_origin": "negative_origins"}
    against = page.filter(pl.col("negative_texts").list.len() > 0).with_columns(label=pl.lit(0, pl.Int64))
    against = against.with_columns(**{name: pl.col(source) for name, source in parts.items()}).explode(list(parts))
    # The sort is stable: each pair's own passage, then its negatives.
    return pl.concat([own, against.select(own.columns)]).sort("row", maintain_order=True)


def _scored(page: pl.DataFrame, negatives: int) -> pl.DataFrame:  # noqa: ARG001
    return page.filter(not_blank() & pl.col("score").is_not_null()).with_columns(passage=pl.col("positive"))


def _checked(rows: pl.DataFrame, name: str, negatives: int) -> pl.DataFrame:
    import pandera.errors  # half a second to load

    try:
        dataset_model(name, negatives).validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as error:
        faults = "; ".join(f"{fault['column']} {fault['check']}" for fault in error.failure_cases.head(5).to_dicts())
        raise ContractError(
            f"rows break the contract of the {name} format: {faults}", where="stage export", next_step="report this bug"
        ) from error
    return rows
