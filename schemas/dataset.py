"""The pandera contract of the dataset folder's Parquet files: what export writes and training reads.

Columns are strings unless said otherwise; a string is never blank.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import pandera.polars as pa
import polars as pl

from schemas.tables import Table

FORMATS = ("triplets", "pairs", "labeled", "scored", "distilled", "multi_positive")

_TEXT: dict[str, Any] = {"str_contains": r"\S"}
_TEXTS: dict[str, Any] = {"dtype_kwargs": {"inner": pl.String()}}
# A cosine of float32 vectors may end a little beyond 1.
_COSINE: dict[str, Any] = {"in_range": {"min_value": -1.0001, "max_value": 1.0001}}


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


class MultiPositiveFormat(Table):
    """One anchor, every passage that is known to answer it, and passages that do not; one row an anchor."""

    anchor: str = pa.Field(**_TEXT)
    positives: pl.List = pa.Field(**_TEXTS)
    """At least one."""
    negatives: pl.List = pa.Field(**_TEXTS)
    """As many as were found; none, where there was nothing to choose from."""

    @pa.dataframe_check
    @classmethod
    def a_passage_answers(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Without a positive there is nothing to learn."""
        return data.lazyframe.select(pl.col("positives").list.len() > 0)

    @pa.dataframe_check
    @classmethod
    def passages_hold_something(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A null or blank text is no passage."""
        holds = pl.element().is_not_null() & pl.element().str.contains(r"\S").fill_null(value=False)
        return data.lazyframe.select(pl.all_horizontal(pl.col(name).list.eval(holds).list.all() for name in LISTS))

    @pa.dataframe_check
    @classmethod
    def passages_differ(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No text twice, and none on both sides."""
        texts = pl.concat_list(*LISTS)
        return data.lazyframe.select(texts.list.n_unique() == texts.list.len())

    @pa.dataframe_check
    @classmethod
    def anchor_is_not_positive(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A passage that is its own question teaches nothing."""
        return data.lazyframe.select(~pl.col("positives").list.contains(pl.col("anchor")))

    @pa.dataframe_check
    @classmethod
    def anchors_differ(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """What answers an anchor stands in one row."""
        return data.lazyframe.select(pl.col("anchor").is_unique())


LISTS = ("positives", "negatives")
"""Columns of `MultiPositiveFormat` that hold several texts."""


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


def score_columns(negatives: int) -> list[str]:
    """positive_score, negative_1_score … negative_k_score."""
    return ["positive_score", *(f"{name}_score" for name in negative_columns(negatives))]


@lru_cache
def distilled_model(negatives: int) -> type[Table]:
    """The model of triplets with the cosine of the anchor and each passage under a teacher, Float64 between -1 and 1."""
    columns = score_columns(negatives)
    body: dict[str, Any] = {
        "__doc__": f"One anchor, its positive, {negatives} hard negative(s), and what a teacher makes of each.",
        "__module__": __name__,
        "__annotations__": dict.fromkeys(columns, float),
        **{column: pa.Field(**_COSINE) for column in columns},
    }
    return cast(type[Table], type(f"Distilled{negatives}", (triplets_model(negatives),), body))


def dataset_model(format_name: str, negatives: int) -> type[Table]:
    """The model of one of `FORMATS`; `negatives` matters to triplets and distilled alone."""
    if format_name in ("triplets", "distilled"):
        return triplets_model(negatives) if format_name == "triplets" else distilled_model(negatives)
    models: dict[str, type[Table]] = {
        "pairs": PairsFormat,
        "labeled": LabeledFormat,
        "scored": ScoredFormat,
        "multi_positive": MultiPositiveFormat,
    }
    return models[format_name]
