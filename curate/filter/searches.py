"""Gates on searches: whether a train question finds its passage, and whether another one fits it better."""

from __future__ import annotations

from curate.filter.exemptions import looked_at, weighed_together
from curate.filter.outcome import Gates, Outcome, Row, unknown
from schemas.reasons import Reason
from schemas.settings import FilterSettings

_FOUND_DENSE = 10
"""An embedding model ranks every chunk, so a rank means something only near the top: the ten results of a search."""


def _searched(row: Row, settings: FilterSettings) -> bool:
    # Never outside train: dev and test would keep only what these searches find already.
    return looked_at(row, True) and row["split"] == "train" and not weighed_together(row, settings)


def _unrelated(row: Row, settings: FilterSettings) -> Outcome | None:
    if not _searched(row, settings):
        return None
    overlap, rank, dense = row["word_overlap"], row["bm25_rank"], row["dense_rank"]
    if overlap is None:
        return unknown("word_overlap")
    found = (rank is not None and rank <= settings.max_rank) or (dense is not None and dense <= _FOUND_DENSE)
    detail = f"overlap 0, rank {'not found' if rank is None else rank} > {settings.max_rank}"
    return Outcome(overlap > 0 or found, overlap, settings.max_rank, detail)


def _not_found(row: Row, settings: FilterSettings) -> Outcome | None:
    most = settings.max_round_trip_rank
    if most is None or not _searched(row, settings):
        return None
    ranks = [rank for rank in (row["bm25_rank"], row["dense_rank"]) if rank is not None]
    best = min(ranks, default=None)
    return Outcome(best is not None and best <= most, best, most, f"rank {'not found' if best is None else best} > {most}")


def _other_fits_better(row: Row, settings: FilterSettings) -> Outcome | None:
    limits = {"bm25_margin": settings.min_bm25_margin, "dense_margin": settings.min_dense_margin}
    wanted = {check: least for check, least in limits.items() if least is not None}
    if not wanted or not _searched(row, settings):
        return None
    short = {check: least for check, least in wanted.items() if row[check] is not None and row[check] < least}
    scores = {check: row[check] for check in wanted}
    known = [check for check in wanted if row[check] is not None]
    # The dense model's first place outweighs BM25; a margin that nothing could be said of does not count.
    failed = bool(known) and len(short) == len(known) and not (list(short) == ["bm25_margin"] and row["dense_rank"] == 1)
    return Outcome(not failed, scores, wanted, ", ".join(f"{check} {row[check]} < {least}" for check, least in short.items()))


def _other_answers(row: Row, settings: FilterSettings) -> Outcome | None:
    least, margin = settings.min_bm25_answer_margin, row["bm25_answer_margin"]
    if least is None or margin is None or not _searched(row, settings):
        return None
    return Outcome(margin >= least or row["dense_rank"] == 1, margin, least, f"{margin} < {least}")


def _too_easy(row: Row, settings: FilterSettings) -> Outcome | None:
    most, margin = settings.max_margin, row["bm25_margin"]
    if most is None or margin is None or not _searched(row, settings):
        return None
    return Outcome(margin <= most, margin, most, f"{margin} > {most}")


SEARCHES: Gates = (
    (Reason.QUESTION_UNRELATED, _unrelated),
    (Reason.PASSAGE_NOT_FOUND, _not_found),
    (Reason.OTHER_PASSAGE_FITS_BETTER, _other_fits_better),
    (Reason.OTHER_PASSAGE_ANSWERS, _other_answers),
    (Reason.QUESTION_TOO_EASY, _too_easy),
)
