"""Evaluates a tuned model beside its base and BM25: the rankings of BM25 come from curate's engine, the rest from train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.bm25 import build, tokenise
from schemas.errors import InputError, SettingsError
from schemas.training import EvaluateSettings
from train.eval_set import EvalSet, read_eval_set, with_questions, with_user_queries
from train.evaluate import BASE, BM25, TUNED, Evaluation, Progress, System, evaluate, quiet
from train.model_folder import read_record
from train.search import Run
from train.verdict import Verdict, decide, evidence_of

BATCH = 1000
CHUNKS = "provenance/chunks.parquet"


@dataclass(frozen=True)
class Test:
    """What to test on: a split of the dataset, or the user's own queries with qrels, or questions with document and answer."""

    split: str = "test"
    queries: Path | None = None
    qrels: Path | None = None

    def load(self, dataset: Path) -> EvalSet:
        """The evaluation set. Raises InputError or SettingsError naming what is missing."""
        if self.qrels is not None and self.queries is None:
            raise SettingsError(
                "--qrels needs --queries", next_step="give both files, or --queries alone with documents and answers"
            )
        base = read_eval_set(dataset, self.split)
        if self.queries is None:
            return base
        chunks = read_chunks(dataset)
        if self.qrels is None:
            return with_questions(base, self.queries, chunks)
        return with_user_queries(base, self.queries, self.qrels, chunks)


def read_chunks(dataset: Path) -> pl.DataFrame:
    """Where each chunk of the corpus stands: the dataset's `provenance/chunks.parquet`."""
    path = dataset / CHUNKS
    if not path.is_file():
        raise InputError(f"no {CHUNKS} here", where=str(dataset), next_step="run `curate build` again")
    return pl.read_parquet(path)


def bm25_run(eval_set: EvalSet, depth: int = 100) -> Run:
    """Query id → the `depth` best passages by BM25 (ten times as many when judgements name documents)."""
    ids = sorted(eval_set.corpus)
    index = build("bm25s", (tokenise(eval_set.corpus[name]) for name in ids))
    depth = min(len(ids), depth * (1 if eval_set.documents is None else 10))
    run: Run = {}
    names = list(eval_set.queries)
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        found, scores = index.search([tokenise(eval_set.queries[name]) for name in batch], depth)
        for row, name in enumerate(batch):
            run[name] = [(ids[i], float(s)) for i, s in zip(found[row], scores[row], strict=True) if i >= 0]
    return run


def compare(
    model: str, base: str | None, eval_set: EvalSet, settings: EvaluateSettings | None = None, progress: Progress = quiet
) -> tuple[Evaluation, Verdict]:
    """BM25, the base model (named, or read from the tuned model's `training.json`) and the tuned model on one set, with a verdict."""
    named = base or base_of(model)
    systems: dict[str, System] = {BM25: bm25_run(eval_set)}
    if named is not None:
        systems[BASE] = named
    systems[TUNED] = model
    evaluation = evaluate(systems, eval_set, settings, progress)
    return evaluation, decide(evidence_of(evaluation))


def base_of(model: str) -> str | None:
    """The base model that `curate train` wrote down, or None for a model from elsewhere."""
    folder = Path(model)
    record = read_record(folder) if folder.is_dir() else None
    return str(record["model"]) if record and "model" in record else None


def evaluation_lines(evaluation: Evaluation, verdict: Verdict) -> Sequence[str]:
    """The table people read: verdict first, then systems, intervals, styles, notes."""
    lines = [verdict.headline, ""]
    names = list(evaluation.systems[0].metrics)
    lines.append(f"{'':<10}" + "".join(f"{name:>10}" for name in names))
    for system in evaluation.systems:
        lines.append(f"{system.name:<10}" + "".join(f"{system.metrics[name]:>10.4f}" for name in names))
    lines += ["", f"{evaluation.queries:,} queries ({evaluation.eval_set}), {evaluation.passages:,} passages, {evaluation.clusters:,} clusters"]  # fmt: skip
    if evaluation.comparisons:
        lines += ["", "difference, 95% interval (paired bootstrap by document cluster)"]
    for item in evaluation.comparisons:
        interval = item.difference
        bounds = "too few clusters" if interval.low is None else f"{interval.low:+.4f} … {interval.high:+.4f}"
        group = " on real queries" if item.queries == "real" else ""
        lines.append(f"  {item.system} − {item.against}  {item.metric:<8}{interval.mean:+.4f}  [{bounds}]{group}")
    if len(evaluation.styles) > 1:
        lines += ["", f"{names[0]} by style"]
        for style, count in evaluation.styles.items():
            scores = ", ".join(f"{system.name} {system.by_style[style][names[0]]:.4f}" for system in evaluation.systems)
            lines.append(f"  {style} ({count:,}): {scores}")
    lines += ["", *(f"- {text}" for text in (*verdict.reasons, *verdict.missing, *evaluation.notes))]
    lines += [f"- {count:,} queries not judged: {reason}" for reason, count in evaluation.unmapped.items()]
    return lines
