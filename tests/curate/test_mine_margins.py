"""Margins against the definition, and the automatic one on shares that were made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.mine.margins import Margin, automatic, share

scores = st.floats(-1, 1).map(lambda value: round(value, 4))


@pytest.mark.parametrize(
    ("margin", "score", "positive", "exceeded"),
    [
        (Margin(), 9.0, 1.0, False),
        (Margin(relative=0.95), 0.95, 1.0, False),
        (Margin(relative=0.95), 0.951, 1.0, True),
        # Below 0 "95%" must not lie above the positive.
        (Margin(relative=0.95), -0.2, -0.2, True),
        (Margin(relative=0.95), -0.2101, -0.2, False),
        (Margin(relative=0.95), 0.0, 0.0, False),
        (Margin(relative=0.95), 0.1, 0.0, True),
        (Margin(absolute=0.1), 0.91, 1.0, True),
        (Margin(absolute=0.1), 0.9, 1.0, False),
        (Margin(highest=0.7), 0.71, 9.0, True),
        (Margin(highest=0.7), 0.7, 9.0, False),
        (Margin(relative=0.5, highest=0.9), 0.6, 1.0, True),
    ],
)
def test_exceeded(margin: Margin, score: float, positive: float, exceeded: bool) -> None:
    assert margin.exceeded(score, positive) is exceeded
    assert margin.is_open is (margin == Margin())


@given(scores, scores.filter(lambda value: abs(value) > 0.01), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_a_candidate_is_kept_by_the_margins_that_its_share_does_not_pass(score: float, positive: float, relative: float) -> None:
    if abs(share(score, positive) - relative) > 1e-9:
        assert Margin(relative=relative).exceeded(score, positive) is (share(score, positive) > relative)


def test_the_share_of_a_positive_that_scores_nothing() -> None:
    assert (share(0.0, 0.0), share(0.1, 0.0)) == (0.0, float("inf"))


def test_automatic_lies_below_all_but_a_twentieth_of_what_is_known_to_answer() -> None:
    known = [0.5, 0.6, *(0.8 + number / 1000 for number in range(98))]
    assert automatic(known, [0.1] * 50) == 0.8019
    assert sum(value > 0.8019 for value in known) >= 0.95 * len(known) - 1


def test_automatic_leaves_no_more_than_a_fiftieth_of_the_pairs_without_candidates() -> None:
    needed = [0.85] * 97 + [0.9] + [0.99] * 2
    assert automatic([0.5] * 100, needed) == 0.9
    assert automatic([0.5] * 100, [0.2] * 40 + [float("inf")] * 40) == 0.4999
    assert automatic([0.5] * 100, [2.0] * 10) == 1.0
    assert automatic([0.5] * 100, []) == 0.4999


def test_automatic_needs_thirty_known_answers() -> None:
    assert automatic([0.9] * 29, [0.1]) is None
    assert automatic([0.9] * 30, [0.1]) == 0.8999
