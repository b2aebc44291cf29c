"""Dolly: questions and the texts they are answered from, positives alone; cosines of right contexts before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256

from pipelines.evaluation import bm25_run
from pipelines.recipes.order import Order, brief
from pipelines.recipes.ratings import general_ratings, lost_by_tuning
from pipelines.recipes.source import Part, read_part, some, texts, write_lines
from pipelines.recipes.table import Figure, Outcome
from schemas.errors import InputError
from train.eval_set import EvalSet
from train.evaluate import BASE, BM25, HYBRID, TUNED, Evaluation, evaluate
from train.losses import IN_BATCH
from train.metrics import PRIMARY
from train.models import embed, free_memory, load_model, silenced
from train.rankings import Fused, System
from train.verdict import decide, evidence_of

DOLLY = Part(
    "dolly",
    "hf://databricks/databricks-dolly-15k:train",
    "instruction, context, and category, of which closed_qa counts (or question and context)",
    first=True,
)
CATEGORY = "closed_qa"
MODEL = "sentence-transformers/all-MiniLM-L12-v2"
EPOCHS, BATCH, LEARNING_RATE, WARMUP = 10, 16, 2e-5, 0.1
TRAIN_SHARE = 0.7
ANSWER = "The sky is blue"
PROBES = {"What color is the Sky?": ("right", 0.608, 0.692), "What color is the sea?": ("wrong", 0.704, 0.634)}
"""Question → whether ANSWER answers it, and what the source measured before and after."""
BEFORE, AFTER = 0.620, 0.694
_QUESTION, _CONTEXT = ("instruction", "question", "query", "anchor"), ("context", "passage", "positive", "answer")

Pair = tuple[str, str]
"""Question and its context."""


def run(order: Order) -> Outcome:
    """Tune on 70% of the contexts; compare cosines and search over all contexts on the questions of the others."""
    model = order.model or MODEL
    general_ratings(order)  # a faulty file must come out before training
    pairs = read_pairs(order)
    train, test = divide(pairs, order.seed)
    lines = [{"anchor": question, "positive": context} for question, context in train]
    own = {
        "loss": IN_BATCH,
        "epochs": order.only_epochs(EPOCHS),
        "batch_size": BATCH,
        "learning_rate": LEARNING_RATE,
        "warmup_ratio": WARMUP,
    }
    file = write_lines(order.out / "data" / "pairs.jsonl", lines)
    result = order.train("tuned", file, model, order.train_settings(own, fixed=("loss", "data")))
    tuned = str(order.model_folder("tuned"))
    eval_set = _eval_set(pairs, test)
    systems: dict[str, System] = {BM25: bm25_run(eval_set), BASE: model, TUNED: tuned, HYBRID: Fused((BM25, TUNED))}
    evaluation = evaluate(systems, eval_set, order.evaluate_settings(), order.step("test"))
    change = lost_by_tuning(order, model, tuned)
    verdict = decide(evidence_of(evaluation, None if change is None else change.loss))
    probes = {name: _probe(order, place) for name, place in (("before", model), ("after", tuned))}
    notes = (
        f"{len(train):,} pairs to train on, {len(test):,} test questions, {evaluation.passages:,} contexts to search; no context is in both.",
        "A rise of right cosines alone says little: those of wrong contexts may rise as much. The verdict rests on the ranking.",
    )
    details = {
        "verdict": asdict(verdict),
        "probes": probes,
        "forgetting": None if change is None else asdict(change),
        "evaluation": asdict(evaluation),
        "training": brief(result),
    }
    said = (*notes, *verdict.reasons, *verdict.missing)
    return Outcome("dolly", verdict.headline, _figures(evaluation, probes), said, details=details)


def read_pairs(order: Order) -> list[Pair]:
    """Questions with their contexts, each pair once: of a table with categories those of closed questions."""
    rows = read_part(order, DOLLY)
    if any("category" in row for row in rows):
        rows = [row for row in rows if row.get("category") == CATEGORY]
        if not rows:
            raise InputError(f"no row of the category {CATEGORY}", where=DOLLY.name, next_step=f"give {DOLLY.columns}")
    found = texts(some(rows, order.max_rows, order.seed), (_QUESTION, _CONTEXT), DOLLY)
    return list(dict.fromkeys((question.strip(), context.strip()) for question, context in found))


def divide(pairs: Sequence[Pair], seed: int) -> tuple[list[Pair], list[Pair]]:
    """70% of the contexts with their questions to train on, the others to test; chosen by hash. InputError where one side is empty."""

    def digest(context: str) -> bytes:
        return sha256(f"{seed}\0{context}".encode("utf-8", "surrogatepass")).digest()

    contexts = sorted({context for _, context in pairs}, key=digest)
    chosen = set(contexts[: round(TRAIN_SHARE * len(contexts))])
    train, test = ([pair for pair in pairs if (pair[1] in chosen) == side] for side in (True, False))
    asked = {question for question, _ in train}
    # The same words asked of another text would be a test question that was trained on.
    test = [pair for pair in test if pair[0] not in asked]
    if len(train) < 2 or not test:
        raise InputError("too few pairs to divide", where=DOLLY.name, next_step="give more rows (--max-rows)")
    return train, test


def _eval_set(pairs: Sequence[Pair], test: Sequence[Pair]) -> EvalSet:
    ids = {context: f"context-{number:05}" for number, context in enumerate(dict.fromkeys(context for _, context in pairs))}
    queries = {f"question-{number:05}": pair for number, pair in enumerate(test)}
    return EvalSet(
        name="test",
        corpus={number: context for context, number in ids.items()},
        queries={name: question for name, (question, _) in queries.items()},
        qrels={name: {ids[context]: 1} for name, (_, context) in queries.items()},
        clusters={name: ids[context] for name, (_, context) in queries.items()},
        styles=dict.fromkeys(queries, ""),
        origins=dict.fromkeys(queries, "imported"),
    )


def _probe(order: Order, name: str) -> dict[str, float]:
    """Question → its cosine with ANSWER."""
    with silenced():
        model = load_model(name, device=order.device)
        cosines = embed(model, list(PROBES), "query") @ embed(model, [ANSWER], "document")[0]
    del model
    free_memory()
    return {question: float(cosine) for question, cosine in zip(PROBES, cosines, strict=True)}


def _figures(evaluation: Evaluation, probes: dict[str, dict[str, float]]) -> tuple[Figure, ...]:
    systems = {system.name: system for system in evaluation.systems}
    found = []
    for name, when, published in ((BASE, "before", BEFORE), (TUNED, "after", AFTER)):
        alike = systems[name].similarity
        if alike is not None:
            found.append(Figure(f"mean cosine of question and right context, {when}", published, alike.right))
            found.append(Figure(f"mean cosine of question and best-ranked wrong context, {when}", None, alike.wrong))
    for question, (kind, before, after) in PROBES.items():
        for when, published in (("before", before), ("after", after)):
            found.append(Figure(f'"{question}" and "{ANSWER}" ({kind}), {when}', published, probes[when][question]))
    for name, system in systems.items():
        found.append(Figure(f"{PRIMARY}, {name}", None, system.metrics[PRIMARY]))
    return tuple(found)
