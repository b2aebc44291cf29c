"""The training rows of a dataset folder, checked again before any time is spent on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandera.errors
import polars as pl
import polars.exceptions

from schemas.dataset import dataset_model
from schemas.errors import InputError
from schemas.manifest import MANIFEST_NAME, Manifest, file_sha256, read_manifest
from schemas.tables import SPLITS
from schemas.training import TrainSettings
from train.formats import BUILD_AGAIN, check_rows, loss_rows
from train.losses import LOSSES, choose_loss
from train.models import third_party


@dataclass(frozen=True)
class TrainingData:
    """Checked rows, ready to train on."""

    format: str
    """One of `schemas.dataset.FORMATS`."""
    loss: str
    rows: pl.DataFrame
    """As the loss takes them (`train.formats.loss_rows`)."""
    manifest: Manifest
    manifest_sha256: str
    notes: tuple[str, ...]

    @property
    def texts(self) -> pl.DataFrame:
        """The rows without labels: anchor, then passages."""
        return self.rows.select(column for column, kind in self.rows.schema.items() if kind == pl.String)


def read_training_data(dataset: Path, settings: TrainSettings) -> TrainingData:
    """Check hashes, schemas and counts of a dataset folder and read its training rows.

    Raises InputError naming file and row of the first fault: a missing file, split or column, a blank text, a negative equal to the
    positive, a row count that is not the manifest's, a training question that is also a dev or test query.
    """
    manifest = read_manifest(dataset)
    name = _choose_format(manifest, settings, dataset)
    loss = choose_loss(settings.loss, name)
    splits = {
        split: read_split(dataset, manifest, name, split) for split in SPLITS if f"{name}/{split}.parquet" in manifest.files
    }
    rows = splits["train"]
    _refuse_leaks(dataset, rows)
    notes = []
    if name == "pairs" and settings.data == "auto":
        notes.append("No triplets in this dataset: training on pairs, with the other passages of a batch as the only negatives.")
    if settings.limit is not None and rows.height > settings.limit:
        notes.append(f"{settings.limit} of {rows.height} training rows used (`limit`).")
        rows = _limited(rows, settings.limit, settings.seed)
    rows, more = loss_rows(rows, name, manifest.negatives, f"{name}/train.parquet")
    notes += more
    return TrainingData(name, loss, rows, manifest, file_sha256(dataset / MANIFEST_NAME), tuple(notes))


def read_split(dataset: Path, manifest: Manifest, format_name: str, split: str) -> pl.DataFrame:
    """One Parquet file of the dataset folder, held to its schema and to the manifest's count."""
    name = f"{format_name}/{split}.parquet"
    try:
        frame = pl.read_parquet(dataset / name)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise InputError(f"cannot be read: {error}", where=name, next_step=BUILD_AGAIN) from error
    check_rows(frame, format_name, manifest.negatives, name)
    try:
        dataset_model(format_name, manifest.negatives).validate(frame)
    except (pandera.errors.SchemaError, pandera.errors.SchemaErrors) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"not what the {format_name} format promises: {first}", where=name, next_step=BUILD_AGAIN) from error
    promised = manifest.counts.get(format_name, {}).get(split, frame.height)
    if promised != frame.height:
        raise InputError(f"{frame.height} rows where the manifest says {promised}", where=name, next_step=BUILD_AGAIN)
    return frame


def to_dataset(rows: pl.DataFrame) -> Any:
    """The rows as a `datasets.Dataset` in memory (nothing is written to a cache)."""
    return third_party("datasets").Dataset.from_polars(rows)


def _choose_format(manifest: Manifest, settings: TrainSettings, dataset: Path) -> str:
    fitting = ("triplets", "pairs") if settings.loss == "auto" else [name for name in LOSSES if settings.loss in LOSSES[name]]
    wanted = fitting if settings.data == "auto" else (settings.data,)
    for name in wanted:
        entry = manifest.files.get(f"{name}/train.parquet")
        if entry is not None and entry.rows != 0:
            return name
    raise InputError(
        f"no training rows: {' and '.join(f'{name}/train.parquet' for name in wanted)} missing or empty",
        where=str(dataset),
        next_step="look at `curate rejects` for why no pair was kept, or build from more documents",
    )


def _refuse_leaks(dataset: Path, rows: pl.DataFrame) -> None:
    anchors = frozenset(rows["anchor"])
    for split in ("dev", "test"):
        path = dataset / "eval" / split / "queries.jsonl"
        if not path.is_file():
            continue
        with path.open(encoding="utf-8") as handle:
            leaked = [row["text"] for row in map(json.loads, filter(str.strip, handle)) if row.get("text") in anchors]
        if leaked:
            raise InputError(
                f"{len(leaked)} {split} queries are also training questions, for example {leaked[0][:80]!r}",
                where=f"eval/{split}/queries.jsonl",
                next_step="scores on them would mean nothing; " + BUILD_AGAIN,
            )


def _limited(rows: pl.DataFrame, limit: int, seed: int) -> pl.DataFrame:
    def digest(row: tuple[object, ...]) -> bytes:
        return sha256("\0".join(map(str, (seed, *row))).encode("utf-8", "surrogatepass")).digest()

    ranked = sorted(range(rows.height), key=lambda index: digest(rows.row(index)))
    return rows[sorted(ranked[:limit])]
