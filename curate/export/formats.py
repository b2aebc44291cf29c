"""The rows of each format and, in the same order, where each came from."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from curate.export.anchors import PROMOTED, by_anchor
from schemas.dataset import FORMATS, dataset_model, negative_columns, score_columns
from schemas.errors import ContractError
from schemas.tables import polars_schema

TEXT = pl.String()
TEXTS = pl.List(pl.String())

SOURCES = ("pair_id", "question_id", "chunk_id", "document_id", "cluster_id", "style", "origin", "model", "source")
PROVENANCE: dict[str, pl.DataType] = dict.fromkeys(SOURCES, TEXT) | {"withheld_chunk_ids": TEXTS}
"""Withheld are the candidates that mining quarantined or promoted: training keeps them from standing against the anchor in a batch."""
_NEGATIVES: dict[str, pl.DataType] = dict.fromkeys(("negative_chunk_ids", "negative_origins", "negative_states"), TEXTS)
EXTRA: dict[str, dict[str, pl.DataType]] = {
    "triplets": _NEGATIVES,
    "pairs": {},
    "labeled": {"passage_chunk_id": TEXT, "passage_origin": TEXT, "passage_state": TEXT},
    "scored": {},
    "distilled": _NEGATIVES,
    "multi_positive": dict.fromkeys(
        [f"{side}_{what}" for side in ("positive", "negative") for what in ("pair_ids", "chunk_ids", "origins")], TEXTS
    ),
}
"""Besides `PROVENANCE` (of multi_positive: the anchor's first pair). A supplied negative that is no chunk has a null chunk id."""


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
    """A settled page of `curate.export.anchors` as (rows, provenance) of each format; rows hold to their contract.

    Raises ContractError naming format and fault.
    """
    makers: dict[str, Callable[[pl.DataFrame, int], pl.DataFrame]] = {
        "triplets": _triplets,
        "pairs": _pairs,
        "labeled": _labeled,
        "scored": _scored,
        "distilled": _distilled,
        "multi_positive": _multi_positive,
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
        passage_state=pl.lit(None, pl.String),
    )
    parts = {
        "passage": "negative_texts",
        "passage_chunk_id": "negative_chunk_ids",
        "passage_origin": "negative_origins",
        "passage_state": "negative_states",
    }
    against = page.filter(pl.col("negative_texts").list.len() > 0).with_columns(label=pl.lit(0, pl.Int64))
    against = against.with_columns(**{name: pl.col(source) for name, source in parts.items()}).explode(list(parts))
    further = page.filter(pl.col("promoted_texts").list.len() > 0).with_columns(label=pl.lit(1, pl.Int64))
    names = ("passage", "passage_chunk_id", "passage_origin")
    further = further.with_columns(**{name: pl.col(source) for name, source in zip(names, PROMOTED, strict=True)})
    further = further.explode(list(names)).with_columns(passage_state=pl.lit("promoted"))
    # The sort is stable: each pair's own passage, then what else answers, then its negatives.
    parts_in_order = [own, further.select(own.columns), against.select(own.columns)]
    return pl.concat(parts_in_order).sort("row", maintain_order=True)


def _scored(page: pl.DataFrame, negatives: int) -> pl.DataFrame:  # noqa: ARG001
    return page.filter(not_blank() & pl.col("score").is_not_null()).with_columns(passage=pl.col("positive"))


def _distilled(page: pl.DataFrame, negatives: int) -> pl.DataFrame:
    whole = _triplets(page, negatives).filter(
        pl.col("positive_score").is_not_null() & (pl.col("negative_scores").list.drop_nulls().list.len() == negatives)
    )
    columns = score_columns(negatives)[1:]
    return whole.with_columns([pl.col("negative_scores").list.get(i).alias(name) for i, name in enumerate(columns)])


def _multi_positive(page: pl.DataFrame, negatives: int) -> pl.DataFrame:
    schema = row_schema("multi_positive", negatives) | provenance_schema("multi_positive")
    rows = by_anchor(_pairs(page, negatives))
    return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)


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
