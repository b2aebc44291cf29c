"""The pandera contract of the dataset folder's Parquet files: what export writes and training reads.

Columns are strings unless said otherwise; a string is never blank.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import pandera.polars as pa
import polars as pl

from schemas.tables import Table

FORMATS = ("triplets", "pairs", "labeled", "scored")

_TEXT: dict[str, Any] = {"str_contains": r"\S"}


class PairsFormat(Table):
    """One anchor and a passage that answers it."""

    anchor: str = pa.Field(**_TEXT)
    positive: str = pa.Field(**_TEXT)

    @pa.dataframe_check
    @classmethod
    def anchor_is_not_positive(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A passage that is its own question teaches nothing."""
        return data.lazyframe.select(pl.col("anchor") != pl.col("positive"))


class LabeledFormat(Table):
    """One anchor, one passage, and whether the passage answers it."""

    anchor: str = pa.Field(**_TEXT)
    passage: str = pa.Field(**_TEXT)
    label: int = pa.Field(isin=[0, 1])
    """Int64: 1 answers, 0 does not."""


class ScoredFormat(Table):
    """One anchor, one passage, and how similar people said they are."""

    anchor: str = pa.Field(**_TEXT)
    passage: str = pa.Field(**_TEXT)
    score: float = pa.Field(in_range={"min_value": 0.0, "max_value": 1.0})
    """Float64 between 0 and 1."""


def negative_columns(negatives: int) -> list[str]:
    """negative_1 … negative_k."""
    return [f"negative_{index}" for index in range(1, negatives + 1)]


@lru_cache
def triplets_model(negatives: int) -> type[Table]:
    """The model of triplets with `negatives` (≥ 1) negatives: all texts of a row differ from each other, except anchor and negatives."""
    columns = negative_columns(negatives)

    def passages_differ(cls: type, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: ARG001 (pandera calls it as a classmethod)
        texts = ["positive", *columns]
        pairs = [pl.col(a) != pl.col(b) for i, a in enumerate(texts) for b in texts[i + 1 :]]
        return data.lazyframe.select(pl.all_horizontal(pairs))

    body: dict[str, Any] = {
        "__doc__": f"One anchor, its positive and {negatives} hard negative(s).",
        "__module__": __name__,
        "__annotations__": dict.fromkeys(columns, str),
        "passages_differ": pa.dataframe_check(classmethod(passages_differ)),
        **{column: pa.Field(**_TEXT) for column in columns},
    }
    return cast(type[Table], type(f"Triplets{negatives}", (PairsFormat,), body))


def dataset_model(format_name: str, negatives: int) -> type[Table]:
    """The model of one of `FORMATS`; `negatives` matters to triplets alone."""
    models: dict[str, type[Table]] = {"pairs": PairsFormat, "labeled": LabeledFormat, "scored": ScoredFormat}
    return triplets_model(negatives) if format_name == "triplets" else models[format_name]
