"""Our metrics beside those of ir-measures (trec_eval), query by query.

    python benchmarks/metric_peers.py --data FOLDER          FOLDER holds ir_cranfield/{corpus,queries,qrels}.parquet
    python benchmarks/metric_peers.py --fixture FILE.json    writes made-up runs and judgements with the peer's values, for the tests

`pip install ir-measures` first, in an environment that also has this project. The run on Cranfield is that of BM25, to a depth of 100 (graded
judgements as they are). Prints both means of each metric and the largest difference of one query, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.metrics import CUTS, METRICS, query_metrics

Qrels = dict[str, dict[str, int]]
Rankings = dict[str, list[str]]

NAMES = {
    "ndcg@10": "nDCG@10",
    "mrr@10": "RR@10",
    "map@100": "AP@100",
    **{f"hit@{cut}": f"Success@{cut}" for cut in CUTS},
    **{f"recall@{cut}": f"R@{cut}" for cut in CUTS},
}
"""Ours → theirs."""


def peer_values(rankings: Rankings, qrels: Qrels) -> dict[str, dict[str, float]]:
    """Query id → our name of the metric → the value of ir-measures."""
    import ir_measures

    # The peer puts equal scores in an order of its own: a falling score a rank says ours.
    run = {query: {item: float(-rank) for rank, item in enumerate(ranked)} for query, ranked in rankings.items()}
    ours = {ir_measures.parse_measure(theirs): name for name, theirs in NAMES.items()}
    found: dict[str, dict[str, float]] = {query: dict.fromkeys(METRICS, 0.0) for query in qrels}
    for row in ir_measures.iter_calc(list(ours), qrels, run):
        found[row.query_id][ours[row.measure]] = float(row.value)
    return found


def side_by_side(rankings: Rankings, qrels: Qrels, theirs: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Metric → our mean, their mean, and the largest difference of one query."""
    mine = {query: query_metrics(rankings.get(query, []), grades) for query, grades in qrels.items()}
    return {
        metric: {
            "ours": statistics.fmean(mine[query][metric] for query in qrels),
            "theirs": statistics.fmean(theirs[query][metric] for query in qrels),
            "largest_difference": max(abs(mine[query][metric] - theirs[query][metric]) for query in qrels),
        }
        for metric in METRICS
    }


def made_up(seed: int = 13, queries: int = 24) -> tuple[dict[str, dict[str, float]], Qrels]:
    """Runs with equal scores, right passages that are missing and queries without any answer; grades from -1 to 3."""
    chance = random.Random(seed)
    runs: dict[str, dict[str, float]] = {}
    qrels: Qrels = {}
    for number in range(queries):
        name = f"q{number:02}"
        pool = [f"d{item:03}" for item in range(160)]
        chance.shuffle(pool)
        judged = pool[: chance.randint(1, 40)]
        qrels[name] = {item: chance.choice([-1, 0, 1, 1, 2, 3]) for item in judged} | {judged[0]: chance.randint(1, 3)}
        depth = [0, 1, 5, 9, 30, 100, 130][number % 7]
        listed = chance.sample(pool, depth)
        runs[name] = {item: round(chance.random() + 0.3 * (item in judged), 1) for item in listed}
    return runs, qrels


def ordered(runs: Mapping[str, Mapping[str, float]]) -> Rankings:
    """Best first; of equal scores the smaller id first, as everywhere here."""
    return {query: sorted(scores, key=lambda item: (-scores[item], item)) for query, scores in runs.items()}


def cranfield(data: Path) -> tuple[Rankings, Qrels]:
    """BM25's rankings of the abstracts, and the judgements of people."""
    import polars as pl

    from curate.bm25 import build, tokenise

    folder = data / "ir_cranfield"
    corpus = {row["doc_id"]: f"{row['title']} {row['text']}" for row in pl.read_parquet(folder / "corpus.parquet").to_dicts()}
    queries = dict(pl.read_parquet(folder / "queries.parquet").select("query_id", "text").iter_rows())
    qrels: Qrels = {}
    for query, item, grade in pl.read_parquet(folder / "qrels.parquet").select("query_id", "doc_id", "score").iter_rows():
        qrels.setdefault(query, {})[item] = int(grade)
    ids = sorted(corpus)
    index = build("bm25s", (tokenise(corpus[item]) for item in ids))
    asked = sorted(query for query, items in qrels.items() if query in queries and max(items.values()) > 0)
    found, _ = index.search([tokenise(queries[query]) for query in asked], 100)
    rankings = {query: [ids[place] for place in row if place >= 0] for query, row in zip(asked, found, strict=True)}
    return rankings, {query: qrels[query] for query in asked}


def write_fixture(path: Path) -> None:
    """The made-up set with the peer's values."""
    runs, qrels = made_up()
    body: dict[str, Any] = {"runs": runs, "qrels": qrels, "ir_measures": peer_values(ordered(runs), qrels)}
    path.write_text(json.dumps(body, indent=None, sort_keys=True) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--fixture", type=Path)
    options = parser.parse_args(arguments)
    if options.fixture:
        write_fixture(options.fixture)
    if not options.data:
        return
    rankings, qrels = cranfield(options.data)
    rows = side_by_side(rankings, qrels, peer_values(rankings, qrels))
    print(
        f"{len(qrels)} queries of ir_cranfield, BM25\n{'':<12}{'ours':>10}{'ir-measures':>13}{'largest difference of a query':>32}"
    )
    for metric, row in rows.items():
        print(f"{metric:<12}{row['ours']:>10.6f}{row['theirs']:>13.6f}{row['largest_difference']:>32.1e}")
    print(json.dumps({"benchmark": "metric_peers", "queries": len(qrels), "metrics": rows}))


if __name__ == "__main__":
    main()
