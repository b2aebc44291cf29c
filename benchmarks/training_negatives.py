"""What mined negatives do to training: the same pairs, steps and seeds with negatives from several miners, tested on people's questions.

    python benchmarks/training_negatives.py --data FOLDER --set squad|ir_cranfield|medquad --model PATH_OR_NAME
        [--arms in-batch random naive st graded] [--ours NAME KEY=VALUE …]… [--against NAME] [--seeds 3] [--max-pairs 600] [--work DIR]

Arms: `in-batch` (pairs alone), `random` (any passage of another document of the split), `naive` (the best of another document by BM25, no
guards), `st` (sentence-transformers' `mine_hard_negatives`, relative_margin 0.05, first 50, with --model), and one for each `--ours`: what stage `mine` chooses with
these settings (MODEL stands for --model in them; no --ours: the defaults); `graded`: HybridDistillLoss on the pairs, for as many steps at the rate that is its default (neighbouring
passages and those that its teacher ranks first, by their scores in place of yes and no: what `curate train` does with such pairs). Every arm trains on the pairs that have a negative in all arms. squad and
ir_cranfield: extractive questions of the documents train, people's questions test; medquad: people's pairs train, people's questions on other subjects test. FOLDER as in
`benchmarks/mine_quality.py`, with `ir_cranfield/`. Prints a table, the differences to `--against` (the first `--ours`) in the mean of the seeds with 95% intervals by
document, and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.domain import add_training_options, mean_of_seeds, rank, train_settings
from benchmarks.domain_sets import prepare_cranfield, prepare_squad
from benchmarks.medquad_subjects import next_subjects
from benchmarks.mine_peer import encode, mine_peer
from benchmarks.mined_case import Case
from benchmarks.planted_negatives import read_medquad, write_corpus
from benchmarks.training_rows import write_dataset
from curate.bm25 import build, tokenise
from curate.stage import content_id
from curate.store import open_store
from pipelines.evaluation import Test, bm25_run
from pipelines.runner import Build, run_build
from schemas.evaluation import EvaluateSettings
from schemas.settings import load_settings
from train.eval_set import EvalSet
from train.evaluate import BASE, BM25, TUNED, evaluate
from train.losses import HYBRID
from train.metrics import PRIMARY
from train.rankings import System
from train.trainer import train_model

GRADED = "graded"
ARMS = ("in-batch", "random", "naive", "st", GRADED)
NAIVE_DEPTH = 50
MEDQUAD_PAIRS = 3000
MEDQUAD_TEST = 6000
"""Pairs whose questions test, of the subjects after those of the first `MEDQUAD_PAIRS`."""


@dataclass(frozen=True)
class Corpus:
    """Training pairs of a build (id → anchor, positive's chunk) and the passages that negatives may come from."""

    anchors: Mapping[str, str]
    positives: Mapping[str, str]
    passages: Mapping[str, str]
    documents: Mapping[str, str]

    def is_elsewhere(self, pair: str, chunk: str) -> bool:
        """Whether the chunk is of another document than the pair's positive and has another text."""
        own = self.positives[pair]
        return self.documents[chunk] != self.documents[own] and self.passages[chunk] != self.passages[own]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = _options(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)) / options.set
        ours = [(name, [one.replace("MODEL", options.model) for one in sets]) for name, sets in options.ours]
        documents, test = _prepare(options, work)
        built, extra = work / "built", list(options.build_set)
        run_build(Build((str(documents),), built, load_settings(None, extra)))
        eval_set = test(built / "dataset")
        corpus = read_corpus(built, options.style)
        negatives: dict[str, Mapping[str, str]] = {}
        for name, sets in ours:
            run_build(Build((str(documents),), built, load_settings(None, [*extra, "mine.negatives=1", *sets]), until="mine"))
            negatives[name] = read_chosen(built)
        negatives |= {name: _ARMS[name](corpus, options, work) for name in options.arms if name in _ARMS}
        rows = training_rows(corpus, negatives, options.max_pairs)
        pairs = [row[:2] for row in next(iter(rows.values()))]
        rows = {name: pairs for name in ("in-batch", GRADED) if name in options.arms} | rows
        runs: dict[str, System] = {BM25: bm25_run(eval_set), BASE: rank(options.model, eval_set, options)}
        found = {name: train_arm(options, (name, taken), (built, work), eval_set) for name, taken in rows.items()}
        report = _report(options, runs, found, eval_set, options.against or ours[0][0]) | {"rows": len(pairs)}
        report |= {"same": overlap(rows, ours[0][0]), "shared_with": ours[0][0]}
    print_table(report)
    print(json.dumps({"benchmark": "training_negatives", **report, "seconds": round(time.monotonic() - started)}))


