"""The training rows of a dataset folder or a plain file, checked again before any time is spent on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandera.errors
import polars as pl
import polars.exceptions

from schemas.dataset import FORMATS, dataset_model
from schemas.errors import InputError, SettingsError
from schemas.manifest import MANIFEST_NAME, Manifest, file_sha256, read_manifest
from schemas.tables import SPLITS
from schemas.training import TrainSettings
from train.eval_set import EvalSet
from train.formats import BUILD_AGAIN, LEAST_PASSAGES, check_rows, loss_rows
from train.held_out import hold_out
from train.known import NOTHING, Known, read_known, together
from train.losses import HYBRID, IN_BATCH_LOSSES, LOSSES, choose_loss
from train.models import third_party
from train.plain import read_plain

EXTRACTIVE = "extractive"
"""Origin of questions that are sentences, headings and words of their passage."""


@dataclass(frozen=True)
class TrainingData:
    """Checked rows, ready to train on."""

    name: str
    format: str
    """One of `train.losses.LOSSES`."""
    loss: str
    rows: pl.DataFrame
    """As the loss takes them (`train.formats.loss_rows`)."""
    known: Known
    """What the dataset knows of its passages besides the rows."""
    heading_prefix: bool
    """Whether passages begin with their heading path; of a plain file False: they are embedded as they are."""
    manifest_sha256: str
    """Of the dataset's manifest, or of the plain file."""
    notes: tuple[str, ...]
    dev: EvalSet | None = None
    """What chooses the checkpoint, of a plain file whose rows say it; a dataset folder has its own."""

    @property
    def texts(self) -> pl.DataFrame:
        """The rows without labels: anchor, then passages."""
        return self.rows.select(column for column, kind in self.rows.schema.items() if kind == pl.String)

    @property
    def titles(self) -> Mapping[str, str]:
        """Passage → title of its document, where passages begin with it and the document has others."""
        return self.known.titles if self.heading_prefix else {}


def read_training_data(source: Path, settings: TrainSettings) -> TrainingData:
    """Check hashes, schemas and counts of a dataset folder, or the columns of a plain file, and read the training rows.

    Raises InputError naming file and row of the first fault: a missing file, split or column, a blank text, a negative equal to the
    positive, a row count that is not the manifest's, a training question that is also a dev or test query; SettingsError for a loss that
    cannot take the rows, and for a `dev_share` of rows that do not say which passages answer.
    """
    return _of_file(source, settings) if source.is_file() else _of_folder(source, settings)


def _of_folder(dataset: Path, settings: TrainSettings) -> TrainingData:
    manifest = read_manifest(dataset)
    if settings.dev_share:
        raise SettingsError(
            "a dataset folder has its own dev set", where="dev_share", next_step="leave it out: it is for plain files"
        )
    settings, notes = _with_loss(settings, dataset, manifest)
    name = _choose_format(manifest, settings, dataset)
    splits = {
        split: read_split(dataset, manifest, name, split) for split in SPLITS if f"{name}/{split}.parquet" in manifest.files
    }
    taken = [split for split in SPLITS if split in splits and (split == "train" or settings.splits == "all")]
    rows = pl.concat([splits[split] for split in taken])
    negatives = manifest.negatives if name in ("triplets", "multi_positive") else 0
    loss = choose_loss(settings, name, rows.columns, negatives)
    if settings.splits == "train":
        _refuse_leaks(dataset, rows)
    else:
        notes.append("Trained on all splits: no question of this dataset can judge the model.")
    if name == "pairs" and settings.data == "auto" and loss != HYBRID:
        notes.append("No triplets in this dataset: training on pairs, with the other passages of a batch as the only negatives.")
    known = NOTHING
    if loss in (*IN_BATCH_LOSSES, HYBRID):
        known = together(read_known(dataset, f"{name}/{split}", splits[split], manifest) for split in taken)
    rows, more = _limited(rows, settings)
    rows, of_loss = loss_rows(rows, name, manifest.negatives, loss, f"{name}/train.parquet")
    return TrainingData(
        name=manifest.name,
        format=name,
        loss=loss,
        rows=rows,
        known=known,
        heading_prefix=manifest.heading_prefix,
        manifest_sha256=file_sha256(dataset / MANIFEST_NAME),
        notes=(*notes, *more, *of_loss),
    )


