"""The rows of a recipe's data sets: from a local file or folder where one is given, else from the hub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from curate.ingest.hub import dataset_rows, hub_splits, saved_splits
from pipelines.recipes.order import Order
from schemas.errors import InputError
from train.labelled import read_labelled
from train.rows import KINDS, cell, read_rows

Row = dict[str, Any]

_BATCH = 1000
_SAVED = ("dataset_info.json", "dataset_dict.json")


@dataclass(frozen=True)
class Part:
    """One data set that a recipe reads."""

    name: str
    """In a source folder its file or folder begins so; as an option it is `--NAME`."""
    hub: str
    """Where it is on the hub, as `curate build` writes it."""
    columns: str
    """What its rows must have, in words."""
    first: bool = False
    """The one that `--source FILE` is."""

    @property
    def option(self) -> str:
        """How to pass a local copy of this part alone."""
        return "--source" if self.first else f"--{self.name}"


def read_part(order: Order, part: Part, splits: Sequence[str] = (), first: int | None = None) -> list[Row]:
    """Rows of a data set, each with its `split` where it is known: those of the first of `splits` that is there, else all; of them the
    `first` so many.

    Raises InputError that names what to pass when the hub cannot be reached or the local copy is not there.
    """
    place = _local(order, part)
    found = _from_hub(part) if place is None else _from_place(place, part)
    rows = list(found if splits else islice(found, first))
    if not rows:
        raise InputError(f"no rows of {part.name}", where=str(place or part.hub), next_step=_wanted(part))
    chosen = next((split for split in splits if any(row.get("split") == split for row in rows)), None)
    return [row for row in rows if chosen is None or row.get("split") == chosen][:first]


def texts(rows: Sequence[Row], columns: Sequence[Sequence[str]], part: Part) -> list[tuple[str, ...]]:
    """Of each row the texts of these columns (each the first of some names that is there); rows with a blank one are left out.

    Raises InputError where no row has a column of such a name, or every row has a blank one.
    """
    there = {str(name).strip().lower().replace("-", "_"): str(name) for row in rows for name in row if name is not None}
    for names in columns:
        if not there.keys() & set(names):
            raise InputError(
                f"no column {' or '.join(names)} among {', '.join(there.values())}", where=part.name, next_step=_wanted(part)
            )
    found = [tuple(cell(row, names) or "" for names in columns) for row in rows]
    whole = [row for row in found if all(row)]
    if not whole:
        raise InputError("every row has a blank text", where=part.name, next_step=_wanted(part))
    return whole


def some(rows: Sequence[Row], limit: int | None, seed: int) -> list[Row]:
    """At most `limit` rows by hash of seed and row, in their order: a file sorted by label loses no label."""
    if limit is None or len(rows) <= limit:
        return list(rows)

    def digest(index: int) -> bytes:
        text = json.dumps(rows[index], sort_keys=True, ensure_ascii=False, default=str)
        return sha256(f"{seed}\0{text}".encode("utf-8", "surrogatepass")).digest()

    return [rows[index] for index in sorted(sorted(range(len(rows)), key=digest)[:limit])]


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Rows as JSON lines: the same rows give the same bytes, so that training knows them again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as handle:
        handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    temporary.replace(path)
    return path


def _local(order: Order, part: Part) -> Path | None:
    """Where the local copy is; None when none was given."""
    if given := order.parts.get(part.name):
        return _there(given, part)
    source = order.source
    if source is None:
        return None
    _there(source, part)
    if source.is_file() or _is_saved(source):
        return source if part.first else None
    found = sorted(entry for entry in source.iterdir() if entry.name.lower().startswith(part.name))
    if not found:
        raise InputError(
            f"nothing here begins with {part.name!r}",
            where=str(source),
            next_step=f"put {part.name}.jsonl (or .csv, .tsv, .parquet) there, or give {part.option} FILE: {part.columns}",
        )
    return found[0]


def _there(path: Path, part: Part) -> Path:
    if not path.exists():
        raise InputError("no such file or folder", where=str(path), next_step=_wanted(part))
    return path


def _from_place(place: Path, part: Part) -> Iterator[Row]:
    if place.is_file():
        yield from _from_file(place)
        return
    if _is_saved(place):
        yield from _of_splits(saved_splits(str(place)))
        return
    files = sorted(entry for entry in place.iterdir() if entry.suffix.lower() in (*KINDS, ".json"))
    if len(files) != 1:
        raise InputError(f"{len(files)} data files in this folder, one is needed", where=str(place), next_step=_wanted(part))
    yield from _from_file(files[0])


def _from_file(path: Path) -> Iterator[Row]:
    if path.suffix.lower() != ".json":
        yield from (row for _, row in read_rows(path))
        return
    for row in read_labelled(path):
        if row.label:
            yield {"question": row.question, "context": row.passage, "title": row.group}


def _from_hub(part: Part) -> Iterator[Row]:
    try:
        splits = hub_splits(part.hub)
    except InputError as error:
        raise InputError(error.what, where=part.hub, next_step=_wanted(part)) from error
    return _of_splits(splits)


def _of_splits(splits: Iterable[tuple[str, Any]]) -> Iterator[Row]:
    for split, dataset in splits:
        for row in dataset_rows(dataset, tuple(dataset.column_names), _BATCH):
            yield {**row, "split": split} if split and "split" not in row else row


def _is_saved(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _SAVED)


def _wanted(part: Part) -> str:
    return f"download {part.hub.removeprefix('hf://')} elsewhere and give {part.option} FILE: {part.columns}"
