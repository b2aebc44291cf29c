"""Questions and passages people paired: negatives mined, one model for each number of epochs, hit rates of every kind of search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipelines.evaluation import bm25_run
from pipelines.recipes.order import Order, brief, losses_of
from pipelines.recipes.ratings import general_ratings, lost_by_tuning
from pipelines.recipes.source import Part, read_part, texts, write_lines
from pipelines.recipes.table import Figure, Outcome
from schemas.errors import InputError
from train.bootstrap import Interval
from train.eval_set import EvalSet, read_eval_set
from train.evaluate import BASE, BM25, COMPARISONS, HYBRID, TUNED, Evaluation, evaluate
from train.losses import IN_BATCH
from train.metrics import PRIMARY
from train.pair_tasks import dataset_pairs, evaluate_pairs
from train.rankings import Fused, System
from train.rerank import RERANKED
from train.result import TrainResult
from train.verdict import Verdict, decide, evidence_of

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
EPOCHS = (1, 3, 10)
BATCH, LEARNING_RATE, WARMUP = 16, 2e-5, 0.1
CUTS = (5, 10)


@dataclass(frozen=True)
class Published:
    """A recipe of this kind: its rows, and what its source wrote of the result."""

    name: str
    part: Part
    columns: tuple[Sequence[str], Sequence[str]]
    """Names of the question's column and of the passage's."""
    rows: int
    gain: str
    """Best tuned model over the base, both cuts."""
    beating: str | None
    """Models that beat the base in hit@10."""
    overfitting: str
    reranked: Mapping[int, str]
    """Cut → hit rate of base and best tuned model, each with the reranker on top."""


def sweep(order: Order, published: Published) -> Outcome:
    """Build, train once for each number of epochs, keep the last step of each, measure them on dev and all searches on test."""
    model, epochs = order.model or MODEL, tuple(sorted(set(order.epochs or EPOCHS)))
    general_ratings(order)  # a faulty file must come out before training
    dataset = _build(order, published)
    dev, test = (replace(read_eval_set(dataset, split), manifest_sha256="") for split in ("dev", "test"))
    if not dev.queries or not test.queries:
        raise InputError("no queries in dev or test", where=str(dataset), next_step="give more rows (--max-rows)")
    trained = {count: _train(order, dataset, model, count) for count in epochs}
    on_dev = _on_dev(order, model, epochs, dev)
    best = max(epochs, key=lambda count: (on_dev[count], -count))
    evaluation = _on_test(order, model, epochs, best, test)
    triplets = _on_triplets(order, model, epochs, dataset)
    change = lost_by_tuning(order, model, str(order.model_folder(folder_of(best))))
    verdict = decide(evidence_of(evaluation, None if change is None else change.loss))
    losses = {count: losses_of(result)[-1] for count, result in trained.items() if losses_of(result)}
    details = {
        "verdict": asdict(verdict),
        "dev": {"metric": PRIMARY, "base": on_dev[0], **{str(count): on_dev[count] for count in epochs}},
        "epochs": best,
        "triplet_accuracy": triplets,
        "overfits_after": overfits_after(epochs, on_dev, losses),
        "forgetting": None if change is None else asdict(change),
        "evaluation": asdict(evaluation),
        "training": {str(count): brief(result) for count, result in trained.items()},
    }
    figures = (*_published_figures(published, evaluation, epochs, best), _overfitting(published, epochs, on_dev, losses))
    return Outcome(
        published.name,
        _headline(verdict, best),
        (*figures, *_triplet_figure(triplets, best), *(_row(name, evaluation, best) for name in _names(evaluation))),
        (*_notes(evaluation, trained, test), *verdict.reasons, *verdict.missing),
        (),
        details,
    )


def overfits_after(epochs: Sequence[int], on_dev: Mapping[int, float], losses: Mapping[int, float]) -> int | None:
    """The number of epochs (0: none at all) from which on dev only fell while the training loss fell too; None where the last is best.

    `on_dev` holds the base model at 0.
    """
    steps = [0, *epochs]
    best = max(steps, key=lambda count: (on_dev[count], -count))
    later = [count for count in epochs if count > best]
    if not later:
        return None
    before = losses.get(best)
    fell = before is None or any(losses.get(count, before) < before for count in later)
    return best if fell else None


def folder_of(epochs: int) -> str:
    """Of the model of so many epochs."""
    return f"epochs-{epochs}"


def _build(order: Order, published: Published) -> Path:
    rows = read_part(order, published.part, ("train",), order.max_rows or published.rows)
    pairs = texts(rows, published.columns, published.part)
    lines = [{"anchor": question, "positive": passage} for question, passage in pairs]
    file = write_lines(order.out / "data" / "pairs" / f"{published.name}.jsonl", lines)
    dataset = order.build([file.parent], order.build_settings({"mine": {"negatives": 1}}))
    if not (dataset / "triplets" / "train.parquet").is_file():
        raise InputError("no triplets came out of these rows", where=str(dataset), next_step="give more rows (--max-rows)")
    return dataset


def _train(order: Order, dataset: Path, model: str, epochs: int) -> TrainResult:
    own = {
        "loss": IN_BATCH,
        "epochs": epochs,
        "batch_size": BATCH,
        "learning_rate": LEARNING_RATE,
        "warmup_ratio": WARMUP,
    }
    settings = order.train_settings(own, fixed=("loss", "epochs", "data"))
    # The file, not the folder: with its dev set the best checkpoint would be kept, and no model would ever overfit.
    return order.train(folder_of(epochs), dataset / "triplets" / "train.parquet", model, settings)


def _on_dev(order: Order, model: str, epochs: Sequence[int], dev: EvalSet) -> dict[int, float]:
    """Epochs (0: the base model) → nDCG@10."""
    systems: dict[str, System] = {"0": model, **{str(count): order.model_folder(folder_of(count)) for count in epochs}}
    settings = order.evaluate_settings().model_copy(update={"reranker": None})
    found = evaluate(systems, dev, settings, order.step("dev"), [])
    return {int(system.name): system.metrics[PRIMARY] for system in found.systems}


def _on_test(order: Order, model: str, epochs: Sequence[int], best: int, test: EvalSet) -> Evaluation:
    """Vector, BM25 and hybrid search with the base model and each tuned one; that of `best` epochs is `tuned`."""
    tuned = {_name(count, best): order.model_folder(folder_of(count)) for count in epochs}
    systems: dict[str, System] = {BM25: bm25_run(test), BASE: model, **tuned}
    systems |= {_hybrid(name): Fused((BM25, name)) for name in (BASE, *tuned)}
    pairs = [*COMPARISONS, *((name, BASE) for name in tuned if name != TUNED)]
    return evaluate(systems, test, order.evaluate_settings(), order.step("test"), pairs)


def _on_triplets(order: Order, model: str, epochs: Sequence[int], dataset: Path) -> dict[str, float]:
    """Epochs ("base" for none) → share of the test triplets' negatives that lie farther than the positive; empty where there are none."""
    settings = order.evaluate_settings()
    tasks = [task for task in dataset_pairs(dataset, "test", settings.pair_rows) if task.judged == "triplets"]
    systems: dict[str, System] = {BASE: model, **{str(count): order.model_folder(folder_of(count)) for count in epochs}}
    found = evaluate_pairs(systems, tasks, settings, order.step("triplets"))
    return {name: metrics["accuracy"] for scores in found for name, metrics in scores.systems.items()}


