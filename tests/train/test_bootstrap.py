"""The paired bootstrap by cluster."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.bootstrap import paired_bootstrap


def bootstrap(values: list[float], clusters: list[str], draws: int = 2000, seed: int = 13):
    return paired_bootstrap(np.array(values)[:, None], clusters, draws=draws, seed=seed)[0]


def test_mean_is_over_queries_and_counts_are_told() -> None:
    found = bootstrap([1.0, 0.0, 0.0, 0.5], ["a", "b", "b", "c"])
    assert (found.mean, found.queries, found.clusters) == (0.375, 4, 3)


def test_one_cluster_gives_no_interval() -> None:
    found = bootstrap([0.2, 0.4], ["a", "a"])
    assert (found.mean, found.low, found.high) == (pytest.approx(0.3), None, None)


def test_two_clusters_give_their_own_means_as_bounds() -> None:
    # Each draw is (a, a), (a, b) or (b, b): a quarter of the draws each for the two extremes.
    found = bootstrap([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"])
    assert (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)


def test_clusters_not_queries_are_drawn() -> None:
    rng = np.random.default_rng(0)
    documents = rng.normal(0.05, 0.2, 20)
    values = np.repeat(documents, 30)
    by_document = bootstrap(list(values), [f"d{n // 30}" for n in range(600)])
    by_question = bootstrap(list(values), [str(n) for n in range(600)])
    # Thirty copies of each value tell no more than one: the honest interval is about sqrt(30) times as wide.
    ratio = (by_document.high - by_document.low) / (by_question.high - by_question.low)
    assert 4.5 < ratio < 6.5
    standard_error = documents.std() / np.sqrt(20)
    assert by_document.high - by_document.low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)


def test_big_clusters_weigh_by_their_queries() -> None:
    found = bootstrap([1.0] * 98 + [0.0] * 2, ["a"] * 98 + ["b"] * 2)
    assert found.mean == 0.98


def test_columns_are_resampled_together_and_seed_decides() -> None:
    values = np.array([[0.1, 0.2], [0.4, 0.8], [-0.3, -0.6]])
    one, two = paired_bootstrap(values, ["a", "b", "c"], draws=500, seed=1)
    assert (two.low, two.high) == (pytest.approx(2 * one.low), pytest.approx(2 * one.high))
    assert paired_bootstrap(values, ["a", "b", "c"], draws=500, seed=1) == [one, two]
    many = np.random.default_rng(0).normal(size=(40, 1))
    names = [str(n) for n in range(40)]
    assert paired_bootstrap(many, names, draws=500, seed=2) != paired_bootstrap(many, names, draws=500, seed=1)


def test_draws_in_blocks_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    values, names = [0.1, 0.5, -0.2, 0.9], ["a", "b", "c", "d"]
    whole = bootstrap(values, names)
    monkeypatch.setattr("train.bootstrap._CELLS", 100)
    assert bootstrap(values, names) == whole


def test_no_queries_is_a_fault() -> None:
    with pytest.raises(ValueError, match="at least one query"):
        paired_bootstrap(np.zeros((0, 1)), [], draws=100, seed=1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1, 1, width=16), st.sampled_from("abcdefg")), min_size=2, max_size=20),
    st.randoms(use_true_random=False),
)
def test_order_of_queries_does_not_matter_and_bounds_hold(rows, random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    found = bootstrap([v for v, _ in rows], [c for _, c in rows], draws=200)
    assert bootstrap([v for v, _ in shuffled], [c for _, c in shuffled], draws=200) == found
    if found.low is not None:
        values = [v for v, _ in rows]
        assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
