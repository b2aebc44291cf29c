"""From findings to what is told and written: rows clean and flagged, counts by kind, the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import polars as pl

from curate import __version__
from curate.audit.findings import spoken
from curate.audit.texts import Dataset
from schemas.audit import KINDS, ORDER, AuditReport, DatasetFinding, Finding, Level, Sample

SAMPLES = 5
EXAMPLES = 15
"""Rows of a kind that can be read in the page."""
RARE = 0.01
"""Share of the rows below which a kind is told of after those that are more frequent, however bad it is."""
_CHARACTERS_SHOWN = 80


@dataclass(frozen=True)
class Example:
    """One row to read, whole."""

    kind: str
    """Of the finding; empty for a clean row."""
    level: Level | Literal["clean"]
    row: int
    """From 1."""
    place: str
    split: str
    detail: str
    texts: tuple[tuple[str, str], ...]
    """Name of the side (anchor, positive, negative 1 …), text."""


@dataclass(frozen=True)
class Audited:
    """All that an audit found."""

    report: AuditReport
    clean: pl.DataFrame
    """The columns of the input (and the split, where only the files' names say it), in its order."""
    flagged: pl.DataFrame
    """The same with audit_row (from 1), audit_place, audit_kinds and audit_details (lists of the same length)."""
    found: pl.DataFrame
    """Findings as in `curate.audit.findings`."""
    examples: tuple[Example, ...]
    """Some rows of every kind, and some clean ones."""


@dataclass(frozen=True)
class Sources:
    """What was read, by names."""

    dataset: str
    benchmarks: tuple[str, ...]
    model: str | None


def audited(dataset: Dataset, found: pl.DataFrame, about: Sequence[DatasetFinding], sources: Sources) -> Audited:
    """Divide the rows and count the findings."""
    bad = found.filter("error")["row"].unique()
    noted = found.filter(~pl.col("row").is_in(bad.implode()))["row"].n_unique()
    clean, flagged = _divided(dataset, found, bad)
    every = _counted(dataset, found)
    columns = dataset.columns
    report = AuditReport(
        curate_version=__version__,
        dataset=sources.dataset,
        verdict=_verdict(dataset.height, flagged.height, every, about),
        kind=dataset.kind,
        columns=columns.used,
        columns_mapped=columns.mapped,
        columns_unused=columns.unused,
        rows=dataset.height,
        clean=clean.height,
        flagged=flagged.height,
        noted=noted,
        splits=_splits(dataset),
        files=dataset.rows.files,
        benchmarks=sources.benchmarks,
        model=sources.model,
        findings=tuple(every),
        dataset_findings=tuple(about),
        notes=dataset.rows.notes,
    )
    return Audited(report, clean, flagged, found, tuple(_examples(dataset, found, [item.kind for item in every])))


def _examples(dataset: Dataset, found: pl.DataFrame, kinds: Sequence[str]) -> Iterator[Example]:
    """Up to `EXAMPLES` rows of each kind, spread over the dataset, then as many clean ones as four kinds have."""
    bad = found["row"].unique()
    clean = dataset.values.select("row").filter(~pl.col("row").is_in(bad.implode()))
    chosen = [
        _spread(found.filter(pl.col("kind") == kind).unique("row", keep="first", maintain_order=True), EXAMPLES) for kind in kinds
    ]
    chosen.append(
        _spread(clean, 4 * EXAMPLES).select("row", kind=pl.lit(""), detail=pl.lit(""), error=pl.lit(None, dtype=pl.Boolean))
    )
    rows = pl.concat(chosen).join(dataset.values.select("row", "split", "place"), on="row", maintain_order="left")
    texts: dict[int, list[tuple[str, str]]] = {}
    sides = dataset.sides.filter(pl.col("row").is_in(rows["row"].unique().implode()))
    for row, side, text in sides.select("row", spoken(pl.col("role"), pl.col("slot")), "text").rows():
        texts.setdefault(row, []).append((side, str(dataset.texts["text"][text])))
    for one in rows.iter_rows(named=True):
        level: Level | Literal["clean"] = "clean" if one["error"] is None else "error" if one["error"] else "note"
        yield Example(
            one["kind"], level, one["row"] + 1, one["place"], one["split"], one["detail"], tuple(texts.get(one["row"], ()))
        )


def _spread(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows, evenly from the first to the last."""
    if rows.height <= most:
        return rows
    return rows[[place * rows.height // most for place in range(most)]]


def _divided(dataset: Dataset, found: pl.DataFrame, bad: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = dataset.rows.frame
    if dataset.rows.named_split:
        frame = frame.with_columns(dataset.rows.places["split"].alias(_free("split", frame)))
    mask = pl.Series([False]).new_from_index(0, dataset.height).scatter(bad, True)
    told = found.filter(pl.col("row").is_in(bad.implode())).group_by("row").agg(kinds="kind", details="detail").sort("row")
    places = dataset.rows.places["place"].gather(told["row"])
    added = [
        (told["row"] + 1).alias("audit_row"),
        places.alias("audit_place"),
        told["kinds"].alias("audit_kinds"),
        told["details"].alias("audit_details"),
    ]
    return frame.filter(~mask), frame.filter(mask).with_columns(column.alias(_free(column.name, frame)) for column in added)


def _free(name: str, frame: pl.DataFrame) -> str:
    while name in frame.columns:
        name += "_"
    return name


def _counted(dataset: Dataset, found: pl.DataFrame) -> list[Finding]:
    rows = found.join(dataset.values.select("row", "split", "place"), on="row", maintain_order="left")
    anchors = dict(
        dataset.side("anchor")
        .join(rows.group_by("kind", maintain_order=True).head(SAMPLES).select("row").unique(), on="row", how="semi")
        .select("row", "text")
        .rows()
    )
    result = []
    for (kind,), every in rows.group_by("kind", maintain_order=True):
        name = str(kind)
        group, meaning = KINDS[name]
        # Errors first: of a kind that is both, they are what is to be mended.
        some = every.unique("row", keep="first", maintain_order=True).sort(~pl.col("error"), "row", maintain_order=True)
        result.append(
            Finding(
                kind=name,
                group=group,
                level="error" if some["error"].any() else "note",
                meaning=meaning,
                rows=some.height,
                share=round(some.height / dataset.height, 6),
                by_split=dict(sorted(some["split"].value_counts().rows())),
                samples=tuple(_sample(dataset, row, anchors) for row in some.head(SAMPLES).iter_rows(named=True)),
            )
        )
    return sorted(
        result, key=lambda item: (item.level == "note", item.share < RARE, ORDER.index(item.group), -item.rows, item.kind)
    )


def _sample(dataset: Dataset, row: dict[str, object], anchors: dict[int, int]) -> Sample:
    number = cast(int, row["row"])
    text = anchors.get(number)
    if text is None:
        text = next(iter(dataset.sides.filter(pl.col("row") == number)["text"]), None)
    shown = "" if text is None else str(dataset.texts["text"][text])[:_CHARACTERS_SHOWN]
    return Sample(row=number + 1, place=str(row["place"]), detail=str(row["detail"]), text=shown)


def _splits(dataset: Dataset) -> dict[str, int]:
    order = {"train": 0, "dev": 1, "test": 2}
    counts = dataset.values["split"].value_counts().rows()
    return dict(sorted(counts, key=lambda item: (order.get(item[0], 3), item[0])))


def _verdict(rows: int, flagged: int, found: Sequence[Finding], about: Sequence[DatasetFinding]) -> str:
    errors = [item for item in found if item.level == "error"]
    if not errors and not about:
        return f"No errors in {rows:,} rows."
    share = f"{flagged:,} of {rows:,} rows flagged ({_percent(flagged / rows)})"
    if about:
        return f"{share}. Fix first: {about[0].kind} ({about[0].detail})."
    first = errors[0]
    return f"{share}. Fix first: {first.kind}, {first.rows:,} {'row' if first.rows == 1 else 'rows'} ({first.meaning})."


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 or not share else "<0.1%" if share < 0.001 else f"{share:.1%}"
