"""The road of this project: raw documents, questions made from them, hard negatives, training, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pipelines.evaluation import Contest, Test, compare
from pipelines.evaluation_text import evaluation_lines
from pipelines.recipes.order import Order, brief
from pipelines.recipes.ratings import general_ratings
from pipelines.recipes.table import Figure, Outcome
from schemas.errors import ContractError, InputError, SettingsError
from train.evaluate import BASE, BM25, TUNED, Evaluation
from train.metrics import PRIMARY
from train.model_folder import RECORD
from train.verdict import Verdict

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
GAIN = "5–15%"
"""What the sources expect of tuning on a domain."""


def run(order: Order) -> Outcome:
    """Build from the documents, train on what came out, evaluate on held-out questions or on the user's own."""
    if order.source is None:
        raise InputError(
            "no documents", where="domain", next_step="give --source FOLDER with your documents (any format of `curate build`)"
        )
    if order.qrels is not None and order.queries is None:
        raise SettingsError("--qrels needs --queries", next_step="give both files, or --queries alone with documents and answers")
    # Said now, not after hours of building and training.
    for file in (order.queries, order.qrels):
        if file is not None and not file.is_file():
            raise InputError("no such file", where=str(file), next_step="give a file that is there")
    general = general_ratings(order)
    model = order.model or MODEL
    dataset = order.build([order.source], order.build_settings({}))
    # What cannot be tested must come out before an hour of training.
    eval_set = Test(queries=order.queries, qrels=order.qrels).load(dataset)
    own = {"limit": order.max_rows} | ({"epochs": order.only_epochs(1)} if order.epochs else {})
    result = order.train("tuned", dataset, model, order.train_settings(own))
    tuned = order.model_folder("tuned")
    contest = Contest(str(tuned), model, (), general)
    evaluation, verdict = compare(contest, eval_set, order.evaluate_settings(), order.step("test"))
    if verdict is None:
        raise ContractError("an evaluation of a tuned model without a verdict", where="domain")
    details = {
        "verdict": asdict(verdict),
        "evaluation": asdict(evaluation),
        "training": brief(result) | {"base_dev": result.base_dev, "best_dev": result.best_dev},
    }
    return Outcome(
        "domain",
        verdict.headline,
        tuple(_figures(evaluation)),
        tuple(_notes(verdict, result.rows, tuned)),
        tuple(evaluation_lines(evaluation, None)),
        details,
    )


def _figures(evaluation: Evaluation) -> Iterator[Figure]:
    scores = {system.name: system.metrics[PRIMARY] for system in evaluation.systems}
    before, after = scores[BASE], scores[TUNED]
    yield Figure(f"{PRIMARY}, tuned over base", GAIN, f"{after / before - 1:+.1%}" if before else None)
    for name, score in scores.items():
        yield Figure(f"{PRIMARY}, {name}", None, score)
    gain = evaluation.find(TUNED, BM25, PRIMARY)
    if gain is not None:
        yield Figure(f"{PRIMARY}, tuned minus {BM25}", None, f"{gain.mean:+.3f}")


def _notes(verdict: Verdict, rows: int, tuned: Path) -> Iterator[str]:
    yield f"{rows:,} training rows; the model is {tuned.as_posix()}, its settings are in {RECORD}."
    yield from verdict.reasons
    yield from verdict.missing
    if any("forgetting" in text.lower() for text in verdict.missing):
        yield "Give --general FILE for the forgetting check."
