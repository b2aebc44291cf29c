"""What each gate, and all of them together, catch of the planted faults and kill of the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from curate.calibrate.rates import Flags, Rate, Resampling
from curate.calibrate.sample import Sample
from curate.filter.gates import GATES
from schemas.reasons import Reason

SEARCH_GATES = frozenset(
    (
        Reason.PASSAGE_NOT_FOUND,
        Reason.OTHER_PASSAGE_FITS_BETTER,
        Reason.OTHER_PASSAGE_ANSWERS,
        Reason.QUESTION_TOO_EASY,
        Reason.QUESTION_UNRELATED,
    )
)
"""Gates on searches: they decide on train questions alone, and are measured on those."""
TOGETHER = (Reason.QUESTION_NEAR_DUPLICATE, Reason.ANCHOR_AMBIGUOUS, Reason.ANCHOR_IN_OTHER_SPLIT)
PAIRS_SHOWN = 10


@dataclass(frozen=True)
class Measured:
    """Rates of one gate or of several together. `kills`: of all originals; some of those are really bad, so it is an upper bound."""

    caught: dict[str, Rate]
    mean: float | None
    """Mean of the catch rates over the kinds."""
    kills: Rate
    sound_kills: Rate
    """Of the originals that pass the rules of form, language and evidence."""
    false_kills: Rate
    """Of the rows that people called good."""
    bad_caught: Rate
    """Of the rows that people rejected."""

    def values(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "caught": {kind: rate.values() for kind, rate in self.caught.items()},
            "mean_caught": self.mean,
            "kills_of_unplanted": self.kills.values(),
            "kills_of_sound": self.sound_kills.values(),
            "false_kills_of_labelled_good": self.false_kills.values(),
            "caught_of_labelled_bad": self.bad_caught.values(),
        }


def measured(hits: Flags, sample: Sample, resampling: Resampling, among: Flags | None = None) -> Measured:
    """The rates of a verdict (`hits`: not kept) on a sample, or on those rows `among` it."""
    rows = np.ones(len(sample.rows), dtype=np.bool_) if among is None else among
    caught = {kind: resampling.rate(hits, flags & rows) for kind, flags in sample.kinds.items()}
    rates = [rate.rate for rate in caught.values() if rate.rate is not None]
    return Measured(
        caught=caught,
        mean=round(sum(rates) / len(rates), 4) if rates else None,
        kills=resampling.rate(hits, sample.originals & rows),
        sound_kills=resampling.rate(hits, sample.sound & rows),
        false_kills=resampling.rate(hits, sample.good & rows),
        bad_caught=resampling.rate(hits, sample.bad & rows),
    )


def together(hits: Flags, sample: Sample, resampling: Resampling) -> dict[str, Measured]:
    """The combined decision on all rows, on those of train, and on those of dev and test, where no search decides."""
    searched = sample.searched
    return {
        "all": measured(hits, sample, resampling),
        "train": measured(hits, sample, resampling, searched),
        "dev_and_test": measured(hits, sample, resampling, ~searched),
    }


def gate_rates(failed: Sequence[frozenset[Reason]], sample: Sample, resampling: Resampling) -> dict[Reason, Measured]:
    """The rates of every gate that stopped at least one row, in the order of the gates."""
    searched = sample.searched
    rates: dict[Reason, Measured] = {}
    for reason in (*GATES, *TOGETHER):
        hits = stopped_by(failed, (reason,))
        if hits.any():
            rates[reason] = measured(hits, sample, resampling, searched if reason in SEARCH_GATES else None)
    return rates


def stopped_by(failed: Sequence[frozenset[Reason]], reasons: Collection[Reason]) -> Flags:
    """Which rows one of these gates stops."""
    wanted = frozenset(reasons)
    return np.array([bool(found & wanted) for found in failed], dtype=np.bool_)


def stopped(failed: Sequence[frozenset[Reason]]) -> Flags:
    """Which rows any gate stops."""
    return np.array([bool(found) for found in failed], dtype=np.bool_)


def overlaps(failed: Sequence[frozenset[Reason]], sample: Sample) -> list[dict[str, Any]]:
    """Pairs of gates by the share of their catches in common (both over either), the most alike first."""
    planted = np.zeros(len(sample.rows), dtype=np.bool_)
    for flags in sample.kinds.values():
        planted |= flags
    hits = {reason: stopped_by(failed, (reason,)) & planted for reason in (*GATES, *TOGETHER)}
    found = {reason: flags for reason, flags in hits.items() if flags.any()}
    pairs = []
    for a, b in combinations(found, 2):
        both, either = int((found[a] & found[b]).sum()), int((found[a] | found[b]).sum())
        if both:
            pairs.append({"gates": [str(a), str(b)], "both": both, "either": either, "share": round(both / either, 4)})
    return sorted(pairs, key=lambda pair: (-float(pair["share"]), pair["gates"]))


def planted_rows(sample: Sample, failed: Mapping[str, Sequence[frozenset[Reason]]]) -> list[dict[str, Any]]:
    """The planted rows for people to read: what was said, and which gates stop it under each of the named settings."""
    order = {str(reason): number for number, reason in enumerate((*GATES, *TOGETHER))}
    shown = (
        "kind",
        "question",
        "answer",
        "evidence",
        "chunk_id",
        "document_id",
        "cluster_id",
        "split",
        "style",
        "origin",
        "text",
    )
    originals = {row["question_id"]: row for row in sample.rows if "kind" not in row}
    rows = []
    for number, row in enumerate(sample.rows):
        if "kind" not in row:
            continue
        reasons = {name: sorted((str(r) for r in found[number]), key=lambda r: order[r]) for name, found in failed.items()}
        rows.append(
            {
                "planted_id": row["question_id"],
                "original_id": row["original_id"],
                **{name: row[name] for name in shown},
                "original_question": originals[row["original_id"]]["question"],
                "original_answer": originals[row["original_id"]]["answer"],
                **{f"reasons_{name}": found for name, found in reasons.items()},
                **{f"caught_{name}": bool(found) for name, found in reasons.items()},
            }
        )
    return sorted(rows, key=lambda row: (row["kind"], row["planted_id"]))
