"""Does a passage answer a question? Baselines, gates, trained checker and all weighed together, on rows that people labelled.

Rows are divided into folds by group (article, document): what is fitted to scores of a fold never saw one of its groups. The checker's own
scores on training groups are out of fold too: each half of them is scored by a checker trained on the other half, and held-out rows by the mean of both.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.answerability_report import print_table, report_of
from benchmarks.answerability_systems import BOTH, COMBINED, SENTENCES, System, crossed, fixed, weighed
from benchmarks.fitted_checkers import checker_scores, pair_fit, sentence_fit
from benchmarks.folds import Bench, fold_of, say, some
from benchmarks.judge_alone import endpoint, judge_scores
from benchmarks.unfitted_scores import FAULTS, columns_of
from train.binary import roc_auc
from train.labelled import Labelled


def benchmark(name: str, rows: Sequence[Labelled], headings: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything on the rows; prints a table, then one line of JSON."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folds = fold_of([row.group for row in rows], options.folds)
        bench = Bench(name, rows, headings, folds, options, options.work or Path(temporary))
        plain, gates, sentences = columns_of(bench)
        say("gates and sentences", round(time.monotonic() - started), None)
        systems = {title: fixed(scores, bench) for title, scores in plain.items()}
        systems |= {f"gate: {title}": fixed(-scores if title in FAULTS else scores, bench) for title, scores in gates.items()}
        systems["gates"] = weighed([gates], bench)
        by_sentence = checker_scores(bench, sentence_fit(bench, sentences))
        systems[SENTENCES] = crossed([{}], [by_sentence], bench)
        systems[BOTH] = crossed([gates], [by_sentence], bench)
        if not options.no_checker:
            by_pair = checker_scores(bench, pair_fit(bench))
            systems["cross-encoder"] = crossed([{}], [by_pair], bench)
            systems["gates + cross-encoder"] = crossed([gates], [by_pair], bench)
            systems[COMBINED] = crossed([gates], [by_sentence, by_pair], bench)
        judged = _judged(bench, systems)
    report = report_of(bench, systems, plain) | judged
    report["seconds"] = round(time.monotonic() - started)
    print_table(report)
    print(json.dumps(report))
    return report


def _judged(bench: Bench, systems: Mapping[str, System]) -> dict[str, Any]:
    """ROC-AUC of the judge alone, and of the others on the same rows; nothing unless it was asked for."""
    options = bench.options
    if options.judge_url is None:
        return {}
    chosen = set(some(bench.rows, options.judge_rows))
    at = np.asarray([number for number, row in enumerate(bench.rows) if row in chosen])
    ask = endpoint(options.judge_url, options.judge_model)
    scores = judge_scores([bench.rows[i] for i in at], ask, options.judge_model, bench.folder / f"{bench.name}-judge.jsonl")
    labels = bench.labels[at]
    table = {"judge": roc_auc(labels, scores)} | {name: roc_auc(labels, system.scores[at]) for name, system in systems.items()}
    return {"judged": {"rows": len(at), "unknown": int((scores == 0.5).sum()), "model": options.judge_model, "roc_auc": table}}


def parser_of(doc: str | None, *, folds: int, rows: int | None) -> argparse.ArgumentParser:
    """The options that both benchmarks have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with squad/ and ares_synthetic/")
    parser.add_argument(
        "--model", required=True, help="embedding model of the cosines, and base of the checkers: folder or hub name"
    )
    parser.add_argument("--base", help="another base of the checkers")
    parser.add_argument("--work", type=Path, help="keep the checkers in this folder (else a temporary one): run again to go on")
    parser.add_argument("--rows", type=int, default=rows, help="at most so many rows")
    parser.add_argument("--folds", type=int, default=folds)
    parser.add_argument("--no-checker", action="store_true", help="what needs no training only")
    parser.add_argument("--sentences", type=int, help="checkers read only the passage's so many best sentences: faster")
    parser.add_argument("--judge-url", help="chat endpoint of a language model judge, to compare with")
    parser.add_argument("--judge-model", default="judge", help="its model")
    parser.add_argument("--judge-rows", type=int, default=300, help="at most so many rows are put to it")
    parser.add_argument("--limit", type=int, help="at most so many training rows a checker")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-seq-length", type=int, default=256)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16", "fp16"], default="auto")
    return parser
