"""Which rows to train on: the questions of one build, chosen in several ways, each tuned and tested on people's questions.

    python benchmarks/training_rows.py --data FOLDER --built DIR --model PATH_OR_NAME [--set squad] [--variants llm sentence …] [--seeds 2]

DIR is a finished build of the set's documents (the first run without DIR's database writes them to WORK/raw and says how to build).
Variants: `llm`, `sentence`, `extractive` (kept questions of one origin or style), `llm+sentence` (half of each), `unfiltered` (a language
model's questions before any gate but those against leaks), `all gates`, and `without REASON` (what the other gates keep). All are cut to the
same number of rows, drawn by seed, so that steps are equal. FOLDER and sets are those of `benchmarks/domain.py`; no human question is trained
on. Prints a table, then one line of JSON.
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

import polars as pl

from benchmarks.domain import add_training_options, mean_of_seeds, rank, train_settings
from benchmarks.domain_sets import prepare_cranfield, prepare_squad
from curate.stage import content_id
from curate.store import Store, open_store
from pipelines.evaluation import Test, bm25_run
from schemas.evaluation import EvaluateSettings
from schemas.manifest import FileEntry, file_sha256, read_manifest, write_manifest
from train.eval_set import EvalSet
from train.evaluate import BASE, BM25, TUNED, evaluate
from train.metrics import PRIMARY
from train.rankings import System
from train.trainer import train_model

KEPT = "SELECT question_id, anchor, positive FROM pairs WHERE "
CANDIDATES = """SELECT q.question_id, q.question AS anchor, c.passage AS positive FROM questions AS q JOIN chunks AS c ON c.chunk_id = q.chunk_id
WHERE q.origin = 'llm' AND c.split <> 'gap' AND """
STRUCTURAL = "'chunk_rejected', 'chunk_in_split_gap', 'chunk_copy_in_other_split'"
REFUSED = "SELECT row_key FROM rejected WHERE stage = 'filter' AND reason "
VARIANTS = {
    "llm": (f"{KEPT} origin = 'llm'",),
    "sentence": (f"{KEPT} style = 'sentence'",),
    "extractive": (f"{KEPT} origin = 'extractive'",),
    "llm+sentence": (f"{KEPT} origin = 'llm'", f"{KEPT} style = 'sentence'"),
    "unfiltered": (f"{CANDIDATES} q.question_id NOT IN ({REFUSED} IN ({STRUCTURAL}))",),
    "all gates": (f"{KEPT} origin = 'llm'",),
}
"""Name → the SELECTs that rows are taken from, in equal parts."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = _options(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        prepare = {"squad": prepare_squad, "ir_cranfield": prepare_cranfield}[options.set]
        domain = prepare(options.data, work, options.max_questions)
        if not (options.built / "curate.duckdb").is_file():
            raise SystemExit(f"build first: curate build {domain.documents} --out {options.built} (with a language model)")
        eval_set = Test(queries=domain.queries, qrels=domain.qrels).load(options.built / "dataset")
        chosen = chosen_rows(options.built, options.variants, options.max_pairs)
        runs: dict[str, System] = {BM25: bm25_run(eval_set), BASE: rank(options.model, eval_set, options)}
        first: dict[str, list[System]] = {}
        results = [_variant(options, name, rows, (runs, eval_set, work), first) for name, rows in chosen.items()]
        untuned = evaluate(runs, eval_set, EvaluateSettings())
    report = {
        "set": options.set,
        "questions": untuned.queries,
        "passages": untuned.passages,
        "systems": {system.name: system.metrics[PRIMARY] for system in untuned.systems},
        "variants": results,
    }
    print_table(report)
    print(json.dumps({"benchmark": "training_rows", **report, "seconds": round(time.monotonic() - started)}))


