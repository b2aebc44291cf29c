"""Rows that say again, or against, what other rows say: duplicates, anchors with several positives, other labels for the same texts."""

from __future__ import annotations

import polars as pl

from curate.audit.findings import findings
from curate.audit.nearness import alike_anchors, alike_passages, compare
from curate.audit.texts import MEASURED, SEED, Dataset
from curate.stage import Engine

_SCORES_APART = 0.25
"""Share of the range of scores from which two scores of the same texts contradict each other (one of the four steps of a 0–4 scale)."""


def duplicates(dataset: Dataset, copies: pl.DataFrame, meant: pl.DataFrame, engine: Engine) -> list[pl.DataFrame]:
    """All rows but the first of those that are equal, or near copies, within a split."""
    rows = _signatures(dataset, copies).join(meant, on="text", how="left", maintain_order="left")
    same = ["split", "label", "anchor", "exact"]
    first = pl.col("place").first().over(same)
    again = rows.with_columns(first=first, nth=pl.int_range(pl.len()).over(same)).filter(pl.col("nth") > 0)
    left = rows.join(again.select("row"), on="row", how="anti", maintain_order="left")
    exact = findings(again, "exact_duplicate", pl.format("the same as {}", "first"))
    return [exact, _near(dataset, left, engine)]


def _signatures(dataset: Dataset, copies: pl.DataFrame) -> pl.DataFrame:
    """row, split, place, label, anchor (key), text (of the anchor), exact and near (of all passages with their roles, in any order)."""
    others = dataset.sides.filter(pl.col("role") != "anchor").join(copies, on="key", how="left", maintain_order="left")
    marked = others.group_by("row").agg(
        exact=pl.struct("role", "key").hash(SEED).sum(),
        near=pl.struct("role", "copy_of").hash(SEED).sum(),
        against=pl.struct("role", "copy_of").hash(SEED).filter(pl.col("role") == "negative").sum(),
        passage=pl.col("text").filter(pl.col("role") != "negative").first(),
        passages=(pl.col("role") != "negative").sum(),
        similarity=pl.col("similarity").min(),
    )
    anchors = dataset.side("anchor").select("row", "text", anchor="key")
    return dataset.values.join(anchors, on="row", how="inner", maintain_order="left").join(
        marked, on="row", how="inner", maintain_order="left"
    )


def _near(dataset: Dataset, rows: pl.DataFrame, engine: Engine) -> pl.DataFrame:
    """Rows whose passages are all near copies of another row's and whose anchor asks nearly the same; or the other way round."""
    texts = dataset.texts["text"]
    found: list[tuple[int, str, float, float]] = []
    members, asked = _groups(texts, rows, "near", "text")
    for group, place, other, similarity in compare(alike_anchors, asked, engine):
        numbers, places, alike = members[group]
        found.append((numbers[place], places[other], similarity, min(alike[place], alike[other])))
    known = pl.Series([row for row, *_ in found], dtype=pl.UInt32)
    left = rows.filter(~pl.col("row").is_in(known.implode()) & (pl.col("passages") == 1))
    members, said = _groups(texts, left.with_columns(same=pl.struct("meaning", "against").hash(SEED)), "same", "passage")
    for group, place, other, similarity in compare(alike_passages, said, engine):
        numbers, places, _ = members[group]
        found.append((numbers[place], places[other], 1.0, similarity))
    frame = pl.DataFrame(
        found, schema={"row": pl.UInt32, "other": pl.String, "anchors": pl.Float64, "passages": pl.Float64}, orient="row"
    )
    detail = pl.format("like {}: anchors {}, passages {}", "other", pl.col("anchors").round(2), pl.col("passages").round(2))
    return findings(frame.sort("row"), "near_duplicate", detail)


def _groups(
    texts: pl.Series, rows: pl.DataFrame, by: str, text: str
) -> tuple[list[tuple[list[int], list[str], list[float]]], list[list[str]]]:
    """Rows, places and similarities of rows of a split that are equal in a column, and a text of each."""
    same = ["split", "label", by]
    several = rows.filter(pl.len().over(same) > 1).with_columns(group=pl.struct(same).rank("dense"))
    groups = several.group_by("group", maintain_order=True).agg("row", "place", "similarity", text)
    return groups.select("row", "place", "similarity").rows(), [texts.gather(some).to_list() for some in groups[text].to_list()]