def _prepare(options: argparse.Namespace, work: Path) -> tuple[Path, Callable[[Path], EvalSet]]:
    """What to build from, and what reads the test set once there is a dataset."""
    if options.set == "medquad":
        documents = write_corpus(work / "raw", read_medquad(options.data, MEDQUAD_PAIRS), ())
        return documents, lambda _: next_subjects(options.data, MEDQUAD_PAIRS, MEDQUAD_TEST)
    domain = {"squad": prepare_squad, "ir_cranfield": prepare_cranfield}[options.set](options.data, work, options.max_questions)
    return domain.documents, Test(queries=domain.queries, qrels=domain.qrels).load


def read_corpus(built: Path, style: str | None) -> Corpus:
    """Positive pairs of the training split (of one style, if named) and all chunks of that split."""
    with open_store(built, read_only=True) as store:
        pairs = store.rows(
            "SELECT pair_id, anchor, chunk_id, style FROM pairs WHERE split = 'train' AND is_positive ORDER BY pair_id"
        )
        chunks = store.rows("SELECT chunk_id, passage, document_id FROM chunks WHERE split = 'train' ORDER BY chunk_id")
    kept = [row for row in pairs if style is None or row["style"] == style]
    return Corpus(
        {row["pair_id"]: row["anchor"] for row in kept},
        {row["pair_id"]: row["chunk_id"] for row in kept},
        {row["chunk_id"]: row["passage"] for row in chunks},
        {row["chunk_id"]: row["document_id"] for row in chunks},
    )


def read_chosen(built: Path) -> dict[str, str]:
    """Pair → text of its first negative."""
    with open_store(built, read_only=True) as store:
        return {row["pair_id"]: row["text"] for row in store.rows("SELECT pair_id, text FROM negatives WHERE chosen = 1")}


def random_negatives(corpus: Corpus, options: argparse.Namespace, work: Path) -> dict[str, str]:  # noqa: ARG001 (as all arms)
    """Any passage of another document, by lot."""
    ids = sorted(corpus.passages)
    found: dict[str, str] = {}
    for pair in corpus.anchors:
        first = int(content_id("random negative", pair), 16) % len(ids)
        chunk = next(
            (ids[(first + i) % len(ids)] for i in range(len(ids)) if corpus.is_elsewhere(pair, ids[(first + i) % len(ids)])), None
        )
        if chunk is not None:
            found[pair] = corpus.passages[chunk]
    return found


def naive_negatives(corpus: Corpus, options: argparse.Namespace, work: Path) -> dict[str, str]:  # noqa: ARG001
    """The best passage of another document by BM25."""
    ids, pairs = sorted(corpus.passages), sorted(corpus.anchors)
    index = build("bm25s", (tokenise(corpus.passages[name], drop_stopwords=True) for name in ids))
    ranks, _ = index.search([tokenise(corpus.anchors[pair], drop_stopwords=True) for pair in pairs], min(NAIVE_DEPTH, len(ids)))
    found: dict[str, str] = {}
    for pair, row in zip(pairs, ranks.tolist(), strict=True):
        chunk = next((ids[i] for i in row if i >= 0 and corpus.is_elsewhere(pair, ids[i])), None)
        if chunk is not None:
            found[pair] = corpus.passages[chunk]
    return found


def peer_negatives(corpus: Corpus, options: argparse.Namespace, work: Path) -> dict[str, str]:
    """What sentence-transformers' miner takes first."""
    case = Case(corpus.anchors, corpus.positives, corpus.passages, {})
    mined = mine_peer(options.model, case, encode(options.model, case, work / "vectors.npz"), 1)
    return {pair: corpus.passages[chunks[0]] for pair, chunks in mined.items() if chunks}


_ARMS: dict[str, Callable[[Corpus, argparse.Namespace, Path], dict[str, str]]] = {
    "random": random_negatives,
    "naive": naive_negatives,
    "st": peer_negatives,
}


def training_rows(corpus: Corpus, negatives: Mapping[str, Mapping[str, str]], limit: int) -> dict[str, list[tuple[str, ...]]]:
    """Arm → triplets of the same pairs in the same order, drawn by hash among those that have a negative in every arm."""
    shared = [pair for pair in corpus.anchors if all(pair in found for found in negatives.values())]
    shared = [p for p in shared if all(found[p] != corpus.passages[corpus.positives[p]] for found in negatives.values())]
    shared = sorted(shared, key=lambda pair: content_id("training row", pair))[:limit]
    return {
        name: [(corpus.anchors[pair], corpus.passages[corpus.positives[pair]], found[pair]) for pair in shared]
        for name, found in negatives.items()
    }


