"""What tuning did to single queries: the worst regressions and the best gains with their texts, right and wrong passages' cosines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from train.eval_set import EvalSet
from train.metrics import PRIMARY
from train.rankings import Ranking

Scores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Passage:
    """One passage in the eyes of two models; None where a model does not list it (rank) or did not measure it (cosine)."""

    passage_id: str
    text: str
    rank_before: int | None
    rank_after: int | None
    cosine_before: float | None
    cosine_after: float | None


@dataclass(frozen=True)
class Change:
    """A query that the tuned model answers worse, or better, than the untuned one."""

    query_id: str
    query: str
    style: str
    before: float
    """Primary metric of the untuned model."""
    after: float
    right: Passage
    """The passage that answers it which either model ranks highest."""
    first: Passage | None
    """What the tuned model ranks first, where that does not answer it."""


@dataclass(frozen=True)
class Similarity:
    """How alike a model finds queries and passages, as mean cosines over the queries."""

    right: float
    """Query and the passages that answer it."""
    wrong: float | None
    """Query and the best-ranked passage that does not answer it; None where every ranking holds right passages alone."""


@dataclass(frozen=True)
class Changes:
    """How many queries the tuned model answers worse and better than the untuned one, and the largest changes of both kinds."""

    worse: int
    better: int
    regressions: tuple[Change, ...]
    gains: tuple[Change, ...]


def changes(before: tuple[Ranking, Scores], after: tuple[Ranking, Scores], eval_set: EvalSet, most: int) -> Changes:
    """By the primary metric, at most `most` texts of each kind, largest change first; ties by query id."""
    moved = {query: after[1][query][PRIMARY] - before[1][query][PRIMARY] for query in eval_set.queries}
    worse = sorted((query for query, value in moved.items() if value < 0), key=lambda query: (moved[query], query))
    better = sorted((query for query, value in moved.items() if value > 0), key=lambda query: (-moved[query], query))
    worst, best = (tuple(_change(query, before, after, eval_set) for query in some[:most]) for some in (worse, better))
    return Changes(len(worse), len(better), worst, best)


def similarity(ranking: Ranking, eval_set: EvalSet) -> Similarity | None:
    """None for a ranking of a system that does not embed."""
    right = [sum(found.values()) / len(found) for found in ranking.right.values() if found]
    if not right:
        return None
    firsts = [_first_wrong(ranking, query, eval_set) for query in eval_set.queries]
    wrong = [score for _, score in filter(None, firsts)]
    return Similarity(sum(right) / len(right), sum(wrong) / len(wrong) if wrong else None)


def _change(query: str, before: tuple[Ranking, Scores], after: tuple[Ranking, Scores], eval_set: EvalSet) -> Change:
    sides = (before[0], after[0])
    ranks = [{item: rank for rank, (item, _) in enumerate(side.run[query], start=1)} for side in sides]

    def passage(item: str) -> Passage:
        cosines = [_cosine(side, query, item) for side in sides]
        return Passage(item, eval_set.corpus[item], ranks[0].get(item), ranks[1].get(item), cosines[0], cosines[1])

    def highest(item: str) -> tuple[float, str]:
        return min(place.get(item, math.inf) for place in ranks), item

    right = min((item for item in eval_set.corpus if answers(eval_set, query, item)), key=highest)
    top = next(iter(ranks[1]), None)
    return Change(
        query_id=query,
        query=eval_set.queries[query],
        style=eval_set.styles.get(query, ""),
        before=before[1][query][PRIMARY],
        after=after[1][query][PRIMARY],
        right=passage(right),
        first=None if top is None or answers(eval_set, query, top) else passage(top),
    )


def _cosine(ranking: Ranking, query: str, item: str) -> float | None:
    """Of a passage that answers or that was found; a system that does not embed has none."""
    if not ranking.right:
        return None
    return ranking.right[query].get(item, dict(ranking.run[query]).get(item))


def answers(eval_set: EvalSet, query: str, item: str) -> bool:
    """Whether a passage answers a query by the judgements, of it or of its document."""
    judged = item if eval_set.documents is None else eval_set.documents.get(item, item)
    return eval_set.qrels[query].get(judged, 0) > 0


def _first_wrong(ranking: Ranking, query: str, eval_set: EvalSet) -> tuple[str, float] | None:
    return next((pair for pair in ranking.run[query] if not answers(eval_set, query, pair[0])), None)
