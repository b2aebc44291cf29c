"""Retrieval metrics of one ranking against its judgements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

METRICS = ("ndcg@10", "mrr@10", "hit@1", "hit@5", "hit@10", "map@100")
"""In the order in which tables show them; the first one decides (DESIGN: primary metric)."""

PRIMARY = METRICS[0]


def query_metrics(ranked: Sequence[str], relevant: Mapping[str, int]) -> dict[str, float]:
    """All `METRICS` of one query, each between 0 and 1.

    `ranked` holds distinct ids, best first; `relevant` maps ids to grades, of which only those above 0 count (an empty one is
    a caller's error). nDCG has linear gains and log2 discounts as in trec_eval, MAP divides by min(relevant, 100); on 0/1 grades
    all agree with the InformationRetrievalEvaluator of sentence-transformers.
    """
    grades = {item: grade for item, grade in relevant.items() if grade > 0}
    if not grades:
        raise ValueError("a query without a relevant id has no metrics")
    hits = [rank for rank, item in enumerate(ranked[:100], start=1) if item in grades]
    first = hits[0] if hits else math.inf
    return {
        "ndcg@10": _dcg([grades.get(item, 0) for item in ranked[:10]]) / _dcg(sorted(grades.values(), reverse=True)[:10]),
        "mrr@10": 1 / first if first <= 10 else 0.0,
        "hit@1": float(first <= 1),
        "hit@5": float(first <= 5),
        "hit@10": float(first <= 10),
        "map@100": sum(found / rank for found, rank in enumerate(hits, start=1)) / min(len(grades), 100),
    }


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
