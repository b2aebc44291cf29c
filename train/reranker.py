"""A reranker from the labelled rows of a dataset folder: a cross-encoder that orders the passages a search has found."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from schemas.errors import SettingsError
from schemas.manifest import Manifest, read_manifest
from schemas.training import CheckerSettings
from train.checker import RERANKER, CheckerJob, CheckerResult, train_checker
from train.checker_data import Divided, divided_already
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
    return divided_already(_labelled(dataset, manifest, "train"), _labelled(dataset, manifest, "dev"), settings)


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
