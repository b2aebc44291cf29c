"""Which extractive styles help retrieval after training: one build, one training and one row of a table for each mix of styles.

    python benchmarks/styles.py --data FOLDER --model PATH_OR_NAME [--sets squad ir_cranfield] [--seeds 2] [--max-pairs 600]

The same human questions, the same number of training rows and the same steps for every mix; BM25 and the base model are ranked once.
FOLDER and the sets are those of `benchmarks/domain.py`. Prints a table a set, then one line of JSON.
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
from pathlib import Path
from typing import Any

from benchmarks.domain import prepare_cranfield, prepare_squad
from pipelines.evaluation import Test, bm25_run
from schemas.training import EvaluateSettings, TrainSettings
from train.eval_set import EvalSet
from train.evaluate import BASE, BM25, TUNED, System, dense_run, evaluate
from train.metrics import PRIMARY
from train.models import load_model
from train.trainer import train_model

STYLES = ("sentence", "terms", "heading", "definition", "question_in_text")
VARIANTS: dict[str, tuple[str, ...]] = {
    "sentence": ('generate.styles=["sentence"]',),
    "terms": ('generate.styles=["terms"]',),
    "heading": ('generate.styles=["heading"]',),
    "definition": ('generate.styles=["definition"]',),
    "sentence+terms": ('generate.styles=["sentence", "terms"]',),
    "without terms": ('generate.styles=["sentence", "heading", "definition", "question_in_text"]',),
    "all": (f"generate.styles={json.dumps(STYLES)}",),
}
"""Name of a mix → settings of its build."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = _options(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        reports = [_run_set(options, name, (options.work or Path(temporary)) / name) for name in options.sets]
    for report in reports:
        print_table(report)
    print(json.dumps({"benchmark": "styles", "sets": reports, "seconds": round(time.monotonic() - started)}))


def _run_set(options: argparse.Namespace, name: str, folder: Path) -> dict[str, Any]:
    prepare = {"squad": prepare_squad, "ir_cranfield": prepare_cranfield}[name]
    domain = prepare(options.data, folder, options.max_questions)
    runs: dict[str, System] = {}
    rows: list[dict[str, Any]] = []
    eval_set: EvalSet | None = None
    for variant in options.variants:
        dataset = _built(domain.documents, folder / variant.replace(" ", "-"), VARIANTS[variant])
        if eval_set is None:
            eval_set = Test(queries=domain.queries, qrels=domain.qrels).load(dataset)
            runs = {BM25: bm25_run(eval_set), BASE: _ranked(options.model, eval_set, options)}
        rows.append(_variant_row(options, variant, dataset, (runs, eval_set)))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    assert eval_set is not None
    untuned = evaluate(runs, eval_set, EvaluateSettings())
    return {
        "set": name,
        "questions": untuned.queries,
        "passages": untuned.passages,
        "systems": {system.name: system.metrics[PRIMARY] for system in untuned.systems},
        "variants": rows,
    }


def _variant_row(
    options: argparse.Namespace, variant: str, dataset: Path, known: tuple[Mapping[str, System], EvalSet]
) -> dict[str, Any]:
    runs, eval_set = known
    scores, gains, trained = [], [], 0
    for seed in range(options.seeds):
        out = dataset.parent / f"model-{seed}"
        settings = TrainSettings(
            seed=seed,
            limit=options.max_pairs,
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            max_seq_length=options.max_seq_length,
            device=options.device,
            data=options.format,
        )
        trained = train_model(dataset, out, options.model, settings, lambda *_: None).rows
        tuned = evaluate({**runs, TUNED: _ranked(str(out), eval_set, options)}, eval_set, EvaluateSettings())
        gain = tuned.find(TUNED, BASE, PRIMARY)
        scores.append(tuned.systems[-1].metrics[PRIMARY])
        gains.append(None if gain is None else [gain.mean, gain.low, gain.high])
    return {"variant": variant, "rows": trained, PRIMARY: statistics.fmean(scores), "by_seed": scores, "gains": gains}


def _built(documents: Path, folder: Path, sets: Sequence[str]) -> Path:
    command = [sys.executable, "-m", "pipelines.cli", "build", str(documents), "--out", str(folder)]
    subprocess.run([*command, *(part for item in sets for part in ("--set", item))], check=True, stdout=subprocess.DEVNULL)
    return folder / "dataset"


def _ranked(model: str, eval_set: EvalSet, options: argparse.Namespace) -> System:
    settings = EvaluateSettings(device=options.device, max_seq_length=options.max_seq_length)
    loaded = load_model(model, device=settings.device, max_seq_length=settings.max_seq_length)
    return dense_run(loaded, eval_set, settings)[0]


def print_table(report: Mapping[str, Any]) -> None:
    """One row a mix: rows trained on, the metric, what it gained on the base in the mean of the seeds."""
    print(f"{report['set']}: {report['questions']} human questions, {report['passages']} passages")
    for name, score in report["systems"].items():
        print(f"{name:<18}{'':>7}{score:>10.4f}")
    base = report["systems"][BASE]
    for row in report["variants"]:
        seeds = " ".join(f"{score:.4f}" for score in row["by_seed"])
        print(f"{row['variant']:<18}{row['rows']:>7}{row[PRIMARY]:>10.4f}{row[PRIMARY] - base:>+10.4f}   ({seeds})")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with squad/ and ir_cranfield/")
    parser.add_argument("--sets", nargs="+", choices=["squad", "ir_cranfield"], default=["squad", "ir_cranfield"])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--model", required=True, help="base model: folder or hub name")
    parser.add_argument("--work", type=Path, help="keep everything in this folder (else a temporary one)")
    parser.add_argument("--format", choices=["auto", "pairs", "triplets"], default="auto", help="with or without mined negatives")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--max-pairs", type=int, default=600)
    parser.add_argument("--max-questions", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-5)
    parser.add_argument("--max-seq-length", type=int, default=160)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
