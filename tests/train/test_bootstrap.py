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


def test_two_clusters_tell_nothing() -> None:
    # Half of the draws hold one cluster twice, and so have no standard error.
    found = bootstrap([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"])
    assert (found.mean, found.low, found.high) == (0.5, -1.0, 1.0)


def test_clusters_that_are_all_alike_give_a_point() -> None:
    found = bootstrap([0.0] * 6, ["a", "a", "b", "c", "c", "c"])
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)
    found = bootstrap([0.1] * 6, ["a", "a", "b", "c", "c", "c"])
    assert (found.low, found.high) == (found.mean, found.mean) == (pytest.approx(0.1), pytest.approx(0.1))


def test_where_few_documents_gain_the_side_that_is_not_known_is_open() -> None:
    # One document of twelve gains: a third of the draws miss it. How much more the others might gain is not known, that none lost is.
    found = bootstrap([0.6] + [0.0] * 11, [f"d{n}" for n in range(12)])
    assert (found.mean, found.high) == (pytest.approx(0.05), 1.0)
    assert -0.05 < found.low < 0
    lost = bootstrap([-0.6] + [0.0] * 11, [f"d{n}" for n in range(12)])
    assert (lost.low, lost.high) == (-1.0, pytest.approx(-found.low))


def test_bounds_are_those_of_a_studentised_bootstrap_written_out() -> None:
    rng = np.random.default_rng(4)
    sizes = [1, 2, 3, 5, 8, 2, 1, 4, 6, 3]
    names = [f"d{n}" for n, size in enumerate(sizes) for _ in range(size)]
    values = rng.normal(0.1, 0.3, len(names)).clip(-1, 1)
    groups = [values[np.array(names) == f"d{n}"] for n in range(10)]

    def mean_and_error(chosen: list[np.ndarray]) -> tuple[float, float]:
        mean = np.concatenate(chosen).mean()
        residuals = [(group - mean).sum() for group in chosen]
        return mean, np.sqrt(10 / 9 * np.sum(np.square(residuals))) / sum(map(len, chosen))

    mean, error = mean_and_error(groups)
    distances = []
    for weights in np.random.default_rng(13).multinomial(10, np.full(10, 1 / 10), size=400):
        drawn, its_error = mean_and_error([group for group, times in zip(groups, weights, strict=True) for _ in range(times)])
        distances.append((drawn - mean) / its_error)
    below, above = np.percentile(distances, [2.5, 97.5], method="nearest")
    found = bootstrap(list(values), names, draws=400)
    assert (found.mean, found.low, found.high) == pytest.approx((mean, mean - above * error, mean - below * error), abs=1e-12)


def test_fifteen_skewed_clusters_hold_the_truth_more_often_than_percentiles() -> None:
    held, by_percentile = 0, 0
    for number in range(300):
        rng = np.random.default_rng(number)
        values = np.repeat(rng.beta(0.4, 3.0, 15), 2)
        names = [f"d{n // 2:02}" for n in range(30)]
        found = bootstrap(list(values), names, draws=400, seed=number)
        truth = 0.4 / 3.4
        held += found.low <= truth <= found.high
        drawn = rng.multinomial(15, np.full(15, 1 / 15), size=400) @ values[::2] / 15
        low, high = np.percentile(drawn, [2.5, 97.5])
        by_percentile += low <= truth <= high
    assert held / 300 > 0.9
    assert held / 300 > by_percentile / 300 + 0.05


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
    assert by_document.high - by_document.low == pytest.approx(2 * 2.09 * standard_error, rel=0.15)


def test_big_clusters_weigh_by_their_queries() -> None:
    found = bootstrap([1.0] * 98 + [0.0] * 2, ["a"] * 98 + ["b"] * 2)
    assert found.mean == 0.98


def test_columns_are_resampled_together_and_seed_decides() -> None:
    column = np.array([0.1, 0.4, -0.3, 0.2, 0.0, 0.15, -0.05, 0.3])
    values, names = np.stack([column, 2 * column], axis=1), list("abcdefgh")
    one, two = paired_bootstrap(values, names, draws=500, seed=1)
    assert -0.4 < one.low < one.high < 0.4
    assert (two.low, two.high) == (pytest.approx(2 * one.low), pytest.approx(2 * one.high))
    assert paired_bootstrap(values, names, draws=500, seed=1) == [one, two]
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
        assert -1 <= found.low <= found.mean <= found.high <= 1
