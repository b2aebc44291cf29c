"""Counts and histograms by SQL, so that no column of a large build is held in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from curate.store import Store
from schemas.report import Bin, Count

BINS = 24


def counts(store: Store, sql: str, parameters: Mapping[str, Any] | None = None) -> tuple[Count, ...]:
    """Rows of a SELECT of `name` and `count`."""
    return tuple(Count(name=str(row["name"]), count=row["count"]) for row in store.rows(sql, parameters))


def whole_numbers(store: Store, values: str) -> tuple[Bin, ...]:
    """A histogram of the whole numbers `v` that a SELECT gives; the last bin holds the longest hundredth."""
    row = store.rows(f"SELECT min(v) AS low, quantile_cont(v, 0.99) AS high, max(v) AS top FROM ({values})")[0]  # noqa: S608
    if row["low"] is None:
        return ()
    low, width, number = _plan(row["low"], row["high"])
    return _reaching(fixed(store, values, low, low + width * number, width), row["top"])


def fixed(store: Store, values: str, low: float, high: float, width: float) -> tuple[Bin, ...]:
    """A histogram of the numbers `v` that a SELECT gives, in bins of one width from `low` to `high`; what lies outside falls into the end bins."""
    last = round((high - low) / width) - 1
    rows = store.rows(
        f"SELECT greatest(0, least($last, CAST(floor((v - $low) / $width + 1e-9) AS BIGINT))) AS bin, count(*) AS count FROM ({values}) "  # noqa: S608
        "WHERE v IS NOT NULL GROUP BY bin",
        {"low": float(low), "width": float(width), "last": last},
    )
    return _bins({row["bin"]: row["count"] for row in rows}, low, width, last + 1)


def histogram(values: Sequence[int]) -> tuple[Bin, ...]:
    """As `whole_numbers`, of a list."""
    if not values:
        return ()
    ranked = sorted(values)
    low, width, number = _plan(ranked[0], ranked[math.ceil(0.99 * len(ranked)) - 1])
    found: dict[int, int] = {}
    for value in ranked:
        place = min(number - 1, (value - low) // width)
        found[place] = found.get(place, 0) + 1
    return _reaching(_bins(found, low, width, number), ranked[-1])


def shares(values: Sequence[float], width: float) -> tuple[Bin, ...]:
    """A histogram of numbers between 0 and 1 in bins of one width; no bins without numbers."""
    last = round(1 / width) - 1
    found: dict[int, int] = {}
    for value in values:
        place = min(last, math.floor(value / width + 1e-9))
        found[place] = found.get(place, 0) + 1
    return _bins(found, 0, width, last + 1) if values else ()


def median(bins: Sequence[Bin]) -> float | None:
    """The middle of the bin that holds the median; None without values."""
    total, below = sum(one.count for one in bins), 0
    for one in bins:
        below += one.count
        if total and 2 * below >= total:
            return (one.low + one.high) / 2
    return None


def first_words(texts: Iterable[str], most: int = 12) -> tuple[Count, ...]:
    """The words that questions begin with, the commonest first."""
    found: dict[str, int] = {}
    for text in texts:
        word = text.split(maxsplit=1)[0].strip("\"'“”‘’«»([.,:;!?").casefold() if text.strip() else ""
        if word:
            found[word] = found.get(word, 0) + 1
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Count(name=word, count=count) for word, count in ranked[:most])


def _plan(low: float, high: float) -> tuple[int, int, int]:
    """Where the first bin begins, how wide each is, and how many."""
    first, end = math.floor(low), math.ceil(high) + 1
    width = _nice((end - first) / BINS)
    first = first // width * width
    return first, width, max(1, math.ceil((end - first) / width))


def _reaching(bins: tuple[Bin, ...], top: float) -> tuple[Bin, ...]:
    return (*bins[:-1], bins[-1].model_copy(update={"high": max(bins[-1].high, float(top))}))


def _bins(found: Mapping[int, int], low: float, width: float, number: int) -> tuple[Bin, ...]:
    return tuple(
        Bin(low=round(low + place * width, 6), high=round(low + (place + 1) * width, 6), count=found.get(place, 0))
        for place in range(number)
    )


def _nice(width: float) -> int:
    """The next of 1, 2, 5, 10, 20, 50 …"""
    power = 1
    while True:
        for step in (1, 2, 5):
            if step * power >= width:
                return step * power
        power *= 10
