"""What an embedding model makes of the rows: labels and scores far from its own, negatives above positives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from curate.audit.findings import above, findings
from curate.audit.texts import Dataset

Vectors = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str], str], Vectors]
"""Texts, and "query" or "document" → unit vectors."""

ABOVE = 0.15
"""Cosine by which a negative must be above the positive."""
OUTLIER = 4.0
"""Robust standard deviations (1.4826 times the median absolute deviation) of the distance from the fitted line."""
_AT_ONCE = 4096


def by_model(dataset: Dataset, embed: Embed) -> list[pl.DataFrame]:
    """Findings by cosines of anchor and passages under a model."""
    sides = dataset.sides.filter(pl.col("role") != "anchor")
    anchors = dataset.side("anchor").select("row", anchor="text")
    pairs = sides.join(anchors, on="row", how="inner", maintain_order="left")
    pairs = pairs.with_columns(cosine=_cosines(dataset, pairs, embed))
    if dataset.kind in ("scored", "labeled"):
        return [_outliers(dataset, pairs)]
    best = pairs.filter(pl.col("role") == "positive").group_by("row").agg(best=pl.col("cosine").max())
    nearer = pairs.filter(pl.col("role") == "negative").join(best, on="row", how="inner", maintain_order="left")
    nearer = nearer.filter(pl.col("cosine") >= pl.col("best") + ABOVE)
    return [above(nearer, "a cosine", pl.col("cosine").round(2), pl.col("best").round(2))]


def _cosines(dataset: Dataset, pairs: pl.DataFrame, embed: Embed) -> npt.NDArray[np.float64]:
    found = [np.zeros(0)]
    kind = "document" if dataset.kind in ("scored", "nli") else "query"
    for start in range(0, pairs.height, _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        texts = dataset.texts["text"]
        one = embed(texts.gather(some["anchor"]).to_list(), kind)
        two = embed(texts.gather(some["text"]).to_list(), "document")
        found.append(np.einsum("ij,ij->i", one, two, dtype=np.float64).round(6))
    return np.concatenate(found)


def _outliers(dataset: Dataset, pairs: pl.DataFrame) -> pl.DataFrame:
    """Rows far from the line that predicts their label from the cosine."""
    known = pairs.join(dataset.values.select("row", "label"), on="row", maintain_order="left").drop_nulls("label")
    if known["label"].n_unique() < 2 or known["cosine"].n_unique() < 2:
        return findings(known.clear().with_columns(said=pl.lit("")), "score_outlier", pl.col("said"))
    slope, start = np.polyfit(known["cosine"].to_numpy(), known["label"].to_numpy(), 1)
    off = known.with_columns(off=(pl.col("label") - slope * pl.col("cosine") - start))
    middle = off["off"].median()
    spread = (off["off"] - middle).abs().median()
    limit = OUTLIER * 1.4826 * float(spread if isinstance(spread, float) else 0.0)
    far = off.filter((pl.col("off") - middle).abs() > max(limit, 1e-9))
    said = pl.format("{} where the model's cosine is {}", pl.col("label").round(3), pl.col("cosine").round(2))
    return findings(far, "score_outlier", said, error=False)
