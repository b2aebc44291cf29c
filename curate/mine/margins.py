"""How near to its positive's score a candidate may come before it is more likely a further answer than a hard negative."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.settings import MineSettings

FEWEST_KNOWN = 30
"""With fewer known answers the automatic margin is not set."""
MISSED = 0.05
"""Share of the known answers that the automatic margin may leave below it."""
STARVED = 0.02
"""Share of the pairs that it may leave with fewer than k candidates of the window."""


@dataclass(frozen=True)
class Margin:
    """Limits on a candidate's score; None: no limit. `relative` is a share of the positive's own score, as in NV-Retriever's "perc"."""

    relative: float | None = None
    absolute: float | None = None
    highest: float | None = None

    def exceeded(self, score: float, positive: float) -> bool:
        """Whether the candidate scores too high beside this positive. Of a positive below 0, "95%" lies 5% of its size below it, too."""
        if self.highest is not None and score > self.highest:
            return True
        if self.relative is not None and score > positive - (1 - self.relative) * abs(positive):
            return True
        return self.absolute is not None and score > positive - self.absolute

    @property
    def is_open(self) -> bool:
        """Nothing exceeds it."""
        return self.relative is None and self.absolute is None and self.highest is None


def margin_of(settings: MineSettings) -> Margin:
    """The margin as it is set."""
    return Margin(settings.relative_margin, settings.absolute_margin, settings.max_score)


def share(score: float, positive: float) -> float:
    """The relative margin that this candidate just meets; a positive of 0 is met by what scores no higher."""
    if positive == 0:
        return 0.0 if score <= 0 else float("inf")
    return 1 + (score - positive) / abs(positive)


def automatic(known: Sequence[float], needed: Sequence[float]) -> float | None:
    """The relative margin below which 5% of the known answers lie, but none that leaves more than 2% of the pairs without negatives.

    `known`: shares (see `share`) of passages that are known to answer; `needed`: for each pair, the least margin that leaves it k
    candidates of its window (infinity when no margin does). None with fewer than 30 known answers.
    """
    if len(known) < FEWEST_KNOWN:
        return None
    # Just below it, since what lies on a margin is kept.
    caught = float(np.quantile(np.array(known), MISSED, method="lower")) - 0.0001
    # A pair that no margin can feed is short whatever is set.
    within = sorted(value for value in needed if math.isfinite(value))
    fed = within[math.ceil((1 - STARVED) * len(within)) - 1] if within else 0.0
    return round(min(1.0, max(caught, fed, 0.01)), 4)