def _triplet_figure(triplets: Mapping[str, float], best: int) -> list[Figure]:
    if not triplets:
        return []
    here = f"{triplets[BASE]:.3f} → {triplets[str(best)]:.3f}"
    return [Figure(f"accuracy on test triplets, base → {_counted(best)}", None, here)]


def _name(epochs: int, best: int) -> str:
    return TUNED if epochs == best else _counted(epochs)


def _hybrid(name: str) -> str:
    return HYBRID if name == TUNED else f"{HYBRID}, {name}"


def _counted(epochs: int) -> str:
    return f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs"


def _names(evaluation: Evaluation) -> list[str]:
    return [system.name for system in evaluation.systems]


def _hits(evaluation: Evaluation, name: str) -> dict[int, float]:
    metrics = next(system.metrics for system in evaluation.systems if system.name == name)
    return {cut: metrics[f"hit@{cut}"] for cut in CUTS}


def _published_figures(published: Published, evaluation: Evaluation, epochs: Sequence[int], best: int) -> list[Figure]:
    tuned = [_name(count, best) for count in epochs]
    found = []
    for cut in CUTS:
        before, after = _hits(evaluation, BASE)[cut], max(_hits(evaluation, name)[cut] for name in tuned)
        share = f" ({after / before - 1:+.1%})" if before else ""
        found.append(Figure(f"hit@{cut}, vector search, base → best tuned", published.gain, f"{before:.3f} → {after:.3f}{share}"))
    better = sum(_hits(evaluation, name)[10] > _hits(evaluation, BASE)[10] for name in tuned)
    found.append(Figure("models that beat the base in hit@10", published.beating, f"{better} of {len(tuned)}"))
    for cut in CUTS if BASE + RERANKED in _names(evaluation) else ():
        before = _hits(evaluation, BASE + RERANKED)[cut]
        after = max(_hits(evaluation, name + RERANKED)[cut] for name in tuned)
        found.append(
            Figure(f"hit@{cut}, reranked, base → best tuned", published.reranked.get(cut), f"{before:.3f} → {after:.3f}")
        )
    return found


def _overfitting(published: Published, epochs: Sequence[int], on_dev: Mapping[int, float], losses: Mapping[int, float]) -> Figure:
    after = overfits_after(epochs, on_dev, losses)
    here = f"not up to {_counted(epochs[-1])}" if after is None else f"after {_counted(after)}" if after else "from the start"
    return Figure("overfitting begins (dev nDCG@10 falls, the loss too)", published.overfitting, here)


def _row(name: str, evaluation: Evaluation, best: int) -> Figure:
    hits = _hits(evaluation, name)
    plain, reranked, _ = name.partition(RERANKED)
    shown = {BASE: "vector, base", TUNED: f"vector, {_counted(best)} (best on dev)", HYBRID: f"{HYBRID}, {_counted(best)}"}
    vector = plain if plain == BM25 or plain.startswith(HYBRID) else f"vector, {plain}"
    return Figure(f"hit@5, hit@10: {shown.get(plain, vector)}{reranked}", None, f"{hits[5]:.3f}, {hits[10]:.3f}")


def _headline(verdict: Verdict, best: int) -> str:
    return f"{verdict.headline} (the model of {_counted(best)}, the best on dev)"


def _notes(evaluation: Evaluation, trained: Mapping[int, TrainResult], test: EvalSet) -> list[str]:
    rows = next(iter(trained.values())).rows
    notes = [f"{rows:,} triplets to train on; {evaluation.queries:,} test questions, {evaluation.passages:,} passages."]
    intervals: list[tuple[str, Interval | None]] = [(f"hit@{cut}", evaluation.find(TUNED, BASE, f"hit@{cut}")) for cut in CUTS]
    for metric, gain in intervals:
        if gain is not None and gain.low is not None and gain.high is not None:
            notes.append(f"Tuned minus base, {metric}: {gain.mean:+.3f} (95%: {gain.low:+.3f} to {gain.high:+.3f}).")
    return [*notes, *test.notes]
