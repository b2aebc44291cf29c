"""Shares with intervals that know rows of one document rise and fall together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.agreement import wilson

Flags = npt.NDArray[np.bool_]
DRAWS = 1000
_PREDICTIONS = 20_000


@dataclass(frozen=True)
class Rate:
    """`count` of `of` rows, with the bounds of the 95% interval; no rate and no bounds where there is no row."""

    count: int
    of: int
    rate: float | None
    low: float | None
    high: float | None

    def values(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)

    def holds(self, rate: float | None) -> bool | None:
        """Whether another rate lies within the interval; None where either is missing."""
        return None if rate is None or self.low is None or self.high is None else self.low <= rate <= self.high


class Resampling:
    """Intervals of shares: the wider of Wilson's and of a bootstrap that draws whole documents (percentiles, 1,000 draws).

    The bootstrap alone is nothing worth at shares of 0 and 1, Wilson's alone too narrow for many rows of few documents.
    """

    def __init__(self, clusters: Sequence[str], seed: int) -> None:
        names, index = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
        self._index = index.astype(np.int64)
        size = len(names)
        generator = np.random.default_rng(seed)
        draws = generator.multinomial(size, np.full(size, 1 / size), size=DRAWS) if size > 1 else np.ones((0, size))
        # Whole numbers: their sums are exact, in whatever order a processor adds them.
        self._weights = draws.astype(np.float64)

    def rate(self, hits: Flags, among: Flags | None = None) -> Rate:
        """The share of `hits` among the rows of `among` (all, where it is None); both have one flag for each row."""
        chosen = np.ones(len(self._index), dtype=np.bool_) if among is None else among
        count, rows = int((hits & chosen).sum()), int(chosen.sum())
        if rows == 0:
            return Rate(0, 0, None, None, None)
        low, high = wilson(count / rows, rows)
        drawn = self._drawn(hits & chosen, chosen)
        if len(drawn):
            lower, upper = np.percentile(drawn, [2.5, 97.5])
            low, high = min(low, float(lower)), max(high, float(upper))
        return Rate(count, rows, round(count / rows, 4), round(low, 4), round(high, 4))

    def predicted(self, hits: Flags, seen: Flags, other: Flags) -> tuple[float, float] | None:
        """Where the share among `other` rows is to be expected, with 95%, from the share among the rows `seen`; None where either is empty.

        The Beta-binomial prediction from Jeffreys' prior (L. D. Brown, T. T. Cai, A. DasGupta, Stat. Sci. 16, 2001, for the prior): it knows that
        both shares are of few rows. Rows of one document rise and fall together, so both counts are divided by the design effect of the seen ones.
        """
        rows, further = int(seen.sum()), int(other.sum())
        if not rows or not further:
            return None
        count = int((hits & seen).sum())
        expected = (count + 0.5) / (rows + 1)
        drawn = self._drawn(hits & seen, seen)
        spread = float(np.var(drawn)) if len(drawn) else 0.0
        effect = max(1.0, spread * rows / (expected * (1 - expected)))
        generator = np.random.default_rng([rows, count, further])
        shares = generator.beta(count / effect + 0.5, (rows - count) / effect + 0.5, size=_PREDICTIONS)
        trials = max(1, round(further / effect))
        low, high = np.percentile(generator.binomial(trials, shares) / trials, [2.5, 97.5])
        return round(float(low), 4), round(float(high), 4)

    def _drawn(self, hits: Flags, chosen: Flags) -> npt.NDArray[np.float64]:
        size = self._weights.shape[1]
        sums = self._weights @ np.bincount(self._index, weights=hits, minlength=size)
        counts = self._weights @ np.bincount(self._index, weights=chosen, minlength=size)
        drawn: npt.NDArray[np.float64] = sums[counts > 0] / counts[counts > 0]
        return drawn
