"""How sure a share is, and how far two verdicts agree: Wilson's interval, Kish's effective count, Cohen's kappa."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""The 97.5% point of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share between 0 and 1 with the bounds of its 95% interval, and how many rows it stands on."""

    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Stratum:
    """What was seen of one part of a population: `hits` of `seen` rows, of `size` in all."""

    hits: int
    seen: int
    size: int


def wilson(share: float, rows: float, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share seen in `rows` rows (may be fractional); (0, 1) for no row.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209–212. Unlike the normal
    interval it stays within 0 and 1 and is of use for few rows and for shares near 0 or 1 (Brown, Cai, DasGupta, Stat. Sci. 16, 2001).
    """
    if rows <= 0:
        return 0.0, 1.0
    spread = z * z / rows
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    # Rounding must not push a bound past the share itself.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def stratified_share(strata: Sequence[Stratum]) -> Share | None:
    """The share of hits in a population that was sampled by strata at different rates; None where nothing was seen.

    Each stratum's share counts by its size (strata of which nothing was seen are left out). The interval is Wilson's for the effective
    number of rows 1 / Σ (W² / n), with W the stratum's part of the population and n its rows seen: L. Kish, Survey Sampling (1965),
    section 11.7; used with Wilson's interval by N. Dean and M. Pagano, J. Surv. Stat. Methodol. 3 (2015), 484–503. For one stratum it is
    the plain interval.
    """
    known = [stratum for stratum in strata if stratum.seen]
    total = sum(stratum.size for stratum in known)
    if not total:
        return None
    parts = [(stratum.size / total, stratum) for stratum in known]
    value = sum(part * stratum.hits / stratum.seen for part, stratum in parts)
    value = min(1.0, max(0.0, value))
    effective = 1 / sum(part * part / stratum.seen for part, stratum in parts)
    low, high = wilson(value, effective)
    return Share(value, low, high, sum(stratum.seen for stratum in known))


def kappa(both: float, first: float, second: float, neither: float) -> float | None:
    """Cohen's kappa of two yes/no verdicts on the same rows: 1 is full agreement, 0 what chance gives.

    `both` rows have yes from both, `first` and `second` yes from that one only, `neither` no from both; weights instead of counts will do.
    None where it is not defined: no rows, or both verdicts always the same. J. Cohen, "A coefficient of agreement for nominal scales",
    Educ. Psychol. Meas. 20 (1960), 37–46.
    """
    total = both + first + second + neither
    if total <= 0:
        return None
    seen = (both + neither) / total
    yes_first, yes_second = (both + first) / total, (both + second) / total
    chance = yes_first * yes_second + (1 - yes_first) * (1 - yes_second)
    if math.isclose(chance, 1.0):
        return None
    return (seen - chance) / (1 - chance)
