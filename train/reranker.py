"""A reranker from the labelled rows of a dataset folder: a cross-encoder that orders the passages a search has found."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import polars as pl

from schemas.errors import InputError, SettingsError
from schemas.manifest import Manifest, read_manifest
from schemas.training import CheckerSettings
from train.checker import RERANKER, CheckerJob, CheckerResult, train_checker
from train.checker_data import Divided
from train.data import read_split
from train.evaluate import Progress, quiet
from train.labelled import Labelled

FORMAT = "labeled"


def train_reranker(
    dataset: Path, out: Path, model: str, settings: CheckerSettings | None = None, progress: Progress = quiet
) -> CheckerResult:
    """Fit a cross-encoder with one output to `labeled/train.parquet` and write a folder for `curate evaluate --reranker`.

    The base is a folder or hub name of a cross-encoder or an embedding model (its head is then new). The dev rows, of documents that are not
    trained on, choose the epoch. Raises InputError for a folder without labelled rows of both kinds, and what `train_checker` raises.
    """
    settings = settings or CheckerSettings()
    if settings.kind != "cross-encoder":
        raise SettingsError("a reranker is a cross-encoder", where="kind", next_step="leave kind out, or use --task checker")
    divided = read_rows(dataset, settings)
    return train_checker(CheckerJob((), (dataset.name,), out, model, divided, RERANKER), settings, progress)


def read_rows(dataset: Path, settings: CheckerSettings) -> Divided:
    """The rows as the dataset divides them; without dev rows of both labels the last epoch is kept."""
    manifest = read_manifest(dataset)
    notes = []
    train, dev = (_labelled(dataset, manifest, split) for split in ("train", "dev"))
    if settings.limit is not None and len(train) > settings.limit:
        notes.append(f"{settings.limit:,} of {len(train):,} rows used (`limit`).")
        chosen = set(sorted(train, key=lambda row: _chance(settings.seed, row))[: settings.limit])
        train = [row for row in train if row in chosen]
    if {row.label for row in train} != {0, 1}:
        raise InputError(
            f"no rows of both labels in {FORMAT}/train.parquet",
            where=str(dataset),
            next_step="a reranker learns from passages that answer and such that do not: build with mined negatives (mine.negatives)",
        )
    if {row.label for row in dev} != {0, 1}:
        notes.append("No dev rows of both labels: the last epoch is kept.")
        dev = []
    digest = sha256("\n".join(map(_key, [*train, *dev])).encode()).hexdigest()
    return Divided(tuple(train), tuple(dev), digest, tuple(notes))


def _labelled(dataset: Path, manifest: Manifest, split: str) -> list[Labelled]:
    """A row's group is the document of its question, or its passage where the folder does not tell."""
    if f"{FORMAT}/{split}.parquet" not in manifest.files:
        return []
    frame = read_split(dataset, manifest, FORMAT, split)
    groups = frame["passage"]
    origins = f"provenance/{FORMAT}/{split}.parquet"
    if (
        origins in manifest.files
        and (known := pl.read_parquet(dataset / origins, columns=["document_id"])).height == frame.height
    ):
        groups = known["document_id"]
    rows = zip(*frame.select("anchor", "passage", "label"), groups, strict=True)
    return [Labelled(anchor, passage, int(label), group) for anchor, passage, label, group in rows]


def _key(row: Labelled) -> str:
    return "\x1f".join((row.question, row.passage, str(row.label)))


def _chance(seed: int, row: Labelled) -> str:
    return sha256(f"{seed}\x1f{_key(row)}".encode()).hexdigest()