def contradictions(dataset: Dataset, copies: pl.DataFrame, repeated: pl.DataFrame) -> list[pl.DataFrame]:
    """One anchor with several positives; one text positive here and negative there; one pair of texts with several labels.

    Rows that only repeat another (`repeated`) say nothing new of their anchor.
    """
    if dataset.kind in MEASURED:
        return [_other_labels(dataset)]
    found = [_ambiguous(dataset, copies, repeated)]
    return [*found, _other_labels(dataset)] if dataset.kind == "labeled" else [*found, *_both(dataset)]


def _ambiguous(dataset: Dataset, copies: pl.DataFrame, repeated: pl.DataFrame) -> pl.DataFrame:
    """Different positives in different rows of a split; several in one row are meant so."""
    anchors = dataset.side("anchor").select("row", anchor="key")
    sides = (
        dataset.side("positive")
        .join(repeated.select("row"), on="row", how="anti", maintain_order="left")
        .join(copies, on="key", how="left", maintain_order="left")
        .join(anchors, on="row", maintain_order="left")
    )
    sides = sides.join(dataset.values.select("row", "split", "place"), on="row", maintain_order="left")
    same = ["split", "anchor"]
    sides = sides.unique(["row", "copy_of"], maintain_order=True).with_columns(
        positives=pl.col("copy_of").n_unique().over(same),
        rows=pl.col("row").n_unique().over(same),
        first=pl.col("place").first().over(same),
        last=pl.col("place").last().over(same),
    )
    several = sides.filter((pl.col("positives") > 1) & (pl.col("rows") > 1)).unique("row", keep="first", maintain_order=True)
    other = pl.when(pl.col("first") == pl.col("place")).then("last").otherwise("first")
    return findings(
        several, "ambiguous_anchor", pl.format("{} different positives, another in {}", "positives", other), error=False
    )


def _both(dataset: Dataset) -> list[pl.DataFrame]:
    anchors = (
        dataset.side("anchor")
        .select("row", anchor="key")
        .join(dataset.values.select("row", "place"), on="row", maintain_order="left")
    )
    positives = dataset.side("positive").join(anchors, on="row", maintain_order="left").select("row", "anchor", "key", "place")
    negatives = dataset.side("negative").join(anchors, on="row", maintain_order="left").select("row", "anchor", "key", "place")
    found = []
    for mine, theirs, role, error in ((negatives, positives, "positive", True), (positives, negatives, "negative", False)):
        first = theirs.unique(["anchor", "key", "row"], maintain_order=True)
        pairs = mine.join(first, on=["anchor", "key"], how="inner", maintain_order="left", suffix="_other").filter(
            pl.col("row") != pl.col("row_other")
        )
        found.append(
            findings(
                pairs.unique(["row", "key"], keep="first", maintain_order=True),
                "positive_and_negative",
                pl.format(f"its {'negative' if error else 'positive'} is the {role} of {{}}", "place_other"),
                error=error,
            )
        )
    return found


def _other_labels(dataset: Dataset) -> pl.DataFrame:
    """The same two texts, in either order, with labels that differ or scores far apart."""
    one = dataset.side("anchor").select("row", anchor="key")
    two = dataset.sides.filter(pl.col("role") != "anchor").select("row", "key")
    pairs = (
        dataset.values.drop_nulls("label")
        .join(one, on="row", maintain_order="left")
        .join(two, on="row", maintain_order="left")
        .drop_nulls(["anchor", "key"])
    )
    if dataset.kind == "scored":
        pairs = pairs.with_columns(anchor=pl.min_horizontal("anchor", "key"), key=pl.max_horizontal("anchor", "key"))
    same = ["anchor", "key"]
    pairs = pairs.with_columns(low=pl.col("label").min().over(same), high=pl.col("label").max().over(same))
    values = pairs["label"].to_numpy()
    span = float(values.max() - values.min()) if len(values) else 0.0
    apart = _SCORES_APART * span if dataset.kind == "scored" else 0
    bad = pairs.filter(pl.col("high") - pl.col("low") > apart)
    at_low = pl.col("place").filter(pl.col("label") == pl.col("low")).first().over(same)
    at_high = pl.col("place").filter(pl.col("label") == pl.col("high")).first().over(same)
    bad = bad.with_columns(other=pl.when(pl.col("label") == pl.col("high")).then(at_low).otherwise(at_high))
    theirs = pl.when(pl.col("label") == pl.col("high")).then("low").otherwise("high")
    return findings(
        bad.sort("row"),
        "contradicting_labels",
        pl.format("{} here, {} in {}", _number(pl.col("label")), _number(theirs), "other"),
    )


def _number(value: pl.Expr) -> pl.Expr:
    """ "1", "0.25"."""
    return value.round(3).cast(pl.String).str.strip_suffix(".0")
