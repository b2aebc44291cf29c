"""What the closing notes of mining count, in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.reasons import Reason
from schemas.settings import MineSettings


class Mined(Protocol):
    """A pair with the rows of its candidates."""

    @property
    def chosen(self) -> int:
        """Negatives that it has."""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One a candidate."""


@dataclass
class Tally:
    """Counts over all batches."""

    pairs: int = 0
    too_few: int = 0
    crowded: int = 0
    """Of those, pairs whose candidates were mostly of the positive's own document."""
    with_random: int = 0
    """Pairs with more negatives by lot than were asked for."""
    promoted: int = 0

    def count(self, searches: Sequence[Mined], mine: MineSettings) -> None:
        """One batch more."""
        short = [search for search in searches if search.chosen < mine.negatives]
        self.pairs += len(searches)
        self.too_few += len(short)
        self.crowded += sum(_is_crowded(search.rows) for search in short)
        self.with_random += sum(_by_lot(search.rows) > mine.easy_negatives for search in searches)
        self.promoted += sum(any(row["state"] == "promoted" for row in search.rows) for search in searches)

    def sentences(self, mine: MineSettings) -> Iterator[str]:
        """One sentence for each thing the user must know."""
        if self.with_random:
            yield f"Random negatives, because the search left too few of the split: {self.with_random:,} of {self.pairs:,} pairs."
        if self.too_few:
            yield f"Fewer than `mine.negatives` ({mine.negatives}), so no triplet: {self.too_few:,} of {self.pairs:,} pairs."
        if self.crowded:
            yield (
                f"Of these, mostly candidates of the positive's own document: {self.crowded:,}; "
                "`mine.same_document = true` or a larger `mine.last_rank` finds more."
            )
        if self.promoted:
            yield f"Pairs with candidates that answer, too, and became further positives: {self.promoted:,} of {self.pairs:,}."


def _by_lot(rows: Sequence[dict[str, Any]]) -> int:
    return sum(row["chosen"] is not None and row["origin"] == "random" for row in rows)


def _is_crowded(rows: Sequence[dict[str, Any]]) -> bool:
    ranked = [row for row in rows if row["origin"] != "random"]
    return bool(2 * sum(row["reason"] == Reason.NEGATIVE_IN_SAME_DOCUMENT for row in ranked) > len(ranked))