def chosen_rows(built: Path, variants: Sequence[str], limit: int) -> dict[str, list[tuple[str, str]]]:
    """(anchor, positive) of every variant, as many as the smallest of them has and at most `limit`."""
    with open_store(built, read_only=True) as store:
        known = dict(VARIANTS)
        for row in store.rows("SELECT DISTINCT reason FROM rejected WHERE stage = 'filter' ORDER BY 1"):
            # A question that failed one gate first may fail others, too: they would have caught it.
            refused = f"{REFUSED} <> '{row['reason']}'"
            known[f"without {row['reason']}"] = (f"{CANDIDATES} q.question_id NOT IN ({refused})",)
        if unknown := sorted(set(variants) - known.keys()):
            raise SystemExit(f"no variant {', '.join(unknown)}; there are {', '.join(known)}")
        parts = {name: [_rows(store, sql) for sql in known[name]] for name in variants}
    size = min(limit, *(len(found) * min(map(len, found)) for found in parts.values()))
    return {name: [row for part in found for row in part[: size // len(found)]] for name, found in parts.items()}


def _rows(store: Store, sql: str) -> list[tuple[str, str]]:
    """In an order drawn by lot that does not depend on the variant, so that variants share as many rows as they can."""
    found = sorted(store.rows(sql), key=lambda row: content_id("training row", row["question_id"]))
    return [(row["anchor"], row["positive"]) for row in found]


def write_dataset(built: Path, folder: Path, rows: Sequence[tuple[str, ...]]) -> Path:
    """A dataset folder of these pairs, or triplets, alone, for training without a dev set."""
    manifest = read_manifest(built / "dataset", verify_hashes=False)
    columns = ["anchor", "positive", *(f"negative_{n}" for n in range(1, len(rows[0]) - 1))]
    kind = "pairs" if len(columns) == 2 else "triplets"
    made = {f"{kind}/train.parquet": len(rows), "eval/dev/corpus.jsonl": 1, "eval/dev/queries.jsonl": 0}
    for name in made:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("", encoding="utf-8")
    # A dev set without queries: the last step's model is taken.
    line = json.dumps({"_id": "0", "title": "", "text": rows[0][1]}) + "\n"
    (folder / "eval" / "dev" / "corpus.jsonl").write_text(line, encoding="utf-8")
    pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row").write_parquet(folder / kind / "train.parquet")
    files = {
        name: FileEntry(sha256=file_sha256(folder / name), bytes=(folder / name).stat().st_size, rows=count)
        for name, count in made.items()
    }
    changed = {"files": files, "counts": {kind: {"train": len(rows)}}, "negatives": max(1, len(columns) - 2)}
    write_manifest(folder, manifest.model_copy(update=changed))
    return folder


def _variant(
    options: argparse.Namespace,
    name: str,
    rows: Sequence[tuple[str, str]],
    known: tuple[Mapping[str, System], EvalSet, Path],
    against: dict[str, list[System]],
) -> dict[str, Any]:
    runs, eval_set, work = known
    folder = work / content_id("variant", name)
    dataset = write_dataset(options.built, folder / "dataset", rows)
    scores, gains, found = [], [], []
    for seed in range(options.seeds):
        out = folder / f"model-{seed}"
        trained = train_model(dataset, out, options.model, train_settings(options, seed), lambda *_: None)
        found.append(rank(str(out), eval_set, options))
        tuned = evaluate({**runs, TUNED: found[-1]}, eval_set, EvaluateSettings())
        gain = tuned.find(TUNED, BASE, PRIMARY)
        scores.append(tuned.systems[-1].metrics[PRIMARY])
        gains.append(None if gain is None else [gain.mean, gain.low, gain.high])
        print(
            json.dumps({"variant": name, "seed": seed, PRIMARY: scores[-1], "steps": trained.steps}), file=sys.stderr, flush=True
        )
    others = against.setdefault("runs", found)
    beside = [evaluate({BASE: a, TUNED: b}, eval_set, EvaluateSettings()) for a, b in zip(others, found, strict=True)]
    differences = [one.find(TUNED, BASE, PRIMARY) for one in beside]
    mean = mean_of_seeds(others, found, eval_set)
    return {
        "variant": name,
        "rows": len(rows),
        PRIMARY: statistics.fmean(scores),
        "by_seed": scores,
        "gains": gains,
        "against_first": [None if one is None else [one.mean, one.low, one.high] for one in differences],
        "mean_against_first": mean,
    }


def print_table(report: Mapping[str, Any]) -> None:
    """One row a variant: rows trained on, the metric, what it gained on the base in the mean of the seeds."""
    print(f"{report['set']}: {report['questions']} human questions, {report['passages']} passages")
    for name, score in report["systems"].items():
        print(f"{name:<36}{'':>7}{score:>10.4f}")
    base = report["systems"][BASE]
    for row in report["variants"]:
        seeds = " ".join(f"{score:.4f}" for score in row["by_seed"])
        print(f"{row['variant']:<36}{row['rows']:>7}{row[PRIMARY]:>10.4f}{row[PRIMARY] - base:>+10.4f}   ({seeds})")
    for row in report["variants"][1:]:
        mean, low, high = row["mean_against_first"]
        print(
            f"{row['variant']} minus {report['variants'][0]['variant']}, mean of the seeds (95%): {mean:+.4f} ({low:+.4f} … {high:+.4f})"
        )
        beside = ", ".join(
            "none" if one is None else f"{one[0]:+.4f} ({one[1]:+.4f} … {one[2]:+.4f})" for one in row["against_first"]
        )
        print(f"{row['variant']} minus {report['variants'][0]['variant']}, seed by seed (95%): {beside}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_training_options(parser, seeds=2)
    # Equal steps in every arm.
    parser.set_defaults(trainings=1)
    parser.set_defaults(format="pairs")
    parser.add_argument("--built", type=Path, required=True, help="folder of the finished build")
    parser.add_argument("--set", choices=["squad", "ir_cranfield"], default="squad")
    parser.add_argument("--variants", nargs="+", default=["llm", "sentence", "llm+sentence"], help="see above")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
