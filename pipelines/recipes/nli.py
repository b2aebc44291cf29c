"""Natural language inference: three losses from a plain encoder, then an already tuned model, then classification."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipelines.recipes.classify import Classified, Intents, classify, read_intents
from pipelines.recipes.order import Order, brief, losses_of
from pipelines.recipes.ratings import read_ratings
from pipelines.recipes.source import Part, Row, read_part, texts, write_lines
from pipelines.recipes.table import Figure, Outcome
from schemas.errors import InputError
from schemas.plain import NLI_LABELS
from train.forgetting import Forgetting, Numbers, Rated, forgetting, similarities, spearman
from train.losses import IN_BATCH
from train.models import free_memory, load_model, silenced
from train.result import TrainResult
from train.verdict import Outcome as Decision

NLI = Part("nli", "hf://nyu-mll/glue/mnli:train", "premise, hypothesis, label (entailment, neutral or contradiction)", first=True)
PLAIN, TUNED = "bert-base-uncased", "sentence-transformers/all-MiniLM-L6-v2"
ROWS = 50_000
EPOCHS, BATCH, LEARNING_RATE, WARMUP_STEPS = 1, 32, 2e-5, 100
SPEARMAN = {"SoftmaxLoss": 0.45, "CosineSimilarityLoss": 0.73, IN_BATCH: 0.82}
"""Loss → what the source got on STS-B from a plain encoder."""
LOSSES = {"SoftmaxLoss": "0.845", "CosineSimilarityLoss": "0.232 → 0.142", IN_BATCH: "0.345 → 0.069"}
BEFORE, AFTER = 0.867, 0.848
MTEB = (0.460, 0.458)
"""Accuracy and macro F1 of the source's last model on Banking77."""
AGAIN = "already tuned"
FOLDERS = {"SoftmaxLoss": "softmax", "CosineSimilarityLoss": "cosine", IN_BATCH: "mnrl"}

Inferred = tuple[str, str, int]
"""Premise, hypothesis and label, by its place in NLI_LABELS."""


@dataclass(frozen=True)
class Measured:
    """One model on both tasks."""

    cosines: Numbers
    spearman: float
    classified: Classified


def run(order: Order) -> Outcome:
    """Train, measure before and after, and say whether tuning the already tuned model made it worse."""
    plain, tuned = order.model or PLAIN, order.tuned or TUNED
    rows, left_out = inferred(read_part(order, NLI, ("train",), order.max_rows or ROWS))
    rated, intents = read_ratings(order), read_intents(order)
    files = write_data(order, rows)
    trained = {loss: _train(order, files[loss], (plain, folder, loss)) for loss, folder in FOLDERS.items()}
    trained[AGAIN] = _train(order, files[IN_BATCH], (tuned, "already-tuned", IN_BATCH))
    models = {"untrained": plain, **{loss: str(order.model_folder(folder)) for loss, folder in FOLDERS.items()}}
    models |= {"before": tuned, "after": str(order.model_folder("already-tuned"))}
    measured = {name: _measure(order, (rated, intents), model) for name, model in models.items()}
    change = forgetting(rated, measured["before"].cosines, measured["after"].cosines, seed=order.seed)
    decision, headline = verdict(change)
    notes = [
        f"{len(rows):,} rows of premise and hypothesis, {len(rated):,} rated pairs, {len(intents.train[0]):,} and "
        f"{len(intents.test[0]):,} texts of {len(set(intents.train[1])):,} classes.",
        "The source's figures of classification are those of MTEB for its last model, which it does not name again.",
    ]
    if left_out:
        notes.insert(1, f"Rows left out for want of a label or a text: {left_out:,}.")
    details = {
        "verdict": str(decision),
        "stsb": asdict(change),
        "spearman": {name: found.spearman for name, found in measured.items()},
        "classification": {name: asdict(found.classified) for name, found in measured.items()},
        "training": {name: brief(result) for name, result in trained.items()},
    }
    return Outcome("nli", headline, _figures((plain, tuned), trained, measured), tuple(notes), details=details)


def inferred(rows: Sequence[Row]) -> tuple[list[Inferred], int]:
    """The rows with both texts and one of the three labels, and how many have not (SNLI writes `-`, GLUE -1)."""
    known = {name: number for number, name in enumerate(NLI_LABELS)} | {str(number): number for number in range(len(NLI_LABELS))}
    columns = (("premise", "sentence1"), ("hypothesis", "sentence2"), ("label", "gold_label"))
    found = [(first, second, known.get(label.strip().lower())) for first, second, label in texts(rows, columns, NLI)]
    whole = [(first, second, label) for first, second, label in found if label is not None]
    if {label for _, _, label in whole} != set(range(len(NLI_LABELS))):
        raise InputError(f"not all of {', '.join(NLI_LABELS)} among the labels", where=NLI.name, next_step="give more rows")
    return whole, len(rows) - len(whole)


