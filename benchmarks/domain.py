"""The whole road on a domain with human questions: raw documents → `curate build` → train → BM25, base and tuned side by side.

    python benchmarks/domain.py --data FOLDER --set squad|ir_cranfield|medquad --model PATH_OR_NAME [--seeds 3] [--max-pairs 600]

FOLDER holds `squad/v1_paragraphs.parquet` and `squad/v1_questions.parquet` (articles are the documents, questions carry answer
offsets), `ir_cranfield/{corpus,queries,qrels}.parquet` (abstracts are the documents, judgements name documents) and
`medquad/medquad_qa.parquet` (a document of all answers on one subject, with its name for title; questions with their answer). No human question is
ever trained on. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.domain_sets import prepare_cranfield, prepare_medquad, prepare_squad
from pipelines.evaluation import Test, bm25_run
from schemas.evaluation import EvaluateSettings
from schemas.training import TrainSettings
from train.bootstrap import paired_bootstrap
from train.eval_set import EvalSet
from train.evaluate import BASE, BM25, HYBRID, TUNED, Evaluation, evaluate, score_run
from train.fusion import WEIGHT, combine
from train.metrics import CHIEF, METRICS, PRIMARY
from train.models import load_model
from train.rankings import Fused, System, dense_run, run_depth
from train.result import TrainResult
from train.trainer import train_model


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = _options(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        prepare = {"squad": prepare_squad, "ir_cranfield": prepare_cranfield, "medquad": prepare_medquad}[options.set]
        domain = prepare(options.data, folder / options.set, options.max_questions, options.skip_questions)
        built = folder / f"{options.set}-built"
        dataset = build_dataset(domain.documents, built, options.build_set)
        eval_set = Test(queries=domain.queries, qrels=domain.qrels).load(dataset)
        results: list[TrainResult] = []
        systems: dict[str, System] = {BM25: bm25_run(eval_set), BASE: options.model}
        for seed in range(options.seeds):
            out = folder / f"{options.set}-model-{seed}"
            results.append(train_model(dataset, out, options.model, train_settings(options, seed), _say))
            systems[TUNED if seed == 0 else f"{TUNED} {seed}"] = out
        evaluations = _evaluate(systems, options, eval_set)
    report = _report(options.set, results, evaluations)
    report["skipped_questions"] = options.skip_questions
    report["differences"] = _differences(systems, eval_set)
    report["seconds"] = round(time.monotonic() - started)
    print_table(report)
    _print_differences(report)
    print(json.dumps(report))


def print_table(report: Mapping[str, Any]) -> None:
    """Systems by metrics; the tuned line is the mean over seeds."""
    print(
        f"{report['set']}: {report['questions']} human questions, {report['passages']} passages, {report['rows']} training rows"
    )
    print(f"{'':<8}" + "".join(f"{metric:>10}" for metric in CHIEF))
    for name, metrics in report["systems"].items():
        print(f"{name:<8}" + "".join(f"{metrics[metric]:>10.4f}" for metric in CHIEF))
    for seed, gain in enumerate(report["gains"]):
        bounds = "no interval" if gain["low"] is None else f"95%: {gain['low']:+.4f} to {gain['high']:+.4f}"
        print(f"seed {seed}: tuned minus base {gain['mean']:+.4f} {PRIMARY} ({bounds}, {gain['clusters']} clusters)")


def _print_differences(report: Mapping[str, Any]) -> None:
    for name, (mean, low, high) in report["differences"].items():
        bounds = "no interval" if low is None else f"95%: {low:+.4f} … {high:+.4f}"
        print(f"{name}, mean of the seeds: {mean:+.4f} ({bounds})")


def _evaluate(systems: dict[str, System], options: argparse.Namespace, eval_set: EvalSet) -> list[Evaluation]:
    """One evaluation a seed, each with its tuned model under the name `tuned`; BM25 and base are ranked once."""
    settings = EvaluateSettings(device=options.device, max_seq_length=options.max_seq_length)
    runs: dict[str, System] = {}
    for name, system in systems.items():
        if isinstance(system, dict):
            runs[name] = system
            continue
        _say(f"rank {name}", 0, None)
        runs[name] = systems[name] = rank(str(system), eval_set, options)
    tuned = [name for name in runs if name.startswith(TUNED)]
    fixed = {BM25: runs[BM25], BASE: runs[BASE]}
    return [evaluate({**fixed, TUNED: runs[name], HYBRID: Fused((BM25, TUNED))}, eval_set, settings) for name in tuned]


def _differences(systems: Mapping[str, System], eval_set: EvalSet) -> dict[str, list[float | None]]:
    """Means of the seeds with 95% intervals."""
    tuned = [system for name, system in systems.items() if name.startswith(TUNED)]
    depth = run_depth(eval_set, EvaluateSettings().depth)
    hybrids: list[System] = [combine([systems[BM25], run], depth, (1 - WEIGHT, WEIGHT)) for run in tuned]  # type: ignore[list-item]
    return {
        "tuned - base": mean_of_seeds([systems[BASE]], tuned, eval_set),
        "hybrid - BM25": mean_of_seeds([systems[BM25]], hybrids, eval_set),
        "hybrid - tuned": mean_of_seeds(tuned, hybrids, eval_set),
    }


def mean_of_seeds(others: Sequence[System], found: Sequence[System], eval_set: EvalSet) -> list[float | None]:
    """`found` minus `others`: mean and 95% interval, by document, of each query's difference in the mean of the seeds: one noise less than seed by seed."""
    scored = [[score_run(run, eval_set) for run in runs if isinstance(run, dict)] for runs in (others, found)]
    queries = sorted(eval_set.qrels)
    ours, theirs = (
        np.array([[one[query][PRIMARY] for query in queries] for one in runs]).mean(axis=0) for runs in reversed(scored)
    )
    settings = EvaluateSettings()
    clusters = [eval_set.clusters[query] for query in queries]
    interval = paired_bootstrap((ours - theirs)[:, None], clusters, draws=settings.draws, seed=settings.seed)[0]
    return [interval.mean, interval.low, interval.high]


