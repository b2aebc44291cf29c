"""Ship the tuned model, don't, or say what is missing to know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.evaluation import VerdictSettings
from train.bootstrap import Interval
from train.evaluate import BASE, BM25, TUNED, Evaluation, Group
from train.metrics import PRIMARY


class Outcome(StrEnum):
    """The three verdicts."""

    SHIP = "SHIP"
    DO_NOT_SHIP = "DO NOT SHIP"
    NOT_PROVEN = "NOT PROVEN"


@dataclass(frozen=True)
class Evidence:
    """What the verdict rests on; None means: not measured."""

    gain: Interval | None
    """tuned − base in nDCG@10: on the real queries when there are any, else on the synthetic ones."""
    over_bm25: Interval | None
    """tuned − BM25, on the same queries."""
    real_queries: int
    forgetting: float | None = None
    """Spearman correlation lost on general similarity (base − tuned)."""
    similarity_rise: float | None = None
    """Rise of the mean cosine of random passage pairs, tuned − base."""
    rank_share: float | None = None
    """Effective rank of the passages' embeddings, tuned / base."""


@dataclass(frozen=True)
class Verdict:
    """The outcome, the line to print first, why, and what would settle it."""

    outcome: Outcome
    headline: str
    reasons: tuple[str, ...]
    missing: tuple[str, ...]


def evidence_of(evaluation: Evaluation, forgetting: float | None = None) -> Evidence:
    """Read the evidence off an evaluation of systems named BM25, base and tuned."""
    mixed = 0 < evaluation.real_queries < evaluation.queries
    group: Group = "real" if mixed else "all"
    similarity = {system.name: system.passage_similarity for system in evaluation.systems}
    base, tuned = similarity.get(BASE), similarity.get(TUNED)
    ranks = {system.name: system.effective_rank for system in evaluation.systems}
    before, after = ranks.get(BASE), ranks.get(TUNED)
    return Evidence(
        gain=evaluation.find(TUNED, BASE, PRIMARY, group),
        over_bm25=evaluation.find(TUNED, BM25, PRIMARY, group),
        real_queries=evaluation.real_queries,
        forgetting=forgetting,
        similarity_rise=None if base is None or tuned is None else tuned - base,
        rank_share=after / before if before and after is not None else None,
    )


def decide(evidence: Evidence, rules: VerdictSettings | None = None) -> Verdict:
    """The rules of DESIGN §8.

    DO NOT SHIP: the interval of the gain lies below 0, or forgetting or the rise of similarity is beyond its bound, whatever the
    queries. SHIP: on enough real queries of enough clusters the interval lies above 0 and the mean gain is at least `min_gain`, and
    forgetting and collapse were measured and are within bounds. All else is NOT PROVEN, with what is missing.
    """
    rules = rules or VerdictSettings()
    harm = _harm(evidence, rules)
    doubts = _doubts(evidence, rules)
    missing = _missing(evidence, rules)
    if harm:
        outcome, reasons = Outcome.DO_NOT_SHIP, harm + doubts
    elif doubts or missing:
        outcome, reasons = Outcome.NOT_PROVEN, doubts
    else:
        outcome, reasons = Outcome.SHIP, []
    if evidence.gain is not None:
        reasons = [_gain_sentence(evidence.gain, evidence.real_queries), *reasons]
    return Verdict(outcome, _headline(outcome, evidence), tuple(reasons), tuple(missing))


def _harm(evidence: Evidence, rules: VerdictSettings) -> list[str]:
    found = []
    if evidence.gain is not None and evidence.gain.high is not None and evidence.gain.high < 0:
        found.append("The tuned model is worse than the untuned one: the whole interval lies below 0.")
    if evidence.forgetting is not None and evidence.forgetting > rules.max_forgetting:
        found.append(f"It forgot {evidence.forgetting:.3f} Spearman on general similarity (at most {rules.max_forgetting:.3f}).")
    if evidence.similarity_rise is not None and evidence.similarity_rise > rules.max_similarity_rise:
        found.append(
            f"The embeddings collapse: random passages became {evidence.similarity_rise:.3f} more alike "
            f"(at most {rules.max_similarity_rise:.3f})."
        )
    if evidence.rank_share is not None and evidence.rank_share < rules.min_rank_share:
        found.append(
            f"The embeddings collapse: they use {evidence.rank_share:.0%} of the directions that the untuned model's use "
            f"(at least {rules.min_rank_share:.0%})."
        )
    return found


def _doubts(evidence: Evidence, rules: VerdictSettings) -> list[str]:
    gain = evidence.gain
    if gain is None:
        return []
    found = []
    if gain.high is None or gain.high >= 0:
        if gain.low is not None and gain.low <= 0:
            found.append("The interval of the gain includes 0.")
        if gain.mean < rules.min_gain:
            found.append(f"The mean gain is below {rules.min_gain:.3f}, the least that is worth shipping.")
    if gain.low is not None and gain.clusters < rules.min_clusters:
        found.append(f"The interval rests on {gain.clusters} document clusters only, too few to trust its width.")
    return found


def _missing(evidence: Evidence, rules: VerdictSettings) -> list[str]:
    found = []
    if evidence.gain is None:
        found.append("A comparison with the untuned model.")
    elif evidence.gain.low is None:
        found.append("Queries about more than one document cluster: one alone gives no interval.")
    if evidence.real_queries == 0:
        found.append(f"Real queries: about {rules.min_real_queries} that people asked; these were all made from the passages.")
    elif evidence.real_queries < rules.min_real_queries:
        found.append(f"More real queries: there are {evidence.real_queries}, about {rules.min_real_queries} are needed.")
    if evidence.forgetting is None:
        found.append("The forgetting check: general similarity before and after was not measured.")
    if evidence.similarity_rise is None:
        found.append("The collapse check: the spread of the embeddings before and after was not measured.")
    return found


def _headline(outcome: Outcome, evidence: Evidence) -> str:
    line = str(outcome)
    if evidence.over_bm25 is not None and evidence.over_bm25.mean < 0:
        line += f": BM25 beats the tuned model by {-evidence.over_bm25.mean:.3f} {_METRIC}{_span(evidence.over_bm25, -1)}"
    return line


def _gain_sentence(gain: Interval, real_queries: int) -> str:
    kind = "real" if real_queries else "synthetic"
    return f"Tuned minus untuned: {gain.mean:+.3f} {_METRIC}{_span(gain, 1)} on {gain.queries} {kind} queries in {gain.clusters} clusters."


def _span(interval: Interval, sign: int) -> str:
    if interval.low is None or interval.high is None:
        return ""
    low, high = sorted((sign * interval.low, sign * interval.high))
    return f" (95%: {low:+.3f} to {high:+.3f})"


_METRIC = "nDCG@10"
