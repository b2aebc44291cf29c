"""A plain file of rows (JSONL, CSV, TSV, Parquet) as training rows: its columns say of which kind they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from schemas.errors import InputError
from schemas.plain import KINDS, NLI_NUMBERS, YES_NO, folded, kind_of
from train.losses import LOSSES
from train.rows import read_rows

# STS benchmarks score from 0 to 5.
_STS_TOP = 5.0
_DEV = frozenset({"dev", "validation", "valid", "val"})

Row = dict[str, Any]


@dataclass(frozen=True)
class PlainRows:
    """The rows of a plain file that can be trained on, in the columns of their kind."""

    kind: str
    frame: pl.DataFrame
    """`anchor` first; then as `schemas.dataset` says of the kind; of nli `anchor`, `passage`, `label` (0, 1, 2)."""
    dev: pl.DataFrame
    """The rows that a column `split` calls `dev`, `validation`, `valid` or `val`, in the same columns."""
    negatives: int
    columns: dict[str, str]
    """Column of the kind → column of the file."""
    notes: tuple[str, ...]


def read_plain(path: Path) -> PlainRows:
    """Read a file whose columns tell what its rows are; rows that cannot be used are left out and counted in the notes.

    A column `split` with `train` among its values chooses these rows, and those of `dev`. Raises InputError when the columns fit no kind, naming them and
    the losses of each kind, or when no row is left.
    """
    found = [_folded(row) for _, row in read_rows(path)]
    if not found:
        raise InputError("holds no rows", where=path.name, next_step="give a file with one row a line")
    rows = [row for row in found if row.get("split") == "train"] or found
    choosing = [row for row in found if row.get("split") in _DEV] if len(rows) < len(found) else []
    notes = [f"Rows of the split `train`: {len(rows):,} of {len(found):,}."] if len(rows) < len(found) else []
    names = list(dict.fromkeys(name for row in rows for name in row))
    kind, columns = _kind(rows, names, path.name)
    reasons: Counter[str] = Counter()
    made, held_out = (list(_rows(kind, columns, some, reasons)) for some in (rows, choosing))
    if not made:
        what = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(reasons.items()))
        raise InputError(f"no usable row ({what})", where=path.name, next_step=f"{kind} are rows of {KINDS[kind]}")
    unused = [name for name in names if name not in columns.values() and name != "split"]
    used = ", ".join(f"{ours} = {theirs}" for ours, theirs in columns.items())
    notes.append(f"Read as {kind}: {used}" + (f" (not used: {', '.join(unused)})." if unused else "."))
    if reasons:
        what = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
        notes.append(f"Rows left out: {reasons.total():,} ({what}).")
    if kind == "scored":
        made, more = _scaled(made, path.name)
        notes += more
    frame, dev = (pl.DataFrame(some, schema=_schema(columns), orient="row") for some in (made, held_out))
    if kind == "multi_positive" and "negatives" not in columns:
        frame, dev = (some.with_columns(negatives=pl.lit([], pl.List(pl.String))) for some in (frame, dev))
    negatives = _least(frame["negatives"]) if kind == "multi_positive" else _negatives(columns)
    return PlainRows(kind, frame, dev, negatives, columns, tuple(notes))


def kinds_that_fit() -> str:
    """Every kind with its columns and losses, a line each, for errors."""
    return "\n".join(f"    {KINDS[kind]}: {', '.join(LOSSES[kind])}" for kind in KINDS)


def _folded(row: Mapping[str, Any]) -> Row:
    return {folded(key): value for key, value in row.items() if key is not None}


def _kind(rows: Sequence[Row], names: Sequence[str], place: str) -> tuple[str, dict[str, str]]:
    """The kind of rows and, of each column of the kind, its name in the file."""
    found = kind_of(names, partial(_holds_lists, rows), lambda label: {_text(row.get(label)) for row in rows})
    if found is not None:
        return found
    raise InputError(
        f"columns {', '.join(names)} fit no kind of training rows",
        where=place,
        next_step=f"rename them; kinds of rows, and the losses that take them:\n{kinds_that_fit()}",
    )


def _holds_lists(rows: Sequence[Row], name: str) -> bool:
    return any(isinstance(row.get(name), list) for row in rows)


def _rows(kind: str, columns: Mapping[str, str], rows: Sequence[Row], reasons: Counter[str]) -> Iterator[list[Any]]:
    """Values in the order of `columns`; what cannot be used is counted by reason."""
    for row in rows:
        values = {ours: row.get(theirs) for ours, theirs in columns.items()}
        made = _lists(values) if kind == "multi_positive" else _values(kind, values)
        if isinstance(made, str):
            reasons[made] += 1
        else:
            yield made


def _values(kind: str, values: Row) -> list[Any] | str:
    """The row, or why it is none."""
    made: list[Any] = []
    texts: list[str] = []
    for name, value in values.items():
        if name == "label":
            number = (NLI_NUMBERS if kind == "nli" else YES_NO).get(_text(value))
            if number is None:
                return "no label that is known"
            made.append(number)
        elif name.endswith("score"):
            score = _float(value)
            if score is None:
                return "no score"
            made.append(score)
        else:
            text = "" if value is None else str(value)
            if not text.strip():
                return "blank text"
            made.append(text)
            texts.append(text)
    if kind in ("pairs", "triplets", "distilled"):
        if texts[0] == texts[1]:
            return "anchor equals positive"
        if len(set(texts[1:])) < len(texts) - 1:
            return "a passage twice"
    return made


def _lists(values: Row) -> list[Any] | str:
    anchor = "" if values["anchor"] is None else str(values["anchor"])
    positives, against = _texts(values["positives"]), _texts(values.get("negatives"))
    positives = [text for text in positives if text != anchor]
    if not anchor.strip() or not positives:
        return "blank text"
    if set(positives) & set(against):
        return "a passage twice"
    return [anchor, positives, *([against] if "negatives" in values else [])]


def _texts(value: Any) -> list[str]:
    """Texts of a list, or of a lone text, each once; blank ones are none."""
    given = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(str(text) for text in given if text is not None and str(text).strip()))


def _text(value: Any) -> str:
    return str(value).strip().lower() if value is not None else ""


def _float(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _scaled(rows: list[list[Any]], place: str) -> tuple[list[list[Any]], list[str]]:
    low, top = min(row[2] for row in rows), max(row[2] for row in rows)
    if low < 0 or top > _STS_TOP:
        raise InputError(
            f"scores from {low:g} to {top:g}", where=place, next_step="write scores from 0 (unlike) to 1, or to 5 as in STS"
        )
    if top <= 1:
        return rows, []
    return [[*row[:2], row[2] / _STS_TOP] for row in rows], ["Scores divided by 5: they go beyond 1, as in STS."]


def _schema(columns: Mapping[str, str]) -> dict[str, Any]:
    types: dict[str, Any] = {"label": pl.Int64, "positives": pl.List(pl.String), "negatives": pl.List(pl.String)}
    return {name: pl.Float64 if name.endswith("score") else types.get(name, pl.String) for name in columns}


def _least(negatives: pl.Series) -> int:
    """Negatives a row, so that none need repeat: as many as the anchor with the fewest has, if any; at most 7, as FlagEmbedding takes."""
    return min(7, min((len(texts) for texts in negatives if len(texts)), default=0))


def _negatives(columns: Mapping[str, str]) -> int:
    return sum(name.startswith("negative_") and not name.endswith("_score") for name in columns)