def write_data(order: Order, rows: Sequence[Inferred]) -> dict[str, Path]:
    """Loss → its training file: the labelled rows, or entailments, each with the hypothesis of another one drawn by hash."""
    labelled = [{"premise": first, "hypothesis": second, "label": label} for first, second, label in rows]
    entailed = [(first, second) for first, second, label in rows if label == 0]

    def digest(pair: tuple[str, str]) -> bytes:
        return sha256("\0".join((str(order.seed), *pair)).encode("utf-8", "surrogatepass")).digest()

    shuffled = sorted(entailed, key=digest)
    others = {pair: shuffled[place - 1][1] for place, pair in enumerate(shuffled)}
    triplets = [{"anchor": first, "positive": second, "negative": others[first, second]} for first, second in entailed]
    data = order.out / "data"
    file = write_lines(data / "nli.jsonl", labelled)
    return {"SoftmaxLoss": file, "CosineSimilarityLoss": file, IN_BATCH: write_lines(data / "triplets.jsonl", triplets)}


def verdict(change: Forgetting) -> tuple[Decision, str]:
    """Whether tuning helped the model on STS-B, by the interval of the difference; a gain there alone is no reason to ship."""
    figures = f"STS-B Spearman {change.base:.3f} → {change.tuned:.3f} (95% of the loss: {change.low:+.3f} to {change.high:+.3f})"
    if change.low > 0:
        return Decision.DO_NOT_SHIP, f"{Decision.DO_NOT_SHIP}: tuning made the already tuned model worse, {figures}."
    if change.high < 0:
        return Decision.NOT_PROVEN, f"{Decision.NOT_PROVEN}: better than before on general similarity alone, {figures}."
    return Decision.NOT_PROVEN, f"{Decision.NOT_PROVEN}: neither better nor worse than before, {figures}."


def _train(order: Order, data: Path, what: tuple[str, str, str]) -> TrainResult:
    model, folder, loss = what
    own = {
        "epochs": order.only_epochs(EPOCHS),
        "batch_size": BATCH,
        "learning_rate": LEARNING_RATE,
        "warmup_ratio": _warmup(order, data),
        "loss": loss,
    }
    return order.train(folder, data, model, order.train_settings(own, fixed=("loss", "data")))


def _warmup(order: Order, data: Path) -> float:
    """100 steps as a share of all, in short runs a tenth."""
    with data.open(encoding="utf-8") as handle:
        steps = math.ceil(sum(1 for _ in handle) / BATCH) * order.only_epochs(EPOCHS)
    return min(0.1, WARMUP_STEPS / steps)


def _measure(order: Order, on: tuple[Sequence[Rated], Intents], model: str) -> Measured:
    rated, intents = on
    order.progress(f"measure {Path(model).name}", 0, None)
    with silenced():
        encoder = load_model(model, device=order.device)
        cosines = similarities(encoder, rated)
        classified = classify(encoder, intents, order.seed)
    del encoder
    free_memory()
    scores: Any = [pair.score for pair in rated]
    return Measured(cosines, spearman(cosines, scores), classified)


def _figures(names: tuple[str, str], trained: Mapping[str, TrainResult], measured: Mapping[str, Measured]) -> tuple[Figure, ...]:
    plain, tuned = (Path(name).name for name in names)
    found = [Figure(f"STS-B Spearman, {plain} before training", None, measured["untrained"].spearman)]
    for loss, published in SPEARMAN.items():
        found.append(Figure(f"training loss, {loss}", LOSSES[loss], _fall(trained[loss])))
        found.append(Figure(f"STS-B Spearman, {loss}", published, measured[loss].spearman))
    found.append(Figure(f"Banking77 accuracy, {IN_BATCH}", None, measured[IN_BATCH].classified.accuracy))
    for when, words, spearman_then, scores in (("before", "before", BEFORE, (None, None)), ("after", "tuned again", AFTER, MTEB)):
        figures, classified = measured[when], measured[when].classified
        found.append(Figure(f"STS-B Spearman, {tuned} {words}", spearman_then, figures.spearman))
        found.append(Figure(f"Banking77 accuracy, {tuned} {words}", scores[0], classified.accuracy))
        found.append(Figure(f"Banking77 macro F1, {tuned} {words}", scores[1], classified.macro_f1))
    return tuple(found)


def _fall(result: TrainResult) -> str | None:
    """First and last logged loss."""
    found = losses_of(result)
    return f"{found[0]:.3f} → {found[-1]:.3f}" if found else None
