"""What `curate evaluate` leaves in a build folder, for its report: the verdict, the table, single changes, a map of the texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from curate.store import DATABASE_NAME
from pipelines.evaluation import Contest
from pipelines.reporting.gather import EVALUATIONS
from schemas.errors import StoreError
from schemas.evaluation import EvaluateSettings
from train.data_map import data_map
from train.eval_set import EvalSet
from train.evaluate import BASE, Evaluation, Progress
from train.rankings import encoder_of
from train.verdict import Verdict

MOST_CHANGES = 20


def build_of(dataset: Path) -> Path | None:
    """The build folder that a dataset folder lies in, or None."""
    folder = dataset.resolve().parent
    return folder if dataset.resolve().name == "dataset" and (folder / DATABASE_NAME).is_file() else None


def record(
    dataset: Path, contest: Contest, judged: tuple[Evaluation, Verdict], eval_set: EvalSet, how: tuple[EvaluateSettings, Progress]
) -> Path | None:
    """Write a verdict for the report of the build that the dataset belongs to; the file, or None where it belongs to none.

    One file stands for each model and test, the newest. Raises StoreError when it cannot be written.
    """
    folder = build_of(dataset)
    if folder is None or contest.model is None:
        return None
    evaluation, verdict = judged
    name = Path(contest.model).name
    about = asdict(evaluation)
    if about["changed"]:
        for kind in ("regressions", "gains"):
            about["changed"][kind] = list(about["changed"].get(kind, ()))[:MOST_CHANGES]
    base = contest.systems().get(BASE)
    found = {
        "model": name,
        "base": Path(base).name if isinstance(base, str | Path) else None,
        "verdict": asdict(verdict),
        "evaluation": about,
        "map": _map(dataset, contest, eval_set, how),
    }
    # The file's name says nothing that a model's name could smuggle in.
    path = folder / EVALUATIONS / f"{sha256(json.dumps([name, evaluation.eval_set]).encode()).hexdigest()[:16]}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text(
            json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8", errors="replace"
        )
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"the verdict cannot be written: {error}", where=str(folder), next_step="make the folder writable, or use --no-record"
        ) from error
    return path


def _map(dataset: Path, contest: Contest, eval_set: EvalSet, how: tuple[EvaluateSettings, Progress]) -> dict[str, Any] | None:
    """Training questions and passages, test queries and texts of elsewhere, in the eyes of the base model."""
    settings, progress = how
    base = contest.systems().get(BASE)
    place = dataset / "pairs" / "train.parquet"
    if not isinstance(base, str | Path) or not place.is_file():
        return None
    rows = pl.read_parquet(place, columns=["anchor", "positive"])
    elsewhere: Sequence[str] = [text for row in contest.general for text in (row.first, row.second)]
    progress("map of the texts", 0, None)
    with encoder_of(base, settings) as encode:
        found = data_map(
            encode,
            {
                "training passages": ("document", rows["positive"].to_list()),
                "training questions": ("query", rows["anchor"].to_list()),
                "test queries": ("query", list(eval_set.queries.values())),
                "texts of elsewhere": ("document", elsewhere),
            },
        )
    return None if found is None else asdict(found)
