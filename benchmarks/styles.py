"""Which extractive styles help retrieval after training: one build, one training and one row of a table for each mix of styles.

    python benchmarks/styles.py --data FOLDER --model PATH_OR_NAME [--sets squad ir_cranfield] [--seeds 2] [--max-pairs 600]

The same human questions, the same number of training rows and the same steps for every mix; BM25 and the base model are ranked once.
FOLDER and the sets are those of `benchmarks/domain.py`. Prints a table a set, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.domain import add_training_options, build_dataset, rank, train_settings
from benchmarks.domain_sets import prepare_cranfield, prepare_squad
from pipelines.evaluation import Test, bm25_run
from schemas.evaluation import EvaluateSettings
from train.eval_set import EvalSet
from train.evaluate import BASE, BM25, TUNED, evaluate
from train.metrics import PRIMARY
from train.rankings import System
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
        dataset = build_dataset(domain.documents, folder / variant.replace(" ", "-"), VARIANTS[variant])
        if eval_set is None:
            eval_set = Test(queries=domain.queries, qrels=domain.qrels).load(dataset)
            runs = {BM25: bm25_run(eval_set), BASE: rank(options.model, eval_set, options)}
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
        trained = train_model(dataset, out, options.model, train_settings(options, seed), lambda *_: None).rows
        tuned = evaluate({**runs, TUNED: rank(str(out), eval_set, options)}, eval_set, EvaluateSettings())
        gain = tuned.find(TUNED, BASE, PRIMARY)
        scores.append(tuned.systems[-1].metrics[PRIMARY])
        gains.append(None if gain is None else [gain.mean, gain.low, gain.high])
    return {"variant": variant, "rows": trained, PRIMARY: statistics.fmean(scores), "by_seed": scores, "gains": gains}


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
    add_training_options(parser, seeds=2)
    # Equal steps in every arm.
    parser.set_defaults(trainings=1)
    parser.add_argument("--sets", nargs="+", choices=["squad", "ir_cranfield"], default=["squad", "ir_cranfield"])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
