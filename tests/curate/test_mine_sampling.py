"""Orders of candidates: seeded, complete, and as likely as they should be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from curate.mine.sampling import window_order
from schemas.settings import MineSettings

NAMES = ["a", "b", "c", "d"]
SCORES = [4.0, 3.0, 2.0, 1.0]


def order(seed: str, **mine: object) -> list[int]:
    return window_order(NAMES, SCORES, MineSettings.model_validate(mine), seed)


def test_top_is_the_order_of_ranks() -> None:
    assert order("any") == [0, 1, 2, 3]


@pytest.mark.parametrize("sampling", ["uniform", "softmax"])
def test_a_lot_is_seeded_and_complete(sampling: str) -> None:
    assert order("one", sampling=sampling) == order("one", sampling=sampling)
    assert sorted(order("one", sampling=sampling)) == [0, 1, 2, 3]
    assert len({tuple(order(str(seed), sampling=sampling)) for seed in range(200)}) > 15
    assert window_order([], [], MineSettings(sampling="uniform"), "one") == []


def test_uniform_puts_each_first_as_often() -> None:
    first = Counter(order(str(seed), sampling="uniform")[0] for seed in range(2000))
    assert all(420 < first[place] < 580 for place in range(4))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_softmax_puts_each_first_by_its_weight(temperature: float) -> None:
    found = Counter(order(str(seed), sampling="softmax", temperature=temperature)[0] for seed in range(4000))
    weights = np.exp((np.array(SCORES) - 2.5) / np.std(SCORES) / temperature)
    for place, expected in enumerate(weights / weights.sum()):
        assert abs(found[place] / 4000 - expected) < 0.03


def test_softmax_of_equal_scores_is_uniform() -> None:
    mine = MineSettings(sampling="softmax")
    first = Counter(window_order(NAMES, [1.0] * 4, mine, str(seed))[0] for seed in range(2000))
    assert all(420 < first[place] < 580 for place in range(4))
