"""Retrieval metrics of one ranking against its judgements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

CUTS = (1, 3, 5, 10, 100)
"""Ranks at which recall and hit rate are told."""

METRICS = (
    "ndcg@10",
    "mrr@10",
    "map@100",
    *(f"hit@{cut}" for cut in CUTS),
    *(f"recall@{cut}" for cut in CUTS),
)
"""All that is measured; the first one decides (DESIGN: primary metric)."""

CHIEF = ("ndcg@10", "mrr@10", "map@100", "hit@1", "hit@5", "hit@10", "recall@100")
"""Those that a table of one screen's width shows."""

PRIMARY = METRICS[0]


def query_metrics(ranked: Sequence[str], relevant: Mapping[str, int]) -> dict[str, float]:
    """All `METRICS` of one query, each between 0 and 1.

    `ranked` holds distinct ids, best first; `relevant` maps ids to grades, of which only those above 0 count (an empty one is
    a caller's error). nDCG has linear gains and log2 discounts as in trec_eval; hit@k: any relevant id among the first k; recall@k:
    share of the relevant ids among the first k. MAP divides by min(relevant, 100) as the InformationRetrievalEvaluator of
    sentence-transformers does, with which all agree on 0/1 grades; trec_eval's map_cut, which divides by all, differs beyond 100.
    """
    grades = {item: grade for item, grade in relevant.items() if grade > 0}
    if not grades:
        raise ValueError("a query without a relevant id has no metrics")
    hits = [rank for rank, item in enumerate(ranked[:100], start=1) if item in grades]
    first = hits[0] if hits else math.inf
    found = {cut: sum(rank <= cut for rank in hits) for cut in CUTS}
    return {
        "ndcg@10": _dcg([grades.get(item, 0) for item in ranked[:10]]) / _dcg(sorted(grades.values(), reverse=True)[:10]),
        "mrr@10": 1 / first if first <= 10 else 0.0,
        "map@100": sum(place / rank for place, rank in enumerate(hits, start=1)) / min(len(grades), 100),
        **{f"hit@{cut}": float(found[cut] > 0) for cut in CUTS},
        **{f"recall@{cut}": found[cut] / len(grades) for cut in CUTS},
    }


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
