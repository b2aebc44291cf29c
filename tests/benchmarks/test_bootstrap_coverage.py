"""The simulation of the intervals, and the made-up runs that metrics are compared on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bootstrap_coverage import main, meets, percentile_interval, populations, skewed
from benchmarks.metric_peers import made_up, ordered, side_by_side
from train.metrics import METRICS


def test_the_truth_is_the_mean_of_many_documents() -> None:
    for population in populations():
        _, gains = population.draw(np.random.default_rng(7), 200_000)
        assert gains.mean() == pytest.approx(population.truth, abs=0.003), population.name


def test_sizes_and_gains_belong_together_and_come_by_seed() -> None:
    sizes, gains = skewed(np.random.default_rng(1), 15)
    assert (len(sizes), sizes.min() >= 1, sizes.sum()) == (15, True, len(gains))
    again = skewed(np.random.default_rng(1), 15)
    assert (again[1] == gains).all()
    low, high = percentile_interval(sizes, gains, 500, 3)
    assert -0.3 <= low < gains.mean() < high <= 1


def test_table_then_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--sets", "4", "--draws", "200"])
    lines = capsys.readouterr().out.splitlines()
    body = json.loads(lines[-1])
    assert len(lines) == 2 + 9 + 1
    assert [(row["population"], row["clusters"]) for row in body["rows"][:4]] == [
        ("skewed", 15),
        ("skewed", 30),
        ("skewed", 100),
        ("long", 15),
    ]
    assert all(0 <= row["ours"] <= 1 for row in body["rows"])


@pytest.mark.parametrize(
    ("clusters", "share", "kept"),
    [
        (15, 0.90, True),
        (15, 0.899, False),
        (30, 0.99, True),
        (100, 0.93, True),
        (100, 0.97, True),
        (100, 0.971, False),
        (100, 0.92, False),
    ],
)
def test_bars(clusters: int, share: float, kept: bool) -> None:
    assert meets({"clusters": clusters, "ours": share}) is kept


def test_the_fixture_of_the_metric_tests_is_the_one_the_benchmark_makes() -> None:
    runs, qrels = made_up()
    kept = json.loads((Path(__file__).parents[1] / "train" / "metric_peers.json").read_text())
    assert (kept["runs"], kept["qrels"]) == (runs, qrels)
    rows = side_by_side(ordered(runs), qrels, kept["ir_measures"])
    assert list(rows) == list(METRICS)
    assert max(row["largest_difference"] for row in rows.values()) < 1e-6
    # It would show: one query's first and last places exchanged.
    spoiled = {query: ranked[::-1] for query, ranked in ordered(runs).items()}
    assert side_by_side(spoiled, qrels, kept["ir_measures"])["ndcg@10"]["largest_difference"] > 0.1
