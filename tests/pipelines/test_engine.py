from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from pipelines.engine import IN_PROCESS_ITEMS, ProcessEngine


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [0, 3, IN_PROCESS_ITEMS + 13])
def test_results_come_in_order_whatever_the_workers(workers: int, count: int) -> None:
    with ProcessEngine(workers) as engine:
        assert list(engine.map(math.factorial, range(count))) == [math.factorial(n) for n in range(count)]


def test_items_are_taken_lazily() -> None:
    taken = []

    def items() -> Iterator[int]:
        for n in range(1000):
            taken.append(n)
            yield n

    with ProcessEngine(2) as engine:
        results = engine.map(math.factorial, items())
        for _ in range(IN_PROCESS_ITEMS + 1):
            next(results)
    assert len(taken) < IN_PROCESS_ITEMS + 10