def overlap(rows: Mapping[str, Sequence[tuple[str, ...]]], first: str) -> dict[str, float]:
    """Arm → share of its negatives that the arm `first` has for the same pair."""
    mined = {name: taken for name, taken in rows.items() if len(taken[0]) > 2}
    return {
        name: round(sum(a[2] == b[2] for a, b in zip(taken, mined[first], strict=True)) / len(taken), 3)
        for name, taken in mined.items()
    }


def train_arm(
    options: argparse.Namespace, arm: tuple[str, Sequence[tuple[str, ...]]], folders: tuple[Path, Path], eval_set: EvalSet
) -> list[System]:
    """The passages that the tuned models of all seeds find."""
    (name, rows), (built, work) = arm, folders
    folder = work / content_id("arm", name)
    options.format = "pairs" if len(rows[0]) == 2 else "triplets"
    dataset = write_dataset(built, folder / "dataset", rows)
    found: list[System] = []
    for seed in range(options.seeds):
        out = folder / f"model-{seed}"
        settings = train_settings(options, seed)
        if name == GRADED:
            steps = math.ceil(len(rows) / options.batch_size) * settings.epochs
            settings = settings.model_copy(
                update={"loss": HYBRID, "max_steps": options.steps or steps, "epochs": 100, "learning_rate": None}
            )
        trained = train_model(dataset, out, options.model, settings, lambda *_: None)
        found.append(rank(str(out), eval_set, options))
        print(json.dumps({"arm": name, "seed": seed, "steps": trained.steps}), file=sys.stderr, flush=True)
    return found


def _report(
    options: argparse.Namespace, runs: Mapping[str, System], found: Mapping[str, Sequence[System]], eval_set: EvalSet, ours: str
) -> dict[str, Any]:
    untuned = evaluate(runs, eval_set, EvaluateSettings())
    scores = {
        name: [evaluate({TUNED: run}, eval_set, EvaluateSettings()).systems[-1].metrics[PRIMARY] for run in tuned]
        for name, tuned in found.items()
    }
    return {
        "set": options.set,
        "questions": untuned.queries,
        "passages": untuned.passages,
        "systems": {system.name: system.metrics[PRIMARY] for system in untuned.systems},
        "arms": {name: {PRIMARY: statistics.fmean(by_seed), "by_seed": by_seed} for name, by_seed in scores.items()},
        "ours": ours,
        "ours_minus": {name: mean_of_seeds(tuned, found[ours], eval_set) for name, tuned in found.items() if name != ours},
    }


def print_table(report: Mapping[str, Any]) -> None:
    """One row an arm, then the differences."""
    print(
        f"{report['set']}: {report['questions']} human questions, {report['passages']} passages, {report['rows']} training pairs"
    )
    for name, score in report["systems"].items():
        print(f"{name:<28}{score:>10.4f}")
    base = report["systems"][BASE]
    for name, arm in report["arms"].items():
        seeds = " ".join(f"{score:.4f}" for score in arm["by_seed"])
        same = report["same"].get(name)
        beside = "" if same is None else f"   negatives shared with {report['shared_with']}: {same:.0%}"
        print(f"{name:<28}{arm[PRIMARY]:>10.4f}{arm[PRIMARY] - base:>+10.4f}   ({seeds}){beside}")
    for name, (mean, low, high) in report["ours_minus"].items():
        bounds = "too few clusters" if low is None else f"{low:+.4f} … {high:+.4f}"
        print(f"{report['ours']} minus {name}, mean of the seeds (95%): {mean:+.4f} ({bounds})")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_training_options(parser, seeds=3)
    # Equal steps in every arm.
    parser.set_defaults(trainings=1)
    parser.add_argument("--set", choices=["squad", "ir_cranfield", "medquad"], default="squad")
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=["in-batch", "random", "naive"])
    parser.add_argument("--ours", nargs="+", action="append", metavar=("NAME", "KEY=VALUE"), help="settings of stage mine")
    parser.add_argument("--against", metavar="NAME", help="the arm that the others are taken from (default: the first --ours)")
    parser.add_argument("--style", help="train on pairs of this style only")
    parser.add_argument("--build-set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the build")
    options = parser.parse_args(arguments)
    options.ours = [(words[0], words[1:]) for words in options.ours or [["ours"]]]
    return options


if __name__ == "__main__":
    main()
