"""Evaluates models side by side: the rankings of BM25 come from curate's engine, hosted embeddings from its client, the rest from train."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from curate.bm25 import build, search_terms
from schemas.errors import InputError, SettingsError, VerdictError
from schemas.evaluation import EvaluateSettings, VerdictSettings
from schemas.manifest import MANIFEST_NAME
from train.encoder import Encoder
from train.eval_set import EvalSet, is_beir, read_beir, read_eval_set, with_questions, with_user_queries
from train.evaluate import BASE, BM25, COMPARISONS, HYBRID, TUNED, Evaluation, Pairs, Progress, evaluate, quiet
from train.forgetting import Forgetting, Rated, encoded_similarities, forgetting
from train.model_folder import read_record
from train.rankings import Fused, System, encoder_of, run_depth
from train.search import Run
from train.verdict import Outcome, Verdict, decide, evidence_of

BATCH = 1000
CHUNKS = "provenance/chunks.parquet"

Hosted = Callable[[str], Encoder | None]
"""Name of a system → what embeds for it when it is a hosted model, else None."""


@dataclass(frozen=True)
class Test:
    """What to test on: a split of the dataset (or a folder in BEIR's layout), or the user's own queries with qrels, or questions with
    document and answer."""

    split: str = "test"
    queries: Path | None = None
    qrels: Path | None = None

    def load(self, dataset: Path) -> EvalSet:
        """The evaluation set. Raises InputError or SettingsError naming what is missing."""
        if self.qrels is not None and self.queries is None:
            raise SettingsError(
                "--qrels needs --queries", next_step="give both files, or --queries alone with documents and answers"
            )
        elsewhere = task_folders(dataset) == [dataset]
        base = read_beir(dataset) if elsewhere else read_eval_set(dataset, self.split)
        if self.queries is None:
            return base
        if self.qrels is None:
            return with_questions(base, self.queries, read_chunks(dataset))
        return with_user_queries(base, self.queries, self.qrels, None if elsewhere else read_chunks(dataset))


@dataclass(frozen=True)
class Contest:
    """Who is compared: a tuned model with its base (named, or read from its `training.json`), and others beside them.

    Others are models (names or folders) or hosted ones (`openai:NAME`). Without a tuned model they stand for themselves, so that a base can
    be chosen before tuning.
    """

    model: str | None = None
    base: str | None = None
    others: tuple[str, ...] = ()
    general: tuple[Rated, ...] = ()
    """Texts of elsewhere that people rated: what the tuned model forgot is measured on them."""
    rules: VerdictSettings | None = None
    """Bounds of the verdict; None: the defaults."""

    def systems(self, hosted: Hosted = lambda _: None) -> dict[str, System]:
        """Row name → system, without BM25 and what is made of others."""
        base = self.base or (base_of(self.model) if self.model is not None else None)
        named = {BASE: base, TUNED: self.model, **_named(self.others)}
        return {name: hosted(system) or system for name, system in named.items() if system is not None}

    def pairs(self) -> Pairs:
        """Which rows are compared. Without a tuned model each is compared with BM25 and with the first of them."""
        others = list(_named(self.others))
        if self.model is not None:
            return [*COMPARISONS, *((TUNED, other) for other in others)]
        rows = [*([BASE] if self.base is not None else []), *others]
        return [*((row, BM25) for row in rows), *((row, rows[0]) for row in rows[1:])]


def read_chunks(dataset: Path) -> pl.DataFrame:
    """Where each chunk of the corpus stands: the dataset's `provenance/chunks.parquet`."""
    path = dataset / CHUNKS
    if not path.is_file():
        raise InputError(f"no {CHUNKS} here", where=str(dataset), next_step="run `curate build` again")
    return pl.read_parquet(path)


def bm25_run(eval_set: EvalSet, depth: int = 100) -> Run:
    """Query id → the `depth` best passages by BM25 on the terms that stage `mine` searches by (ten times as many when judgements name documents)."""
    ids = sorted(eval_set.corpus)
    index = build("bm25s", (search_terms(eval_set.corpus[name]) for name in ids))
    depth = min(len(ids), run_depth(eval_set, depth))
    run: Run = {}
    names = list(eval_set.queries)
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        found, scores = index.search([search_terms(eval_set.queries[name]) for name in batch], depth)
        for row, name in enumerate(batch):
            run[name] = [(ids[i], float(s)) for i, s in zip(found[row], scores[row], strict=True) if i >= 0]
    return run


def compare(
    contest: Contest,
    eval_set: EvalSet,
    settings: EvaluateSettings | None = None,
    progress: Progress = quiet,
    hosted: Hosted = lambda _: None,
) -> tuple[Evaluation, Verdict | None]:
    """BM25, the contest's systems and the fusion of BM25 and the tuned model on one set; with a verdict where there is a tuned model."""
    settings = settings or EvaluateSettings()
    systems = contest.systems(hosted)
    if not systems:
        raise SettingsError("nothing to evaluate", next_step="give a MODEL, or models to choose from with --compare")
    systems = {BM25: bm25_run(eval_set, settings.depth), **systems}
    if TUNED in systems:
        # Beside the two it is made of, before others.
        others = {name: systems.pop(name) for name in list(systems) if name not in (BM25, BASE, TUNED)}
        systems |= {HYBRID: Fused((BM25, TUNED)), **others}
    evaluation = evaluate(systems, eval_set, settings, progress, contest.pairs())
    if TUNED not in systems:
        return evaluation, None
    lost = forgotten(systems, contest.general, settings, progress) if contest.general and BASE in systems else None
    return replace(evaluation, forgetting=lost), decide(evidence_of(evaluation, lost.loss if lost else None), contest.rules)


def forgotten(
    systems: Mapping[str, System], general: Sequence[Rated], settings: EvaluateSettings, progress: Progress
) -> Forgetting | None:
    """What the tuned system lost of general similarity beside the base; None where one of them is a ranking, which finds nothing alike."""
    found = []
    for name in (BASE, TUNED):
        progress(f"general similarity, {name}", 0, None)
        system = systems[name]
        if isinstance(system, dict | Fused):
            return None
        with encoder_of(system, settings) as encode:
            found.append(encoded_similarities(encode, general))
    return forgetting(general, *found, draws=settings.draws, seed=settings.seed)


def check_required(required: str, outcome: Outcome | None, where: str) -> None:
    """Raise VerdictError when the outcome is worse than "ship" or "not-proven", SettingsError when there is none."""
    if outcome is None:
        raise SettingsError("--require needs a tuned MODEL to judge", next_step="give MODEL and DATASET")
    order = (Outcome.DO_NOT_SHIP, Outcome.NOT_PROVEN, Outcome.SHIP)
    least = {"ship": Outcome.SHIP, "not-proven": Outcome.NOT_PROVEN}[required]
    if order.index(outcome) < order.index(least):
        raise VerdictError(
            f"the verdict is {outcome}, {least} was required", where=where, next_step="the reasons stand under the table"
        )


def task_folders(folder: Path) -> list[Path]:
    """Retrieval tasks of elsewhere: the folder itself or each of its folders in BEIR's layout; none for a dataset of `curate build`."""
    if (folder / MANIFEST_NAME).is_file() or not folder.is_dir():
        return []
    return [folder] if is_beir(folder) else sorted(inner for inner in folder.iterdir() if inner.is_dir() and is_beir(inner))


def compare_tasks(
    contest: Contest, folders: Sequence[Path], settings: EvaluateSettings, progress: Progress, hosted: Hosted
) -> list[Evaluation]:
    """One evaluation a task. Raises InputError for a task without judged queries."""
    found = []
    for folder in folders:
        named = partial(_of_task, progress, folder.name)
        found.append(compare(contest, read_beir(folder), settings, named, hosted)[0])
    return found


def mean_over_tasks(evaluations: Sequence[Evaluation]) -> dict[str, dict[str, float]]:
    """System → metric → mean over the tasks, each counting the same (as in NanoBEIR)."""
    return {
        system.name: {
            metric: statistics.fmean(evaluation.systems[place].metrics[metric] for evaluation in evaluations)
            for metric in system.metrics
        }
        for place, system in enumerate(evaluations[0].systems)
    }


def _of_task(progress: Progress, task: str, step: str, done: int, total: int | None) -> None:
    progress(f"{task}: {step}", done, total)


def base_of(model: str) -> str | None:
    """The base model that `curate train` wrote down, or None for a model from elsewhere."""
    folder = Path(model)
    record = read_record(folder) if folder.is_dir() else None
    return str(record["model"]) if record and "model" in record else None


def _named(models: tuple[str, ...]) -> dict[str, str]:
    """Row name → model: the last part of its name, or the whole where that is taken."""
    named: dict[str, str] = {}
    for model in models:
        short = Path(model).name if not model.startswith("openai:") else model
        taken = {BM25, BASE, TUNED, HYBRID, *named}
        name = model if short in taken or not short else short
        if name in taken or model in named.values():
            raise SettingsError(f"{model} is named twice", where="--compare", next_step="give each model once")
        named[name] = model
    return named
