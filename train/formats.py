"""The formats of a dataset folder as columns that losses take: texts in the order anchor, passages, then at most one label."""

from __future__ import annotations

import polars as pl

from schemas.dataset import LISTS, dataset_model, negative_columns, score_columns
from schemas.errors import InputError
from train.losses import HYBRID

BUILD_AGAIN = "run `curate build` again"
COSINES = (
    "The teacher's scores are cosines between -1 and 1: the model's are taken as cosines, too, so that both are on one scale."
)
LEAST_PASSAGES = 4
"""Of HybridDistillLoss: with fewer there are no others to be told apart."""

_KINDS = {pl.String: "text", pl.Int64: "whole numbers", pl.Float64: "numbers", pl.List(pl.String): "lists of texts"}


def check_rows(frame: pl.DataFrame, format_name: str, negatives: int, place: str) -> None:
    """Raise InputError that names the first faulty row: pandera, which sees the rows afterwards, does not say which one it is."""
    wanted = {name: column.dtype.type for name, column in dataset_model(format_name, negatives).to_schema().columns.items()}
    if missing := [column for column in wanted if column not in frame.columns]:
        raise InputError(f"column(s) missing: {', '.join(missing)}", where=place, next_step=BUILD_AGAIN)
    for column, kind in wanted.items():
        if frame.schema[column] != kind:
            raise InputError(f"{column} is {frame.schema[column]}, not {_KINDS[kind]}", where=place, next_step=BUILD_AGAIN)
        values = frame[column]
        if kind == pl.String:
            _refuse_first(values.is_null() | ~values.str.contains(r"\S"), f"{column} is blank", place)
        elif kind == pl.Float64:
            _refuse_first(values.is_null() | values.is_nan(), f"{column} is no number", place)
        else:
            _refuse_first(values.is_null(), f"{column} is missing", place)
    if format_name == "multi_positive":
        _check_lists(frame, place)
    passages = [column for column, kind in wanted.items() if kind == pl.String and column != "anchor"]
    for index, left in enumerate(passages):
        for right in passages[index + 1 :]:
            _refuse_first(frame[left] == frame[right], f"{right} equals {left}", place)


def loss_rows(
    frame: pl.DataFrame, format_name: str, negatives: int, loss: str, place: str
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Checked rows of a kind as a loss takes them, and what to tell people about it.

    A number is called `label` or `score`; of distilled, `label` is the list of all scores, the positive's first. An anchor with several
    positives gives a row for each. Raises InputError where all labels or scores are the same: there is nothing to learn.
    """
    notes: tuple[str, ...] = ()
    if format_name == "multi_positive":
        frame, notes = _one_positive_a_row(frame, negatives)
    if format_name == "nli":
        return _of_nli(frame, loss, place)
    if loss == HYBRID:
        _refuse_few(frame, place)
        return frame.select("anchor", "positive").with_row_index("label").select(
            "anchor", "positive", pl.col("label").cast(pl.Int64)
        ), ()
    if format_name == "distilled":
        texts = frame.select("anchor", "positive", *negative_columns(negatives))
        return texts.with_columns(frame.select(label=pl.concat_list(score_columns(negatives)))["label"]), (COSINES,)
    if loss == "TripletLoss":
        frame, more = _one_negative_a_row(frame, place)
        return frame, (*notes, *more)
    _refuse_constant(frame, place)
    return frame, notes


def _refuse_few(frame: pl.DataFrame, place: str) -> None:
    if (found := frame["positive"].n_unique()) < LEAST_PASSAGES:
        raise InputError(
            f"{found} different passages: {HYBRID} compares at least {LEAST_PASSAGES}",
            where=place,
            next_step="build from more documents, or train with another loss",
        )


def _refuse_constant(frame: pl.DataFrame, place: str) -> None:
    for column in ("label", "score"):
        if column in frame.columns and frame[column].n_unique() < 2:
            raise InputError(
                f"every {column} is {frame[column][0]}: nothing to tell apart",
                where=place,
                next_step="train on pairs or triplets",
            )


def _of_nli(frame: pl.DataFrame, loss: str, place: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Three labels for SoftmaxLoss, a score for CosineSimilarityLoss, pairs for the rest (Reimers and Gurevych 2019)."""
    if loss == "SoftmaxLoss":
        _refuse_constant(frame, place)
        return frame, ()
    entailed = pl.col("label") == 0
    if loss == "CosineSimilarityLoss":
        scored = frame.select("anchor", "passage", score=entailed.cast(pl.Float64))
        _refuse_constant(scored, place)
        return scored, ("Entailment counts as a score of 1, neutral and contradiction as 0.",)
    pairs = frame.filter(entailed & (pl.col("anchor") != pl.col("passage"))).select("anchor", positive="passage")
    if not pairs.height:
        raise InputError("no row says entailment", where=place, next_step=f"{loss} learns from such rows alone")
    return pairs, (f"Rows that say entailment are the pairs: {pairs.height:,} of {frame.height:,}.",)


def _one_negative_a_row(frame: pl.DataFrame, place: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    columns = [name for name in frame.columns if name.startswith("negative")]
    if not columns:
        raise InputError("no negatives in these rows", where=place, next_step="TripletLoss needs them: use another loss")
    parts = [frame.with_row_index("row").select("row", "anchor", "positive", negative_1=column) for column in columns]
    rows = pl.concat(parts).sort("row", maintain_order=True).drop("row")
    return rows, (f"{frame.height:,} rows give {rows.height:,} triplets, one for each negative.",) if len(columns) > 1 else ()


def _check_lists(frame: pl.DataFrame, place: str) -> None:
    _refuse_first(frame["positives"].list.len() == 0, "positives is empty", place)
    for column in LISTS:
        holds = pl.element().is_not_null() & pl.element().str.contains(r"\S").fill_null(value=False)
        _refuse_first(~frame[column].list.eval(holds).list.all(), f"{column} holds a blank text", place)
    both = frame.select(both=pl.col("positives").list.set_intersection("negatives").list.len() > 0)["both"]
    _refuse_first(both, "a text is positive and negative", place)


def _one_positive_a_row(frame: pl.DataFrame, negatives: int) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Anchor, positive, negative_1 … negative_k: the positives of an anchor take turns with its negatives, which repeat where they are few."""
    columns = negative_columns(negatives) if frame["negatives"].list.len().sum() else []
    rows: list[tuple[str, ...]] = []
    left_out = 0
    for anchor, positives, against in frame.select("anchor", *LISTS).rows():
        if columns and not against:
            left_out += 1
            continue
        for turn, positive in enumerate(positives):
            taken = [against[(turn * negatives + index) % len(against)] for index in range(len(columns))]
            rows.append((anchor, positive, *taken))
    notes = [f"{frame.height - left_out:,} anchors give {len(rows):,} rows, one for each positive."]
    if left_out:
        notes.append(f"Anchors left out because they have no negative: {left_out:,}.")
    if not columns:
        notes.append("No negatives in this dataset: the other passages of a batch are the only ones.")
    return pl.DataFrame(rows, schema=["anchor", "positive", *columns], orient="row"), tuple(notes)


def _refuse_first(faulty: pl.Series, what: str, place: str) -> None:
    rows = faulty.fill_null(value=True).arg_true()
    if len(rows):
        more = f" (and in {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        raise InputError(f"{what}{more}", where=f"{place} row {rows[0] + 1}", next_step=BUILD_AGAIN)
