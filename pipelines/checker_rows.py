"""What a checker is trained on: a build's kept training questions with faults planted into them, and labelled files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.calibrate.material import read_material
from curate.calibrate.plant import UNTRUE, plant
from curate.store import open_store
from curate.verify.ranks import read_corpus
from schemas.errors import InputError, SettingsError
from schemas.settings.loading import section_from_sets
from schemas.training import CheckerSettings
from train.checker import CheckerJob, CheckerResult, train_checker
from train.evaluate import Progress
from train.labelled import Labelled, read_labelled

_TABLES = ("questions", "chunks", "chunk_clusters", "pairs")
_EVERY = 10**9
_ORIGINS = ["extractive", "imported", "llm"]


def checker_rows(builds: Sequence[Path], labelled: Sequence[Path], seed: int, progress: Progress) -> list[Labelled]:
    """Rows of all builds, then of all files. Raises InputError for a build without kept training questions, or a faulty file."""
    rows: list[Labelled] = []
    for path in labelled:
        progress("read", len(rows), None)
        rows += read_labelled(path)
    for build in builds:
        progress("plant", len(rows), None)
        rows += planted_rows(build, seed)
    return rows


def train_on_sources(
    sources: tuple[Sequence[Path], Sequence[Path]], target: tuple[Path, str], sets: Sequence[str], progress: Progress
) -> CheckerResult:
    """Train a checker on (build folders, labelled files) into (folder, from base) with `key=value` settings."""
    builds, labelled = sources
    settings = section_from_sets(CheckerSettings, sets)
    if not builds and not labelled:
        raise SettingsError("nothing to train on", where="train", next_step="name a build folder, or give --labelled FILE")
    rows = checker_rows(builds, labelled, settings.seed, progress)
    named = tuple(path.name for path in (*builds, *labelled))
    if settings.kind == "sentences":
        from pipelines.sentence_checker import train_sentence_checker

        return train_sentence_checker(CheckerJob(rows, named, *target), settings, progress)
    return train_checker(CheckerJob(rows, named, *target), settings, progress)


def planted_rows(build: Path, seed: int) -> list[Labelled]:
    """A build's kept training questions (label 1) and the faults in them that question and passage show (label 0).

    A row's group is the near-duplicate cluster of its question's document. Questions of dev and test are not used: a checker that has seen
    them could let their like through when it filters them.
    """
    with open_store(build, read_only=True) as store:
        reader = store.reader(_TABLES)
        kept = set(reader.query("SELECT question_id FROM pairs WHERE split = 'train' AND is_positive")["question_id"])
        values = {"origins": _ORIGINS, "wanted": [], "rows": _EVERY}
        questions = [
            row for row in reader.query("calibrate_questions", values).iter_rows(named=True) if row["question_id"] in kept
        ]
        if not questions:
            raise InputError(
                "no training question was kept in this build, so there is nothing to plant faults into",
                where=str(build),
                next_step="`curate rejects DIR --stage filter` says why they fall",
            )
        planted = plant(questions, read_material(reader, read_corpus(reader)), seed, UNTRUE).rows
    cluster = {row["question_id"]: row["cluster_id"] for row in questions}
    pairs = {(row["question"], row["passage"]) for row in questions}
    good = [_labelled(row, 1, row["cluster_id"]) for row in questions]
    # A fault in the answer alone cannot be seen by a checker, which reads question and passage.
    shown = {said: row for row in planted if (said := (row["question"], row["passage"])) not in pairs}
    return [*good, *(_labelled(row, 0, cluster[row["original_id"]]) for row in shown.values())]


def _labelled(row: Mapping[str, Any], label: int, group: str) -> Labelled:
    return Labelled(row["question"], row["passage"], label, group)
