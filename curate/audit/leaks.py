"""Anchors and positives that stand in two splits, or in a benchmark's files."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curate.audit.findings import findings
from curate.audit.nearness import NEAR, SAME_QUESTION
from curate.audit.texts import MEASURED, SEED, Dataset
from curate.filter.decontaminate import Benchmark, Bounds
from curate.filter.decontaminate.files import read_lines
from curate.filter.decontaminate.rows import matches_in_passages
from curate.filter.decontaminate.runs import templates_of

_AT_ONCE = 20_000
_RANKS = {"train": 0, "dev": 2, "test": 3}
"""The row of the lower split is flagged: to mend a leak, rows leave training and the evaluation stays what it was."""


def between_splits(dataset: Dataset, copies: pl.DataFrame, meant: pl.DataFrame) -> list[pl.DataFrame]:
    """Leaks from split to split, exact and near; nothing in a dataset of one split."""
    if dataset.values["split"].n_unique() < 2:
        return []
    rows = dataset.values.select("row", "split", "place")
    if dataset.kind in MEASURED:
        return [_same_pairs(dataset, rows)]
    return [*_anchors(dataset, rows, meant), *_passages(dataset, rows, copies)]


def _anchors(dataset: Dataset, rows: pl.DataFrame, meant: pl.DataFrame) -> list[pl.DataFrame]:
    anchors = dataset.side("anchor").join(rows, on="row", maintain_order="left")
    exact = _crossing(anchors, "key")
    near = _crossing(anchors.join(meant, on="text", maintain_order="left"), "meaning")
    return _told("anchor", exact, near)


def _passages(dataset: Dataset, rows: pl.DataFrame, copies: pl.DataFrame) -> list[pl.DataFrame]:
    positives = dataset.side("positive", "passage").join(rows, on="row", maintain_order="left")
    positives = positives.join(copies, on="key", how="left", maintain_order="left")
    return _told("passage", _crossing(positives, "key"), _crossing(positives, "copy_of"))


def _told(what: str, exact: pl.DataFrame, near: pl.DataFrame) -> list[pl.DataFrame]:
    near = near.join(exact.select("row"), on="row", how="anti", maintain_order="left")
    kind = f"{what}_in_other_split"
    return [
        findings(exact, kind, pl.format(f"the same {what} in {{}} ({{}})", "other_split", "other")),
        findings(near, kind, pl.format(f"nearly the same {what} in {{}} ({{}})", "other_split", "other")),
    ]


def _same_pairs(dataset: Dataset, rows: pl.DataFrame) -> pl.DataFrame:
    """A sentence may stand in many rows of what measures likeness; two together, in either order, are one question asked again."""
    one = dataset.side("anchor").select("row", one="key").join(rows, on="row", maintain_order="left")
    pairs = one.join(dataset.side("passage").select("row", two="key"), on="row", how="inner", maintain_order="left")
    pairs = pairs.with_columns(
        pair=pl.struct(pl.min_horizontal("one", "two"), pl.max_horizontal("one", "two").alias("other_text")).hash(SEED)
    )
    return findings(
        _crossing(pairs, "pair"), "pair_in_other_split", pl.format("the same two texts in {} ({})", "other_split", "other")
    )


def _crossing(sides: pl.DataFrame, by: str) -> pl.DataFrame:
    """Sides whose value of a column stands in a higher split too, with that split and its first place."""
    ranked = sides.with_columns(rank=pl.col("split").replace_strict(_RANKS, default=1, return_dtype=pl.Int64))
    # Splits of other names rank between train and dev, by their names.
    order = ranked.select("split", "rank").unique().sort("rank", "split").with_row_index("order").select("split", "order")
    ranked = ranked.join(order, on="split", maintain_order="left")
    highest = ranked.filter(pl.col("order") == pl.col("order").max().over(by)).unique(by, keep="first", maintain_order=True)
    joined = ranked.join(
        highest.select(by, highest="order", other_split="split", other="place"), on=by, how="inner", maintain_order="left"
    )
    return joined.filter(pl.col("order") < pl.col("highest"))


def against_benchmarks(dataset: Dataset, files: Sequence[str]) -> list[pl.DataFrame]:
    """Rows of training (all, in a dataset of one split) that match a query or passage of these files, as `filter.decontaminate` does it."""
    if not files:
        return []
    benchmark = Benchmark(list(read_lines(files)), Bounds(SAME_QUESTION, NEAR.threshold, NEAR.shingle))
    apart = dataset.values["split"].is_in(["dev", "test"])
    rows = dataset.values.filter(~apart) if not apart.all() else dataset.values
    anchors = dataset.side("anchor").join(rows.select("row"), on="row", how="semi", maintain_order="left")
    passages = dataset.sides.filter(pl.col("role") != "anchor").join(
        rows.select("row"), on="row", how="semi", maintain_order="left"
    )
    texts = dataset.texts["text"]
    said = _matching_anchors(benchmark, anchors, texts)
    found = [findings(anchors.join(said, on="text", how="inner", maintain_order="left"), "anchor_in_benchmark", pl.col("match"))]
    said = _matching_passages(benchmark, passages, texts)
    hits = passages.join(said, on="text", how="inner", maintain_order="left")
    return [*found, findings(hits, "passage_in_benchmark", pl.format("{}: {}", "role", "match"))]


def _matching_anchors(benchmark: Benchmark, anchors: pl.DataFrame, texts: pl.Series) -> pl.DataFrame:
    numbers = anchors["text"].unique(maintain_order=True)
    templates = templates_of(texts.gather(numbers))
    found = []
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        asked = texts.gather(some).to_list()
        matches = benchmark.queries.in_anchors(asked, [True] * len(asked), templates)
        found += [(number, match) for number, match in zip(some.to_list(), matches, strict=True) if match]
    return pl.DataFrame(found, schema={"text": pl.UInt32, "match": pl.String}, orient="row")


def _matching_passages(benchmark: Benchmark, passages: pl.DataFrame, texts: pl.Series) -> pl.DataFrame:
    numbers = passages["text"].unique(maintain_order=True)
    blocks = [numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE)]
    for some in blocks:
        benchmark.passages.count(texts.gather(some).to_list())
    found = []
    for some in blocks:
        matches = matches_in_passages(benchmark, texts.gather(some).to_list())
        found += [(some[place], match) for place, match in sorted(matches.items())]
    return pl.DataFrame(found, schema={"text": pl.UInt32, "match": pl.String}, orient="row")
