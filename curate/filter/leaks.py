"""Gates against leaks: a question is asked where its chunk is used, in one split."""

from __future__ import annotations

from curate.filter.outcome import Gates, Outcome, Row
from schemas.reasons import Reason
from schemas.settings import FilterSettings
from schemas.tables import SPLITS


def _chunk_missing(row: Row, _: FilterSettings) -> Outcome | None:
    return Outcome(row["split"] is not None, detail="its chunk is not among the chunks")


def _in_gap(row: Row, _: FilterSettings) -> Outcome | None:
    return Outcome(row["split"] in SPLITS, row["split"], detail="its chunk lies in the gap")


def _copy_elsewhere(row: Row, _: FilterSettings) -> Outcome | None:
    home = row["home_split"]
    return Outcome(home in (None, row["split"]), home, row["split"], f"near-copies of its chunk are used in {home}")


LEAKS: Gates = (
    (Reason.CHUNK_REJECTED, _chunk_missing),
    (Reason.CHUNK_IN_SPLIT_GAP, _in_gap),
    (Reason.CHUNK_COPY_IN_OTHER_SPLIT, _copy_elsewhere),
)
