"""The texts of a dataset, each once, and where they stand: what every check starts from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from curate.audit.columns import Columns
from curate.audit.reading import Rows
from schemas.plain import NLI_NUMBERS, YES_NO

SLICE = 50_000
"""Texts looked at together: expressions make copies of the texts they look at."""
SEED = 7
_PUNCTUATION = r"[\s\"'“”‘’„«»,;:!?！？。，()\[\]{}…]+"
ALL = "all"
"""The split of rows of a dataset without splits."""
MEASURED = ("scored", "nli")
"""Kinds whose rows say how alike two sentences are, so that short, equal and shared texts are nothing bad."""


@dataclass(frozen=True)
class Dataset:
    """A dataset taken apart. A text is named by its place in `texts`; blank ones stand nowhere."""

    rows: Rows
    columns: Columns
    texts: pl.DataFrame
    """text (String, distinct), key (UInt64: equal for texts that differ in case, blanks and punctuation alone)."""
    sides: pl.DataFrame
    """row (UInt32), role (anchor, positive, negative or passage), slot (UInt16), text (UInt32), key (UInt64); by row, anchor first."""
    values: pl.DataFrame
    """row, split (never null), place, label (Float64 or null), answer (String or null)."""

    @property
    def kind(self) -> str:
        """As in `schemas.plain.KINDS`."""
        return self.columns.kind

    @property
    def height(self) -> int:
        """Rows."""
        return self.rows.frame.height

    def side(self, *roles: str) -> pl.DataFrame:
        """The sides of some roles."""
        return self.sides.filter(pl.col("role").is_in(roles))


def take_apart(rows: Rows, columns: Columns) -> Dataset:
    """Number the texts of all used columns."""
    wide = {role: _as_texts(rows.frame[name]) for role, name in columns.used.items() if _is_text(role)}
    labels = _labels(rows.frame, columns)
    long = pl.concat([_side(role, values, labels) for role, values in wide.items()])
    long = long.filter(pl.col("text").is_not_null()).with_columns(hash=pl.col("text").hash(SEED))
    distinct = long.select("hash", "text").unique("hash", keep="first", maintain_order=True).with_row_index("number")
    keys = pl.concat(
        [_keys(distinct["text"][start : start + SLICE]) for start in range(0, distinct.height, SLICE)]
        or [pl.Series([], dtype=pl.UInt64)]
    )
    texts = distinct.select("text", key=keys)
    sides = (
        long.drop("text")
        .join(distinct.select("hash", text="number").with_columns(key=keys), on="hash", how="left")
        .drop("hash")
        .sort("row", "order", "slot", maintain_order=True)
        .drop("order")
    )
    return Dataset(rows, columns, texts, sides, _values(rows, columns, labels))


def slices(texts: pl.Series) -> Iterator[tuple[int, pl.Series]]:
    """(first number, texts) of some texts at a time; once of none, when there are none."""
    for start in range(0, max(1, len(texts)), SLICE):
        yield start, texts[start : start + SLICE]


def bare(text: pl.Expr) -> pl.Expr:
    """The text in the form in which it is looked for in others: lower case, one blank between words, no punctuation but inside words."""
    folded = text.str.normalize("NFKC").str.to_lowercase().str.replace_all(_PUNCTUATION, " ")
    return folded.str.replace_all(r"[.\-]+( |$)", " ").str.strip_chars(" .-")


def word_count(text: pl.Expr) -> pl.Expr:
    """Words; two characters of a script without blanks count as one."""
    unspaced = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}]"
    others = r"[\p{L}\p{N}--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}]][\p{L}\p{N}\p{M}_'’.\-]*"
    return text.str.count_matches(others) + (text.str.count_matches(unspaced) + 1) // 2


def _is_text(role: str) -> bool:
    return role not in ("label", "score", "split", "answer") and not role.endswith("_score")


def _keys(texts: pl.Series) -> pl.Series:
    found = bare(pl.col("text"))
    # Without a word texts are equal only character by character.
    return texts.to_frame("text").select(key=pl.when(found == "").then(pl.col("text")).otherwise(found).hash(SEED))["key"]


def _as_texts(values: pl.Series) -> pl.Series:
    """Texts, or lists of texts."""
    if isinstance(values.dtype, pl.List | pl.Array):
        if _is_plain(values.dtype.inner):
            return values.cast(pl.List(pl.String))
        encoded = [
            None if items is None else [json.dumps(item, ensure_ascii=False, default=str) for item in items] for items in values
        ]
        return pl.Series(encoded, dtype=pl.List(pl.String))
    if isinstance(values.dtype, pl.Struct):
        return values.struct.json_encode()
    return values.cast(pl.String)


def _is_plain(dtype: object) -> bool:
    return not isinstance(dtype, pl.Struct | pl.List | pl.Array)


def _side(role: str, values: pl.Series, labels: pl.Series) -> pl.DataFrame:
    """Texts of one column with role and slot; what a label says of a passage is its role."""
    frame = pl.DataFrame({"text": values}).with_row_index("row")
    number = role.rpartition("_")[2]
    first = int(number) if number.isdigit() else 0
    if isinstance(values.dtype, pl.List):
        frame = frame.with_columns(slot=pl.int_ranges(1, pl.col("text").list.len() + 1, dtype=pl.UInt16)).explode("text", "slot")
        frame = frame.drop_nulls("slot")
    else:
        frame = frame.with_columns(slot=pl.lit(first, pl.UInt16))
    stem = "positive" if role == "positives" else "negative" if role.startswith("negative") else role
    name = pl.lit(stem)
    if role == "passage" and labels.dtype != pl.Null:
        label = pl.Series("label", labels)[frame["row"]]
        name = pl.when(label > 0).then(pl.lit("positive")).when(label == 0).then(pl.lit("negative")).otherwise(pl.lit("passage"))
    order = {"anchor": 0, "positive": 1, "passage": 1, "negative": 2}[stem]
    blank = pl.col("text").str.contains(r"\S").fill_null(False)
    return frame.select(
        "row",
        name.alias("role"),
        "slot",
        pl.lit(order, pl.UInt8).alias("order"),
        pl.when(blank).then(pl.col("text")).alias("text"),
    )


def _labels(frame: pl.DataFrame, columns: Columns) -> pl.Series:
    """Of labelled rows 0 and more; Null type for other kinds."""
    if columns.kind != "labeled":
        return pl.Series([None] * frame.height, dtype=pl.Null)
    return label_numbers(frame[columns.used["label"]], columns.kind)


def label_numbers(values: pl.Series, kind: str) -> pl.Series:
    """Labels as numbers; null where a value is none. Grades (0, 1, 2, 3) of labelled rows stay what they are."""
    text = values.cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    known = text.replace_strict(NLI_NUMBERS if kind == "nli" else YES_NO, default=None, return_dtype=pl.Float64)
    if kind == "labeled":
        grades = text.cast(pl.Float64, strict=False)
        known = known.to_frame("known").select(pl.coalesce("known", pl.when(grades >= 0).then(grades)))["known"]
    return known


def _values(rows: Rows, columns: Columns, labels: pl.Series) -> pl.DataFrame:
    used, frame = columns.used, rows.frame
    found = rows.places.with_columns(pl.col("split").fill_null(ALL))
    if columns.kind == "labeled":
        found = found.with_columns(label=labels)
    elif columns.kind == "nli":
        found = found.with_columns(label=label_numbers(frame[used["label"]], "nli"))
    elif columns.kind == "scored":
        found = found.with_columns(
            label=frame[used["score"]].cast(pl.String, strict=False).str.strip_chars().cast(pl.Float64, strict=False)
        )
    else:
        found = found.with_columns(label=pl.lit(None, pl.Float64))
    found = found.with_columns(label=pl.when(pl.col("label").is_finite()).then("label"))
    return found.with_columns(answer=_answers(frame[used["answer"]]) if "answer" in used else pl.lit(None, pl.String))


def _answers(values: pl.Series) -> pl.Series:
    """The first answer of each row: of a list its first, of a struct its field `text`, as in SQuAD."""
    if isinstance(values.dtype, pl.Struct) and any(field.name == "text" for field in values.dtype.fields):
        values = values.struct.field("text")
    if isinstance(values.dtype, pl.List | pl.Array):
        values = values.list.first() if isinstance(values.dtype, pl.List) else values.arr.first()
    if isinstance(values.dtype, pl.Struct):
        return pl.Series([None] * len(values), dtype=pl.String)
    return values.cast(pl.String, strict=False)