def _of_file(path: Path, settings: TrainSettings) -> TrainingData:
    plain = read_plain(path)
    if settings.data not in ("auto", plain.kind):
        raise InputError(
            f"these rows are {plain.kind}, not {settings.data} (columns: {', '.join(plain.columns.values())})",
            where=path.name,
            next_step="leave --format out, or rename the columns (`curate train --help`)",
        )
    loss = choose_loss(settings, plain.kind, plain.frame.columns, plain.negatives)
    rows, dev, of_dev = hold_out(plain, settings, path.name)
    rows, notes = _limited(rows, settings)
    rows, of_loss = loss_rows(rows, plain.kind, plain.negatives, loss, path.name)
    return TrainingData(
        name=path.name,
        format=plain.kind,
        loss=loss,
        rows=rows,
        known=NOTHING,
        heading_prefix=False,
        manifest_sha256=file_sha256(path),
        notes=(*plain.notes, *of_dev, *notes, *of_loss),
        dev=dev,
    )


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


def _with_loss(settings: TrainSettings, dataset: Path, manifest: Manifest) -> tuple[TrainSettings, list[str]]:
    """HybridDistillLoss, where the settings leave everything open and most questions were taken from the passages themselves, and why.

    From those a contrastive loss learns to look for copies (docs/benchmarks.md, "The default road").
    """
    place = "provenance/pairs/train.parquet"
    chosen = (settings.loss, settings.data, settings.guide, settings.mini_batch_size) != ("auto", "auto", None, None)
    if chosen or place not in manifest.files or "pairs/train.parquet" not in manifest.files:
        return settings, []
    columns = pl.read_parquet_schema(dataset / place)
    if "origin" not in columns:
        return settings, []
    origins = pl.read_parquet(dataset / place, columns=["origin"])["origin"]
    copied = int((origins == EXTRACTIVE).sum())
    passages = pl.read_parquet(dataset / "pairs/train.parquet", columns=["positive"])["positive"].n_unique()
    if 2 * copied < len(origins) or passages < LEAST_PASSAGES:
        return settings, []
    note = f"loss=auto: {HYBRID}, as {copied:,} of {len(origins):,} training questions were taken from the passages themselves."
    return settings.model_copy(update={"loss": HYBRID}), [note]


def _choose_format(manifest: Manifest, settings: TrainSettings, dataset: Path) -> str:
    built = [name for name in FORMATS if settings.loss in LOSSES[name]]
    # HybridDistillLoss finds its negatives in the batch: pairs without a mined one are not lost to it.
    usual = ("pairs", "triplets") if settings.loss == HYBRID else ("triplets", "pairs")
    fitting = usual if settings.loss in ("auto", HYBRID) else built
    wanted = fitting if settings.data == "auto" else (settings.data,)
    for name in wanted:
        entry = manifest.files.get(f"{name}/train.parquet")
        if entry is not None and entry.rows != 0:
            return name
    if not wanted:
        raise InputError(
            f"no format of a dataset folder goes with {settings.loss}", where=str(dataset), next_step="train on a plain file"
        )
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


def _limited(rows: pl.DataFrame, settings: TrainSettings) -> tuple[pl.DataFrame, list[str]]:
    limit = settings.limit
    if limit is None or rows.height <= limit:
        return rows, []

    def digest(row: tuple[object, ...]) -> bytes:
        return sha256("\0".join(map(str, (settings.seed, *row))).encode("utf-8", "surrogatepass")).digest()

    ranked = sorted(range(rows.height), key=lambda index: digest(rows.row(index)))
    return rows[sorted(ranked[:limit])], [f"{limit} of {rows.height} training rows used (`limit`)."]
