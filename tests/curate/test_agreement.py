"""Shares, intervals and kappa against worked examples and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.agreement import Share, Stratum, kappa, stratified_share, wilson


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    # Values of scipy.stats.binomtest(hits, rows).proportion_ci(method="wilson").
    [(9, 10, 0.5958499732, 0.9821237869), (25, 25, 0.8668077491, 1.0), (0, 25, 0.0, 0.1331922509), (1, 1, 0.2065493143, 1.0)],
)
def test_wilson_as_others_compute_it(hits: int, rows: int, low: float, high: float) -> None:
    assert wilson(hits / rows, rows) == pytest.approx((low, high), abs=1e-9)


def test_of_no_row_nothing_is_known() -> None:
    assert wilson(0.0, 0) == (0.0, 1.0)
    assert stratified_share([]) is None
    assert stratified_share([Stratum(0, 0, 100)]) is None


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_interval_holds_the_share_and_stays_in_bounds(hits: int, rows: int) -> None:
    share = min(hits, rows) / rows
    low, high = wilson(share, rows)
    assert 0 <= low <= share <= high <= 1
    assert wilson(share, rows * 4)[1] - wilson(share, rows * 4)[0] < high - low


def test_one_stratum_is_the_plain_interval() -> None:
    assert stratified_share([Stratum(9, 10, 900)]) == Share(0.9, *wilson(0.9, 10), 10)


def test_each_stratum_counts_by_its_size() -> None:
    found = stratified_share([Stratum(9, 10, 900), Stratum(1, 10, 100)])
    # 0.9 · 0.9 + 0.1 · 0.1; effective rows 1 / (0.81/10 + 0.01/10).
    assert found is not None
    assert found.value == pytest.approx(0.82)
    assert (found.low, found.high) == pytest.approx(wilson(0.82, 1 / 0.082))
    assert found.rows == 20


def test_a_stratum_of_which_nothing_was_seen_is_left_out() -> None:
    assert stratified_share([Stratum(9, 10, 900), Stratum(0, 0, 10_000)]) == stratified_share([Stratum(9, 10, 900)])


def test_kappa_of_the_textbook() -> None:
    # https://en.wikipedia.org/wiki/Cohen%27s_kappa: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no.
    assert kappa(20, 5, 10, 15) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("table", "value"), [((5, 0, 0, 5), 1.0), ((0, 5, 5, 0), -1.0), ((25, 25, 25, 25), 0.0), ((0.5, 0, 0, 0.25), 1.0)]
)
def test_kappa_at_its_ends(table: tuple[float, float, float, float], value: float) -> None:
    assert kappa(*table) == pytest.approx(value)


@pytest.mark.parametrize("table", [(0, 0, 0, 0), (7, 0, 0, 0), (0, 0, 0, 7)])
def test_kappa_is_undefined_where_nothing_varies(table: tuple[int, int, int, int]) -> None:
    assert kappa(*table) is None
