"""Batches in which no passage that is known to answer an anchor stands as a negative of it."""

from __future__ import annotations

from typing import Any

from train.models import third_party


class _Texts:
    """Rows as the library's sampler compares them: the texts of a row, and all other positives of its anchor."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self._known: dict[str, dict[str, None]] = {}
        for anchor, positive in zip(rows["anchor"], rows["positive"], strict=True):
            self._known.setdefault(anchor, {})[positive] = None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, str]:
        row: dict[str, str] = self._rows[index]
        return row | {f"known_{number}": text for number, text in enumerate(self._known[row["anchor"]])}


def without_known_positives(dataset: Any, **options: Any) -> Any:
    """A NoDuplicatesBatchSampler for rows with anchor and positive.

    Its own comparison keeps equal texts apart: two rows of one anchor never meet. It would let a positive of the one row stand in a
    third row of the batch, and so against its own anchor; here it is known by the anchor.
    """
    library = third_party("sentence_transformers.base.sampler", "sentence_transformers.sampler")
    sampler = library.NoDuplicatesBatchSampler(dataset, **options)
    sampler.dataset = _Texts(sampler.dataset)
    return sampler