def _report(name: str, results: Sequence[TrainResult], evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    first = evaluations[0]
    by_seed = [{system.name: system.metrics for system in evaluation.systems} for evaluation in evaluations]
    systems = dict(by_seed[0])
    for system in (TUNED, HYBRID):
        systems[system] = {metric: statistics.fmean(found[system][metric] for found in by_seed) for metric in METRICS}
    gains = [evaluation.find(TUNED, BASE, PRIMARY) for evaluation in evaluations]
    return {
        "set": name,
        "questions": first.queries,
        "unmapped": first.unmapped,
        "passages": first.passages,
        "notes": first.notes,
        "model": Path(results[0].model).name,
        "format": results[0].format,
        "rows": results[0].rows,
        "steps": results[0].steps,
        "trainings": results[0].trainings,
        "systems": systems,
        "loss": results[0].loss,
        "tuned_by_seed": [found[TUNED][PRIMARY] for found in by_seed],
        "hybrid_by_seed": [found[HYBRID][PRIMARY] for found in by_seed],
        "gains": [asdict(gain) for gain in gains if gain is not None],
        "dev": [{"base": result.base_dev, "tuned": result.best_dev} for result in results],
        "best_steps": [result.best_step for result in results],
        "training_seconds": [result.seconds for result in results],
    }


def train_settings(options: argparse.Namespace, seed: int) -> TrainSettings:
    """What `add_training_options` was given, for one seed."""
    return TrainSettings(
        seed=seed,
        limit=options.max_pairs or None,
        max_steps=options.steps,
        **({} if options.epochs is None else {"epochs": options.epochs}),
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        max_seq_length=options.max_seq_length,
        device=options.device,
        data=options.format,
        loss=options.loss,
        trainings=options.trainings,
    )


def build_dataset(documents: Path, folder: Path, sets: Sequence[str]) -> Path:
    """Build with these settings; the dataset's folder."""
    command = [sys.executable, "-m", "pipelines.cli", "build", str(documents), "--out", str(folder)]
    subprocess.run([*command, *(part for item in sets for part in ("--set", item))], check=True, stdout=sys.stderr)
    return folder / "dataset"


def rank(model: str, eval_set: EvalSet, options: argparse.Namespace) -> System:
    """The passages that a model finds for each query."""
    settings = EvaluateSettings(device=options.device, max_seq_length=options.max_seq_length)
    loaded = load_model(model, device=settings.device, max_seq_length=settings.max_seq_length)
    return dense_run(loaded, eval_set, settings)[0]


def _say(step: str, done: int, total: int | None) -> None:
    if total is None or done % 10 == 0:
        print(f"{step} {done}{f'/{total}' if total else ''}", file=sys.stderr, flush=True)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def add_training_options(parser: argparse.ArgumentParser, *, seeds: int) -> None:
    """Data, model and how to train, for every benchmark that trains."""
    parser.add_argument("--data", type=Path, required=True, help="folder with squad/, ir_cranfield/ and medquad/")
    parser.add_argument("--model", required=True, help="base model: folder or hub name")
    parser.add_argument("--work", type=Path, help="keep everything in this folder (else a temporary one)")
    parser.add_argument("--format", choices=["auto", "pairs", "triplets"], default="auto", help="with or without mined negatives")
    parser.add_argument("--loss", default="auto", help="a loss of `curate train`")
    parser.add_argument("--seeds", type=_at_least_one, default=seeds, help="how many trainings, each with a seed of its own")
    parser.add_argument("--max-pairs", type=int, default=600, help="0: all")
    parser.add_argument("--max-questions", type=int, default=1000)
    parser.add_argument("--steps", type=int, help="stop after so many steps")
    parser.add_argument("--epochs", type=int, help="default: that of `curate train`")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, help="default: that of `curate train`")
    parser.add_argument("--trainings", type=int, help="how many are averaged; default: that of `curate train`")
    parser.add_argument("--max-seq-length", type=int)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_training_options(parser, seeds=3)
    parser.add_argument("--set", choices=["squad", "ir_cranfield", "medquad"], default="squad")
    skip = "leave out so many questions of those that would come first, for instance those that choices were made on"
    parser.add_argument("--skip-questions", type=int, default=0, help=skip)
    parser.add_argument("--build-set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the build")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
