"""Systems side by side on one evaluation set: metrics, per-style means and paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from schemas.errors import InputError
from schemas.training import EvaluateSettings
from train.bootstrap import Interval, paired_bootstrap
from train.eval_set import EvalSet
from train.metrics import METRICS, query_metrics
from train.model_folder import read_record
from train.models import Embeddings, embed, free_memory, load_model
from train.search import Ranked, Run, by_document, search

BM25, BASE, TUNED = "BM25", "base", "tuned"
"""Names by which `evaluate` and the verdict know the systems; others may stand beside them."""

COMPARISONS = ((TUNED, BASE), (TUNED, BM25))

Group = Literal["all", "real"]

System = Run | str | Path
"""A ranking computed elsewhere, or a model (name or folder) to embed and search with."""

Progress = Callable[[str, int, int | None], None]
"""Called with (step, done, total or None)."""


def quiet(step: str, done: int, total: int | None) -> None:
    """A Progress that shows nothing."""


@dataclass(frozen=True)
class SystemScores:
    """One line of the table."""

    name: str
    metrics: dict[str, float]
    """`METRICS` → mean over all queries."""
    by_style: dict[str, dict[str, float]]
    """Style → `METRICS` → mean over the queries of that style."""
    passage_similarity: float | None
    """Mean cosine of 1,000 random pairs of different passages (near 1: collapsed); None for a ranking given from outside."""


@dataclass(frozen=True)
class Comparison:
    """One system minus another on one metric."""

    system: str
    against: str
    metric: str
    queries: Group
    """All queries, or those that people brought (only where both kinds are there)."""
    difference: Interval


@dataclass(frozen=True)
class Evaluation:
    """Everything `curate evaluate` prints."""

    eval_set: str
    passages: int
    queries: int
    real_queries: int
    clusters: int
    styles: dict[str, int]
    """Style → number of queries."""
    systems: tuple[SystemScores, ...]
    comparisons: tuple[Comparison, ...]
    unmapped: dict[str, int]
    """Reason → queries that could not be judged and are not in any number here."""
    notes: tuple[str, ...]

    def find(self, system: str, against: str, metric: str, queries: Group = "all") -> Interval | None:
        """The interval of one comparison, or None when it was not made."""
        for item in self.comparisons:
            if (item.system, item.against, item.metric, item.queries) == (system, against, metric, queries):
                return item.difference
        return None


def evaluate(
    systems: Mapping[str, System],
    eval_set: EvalSet,
    settings: EvaluateSettings | None = None,
    progress: Progress = quiet,
) -> Evaluation:
    """Rank with every system and compare them: tuned − base and tuned − BM25 where those names are present.

    Models are loaded one at a time and dropped again. Raises InputError when the set has no queries or a run misses some,
    TrainingError when a model cannot be loaded.
    """
    settings = settings or EvaluateSettings()
    if not eval_set.queries:
        raise InputError(
            f"the {eval_set.name} set has no queries", next_step="build from more documents, or give --queries and --qrels"
        )
    per_query: dict[str, dict[str, dict[str, float]]] = {}
    similarity: dict[str, float | None] = {}
    for name, system in systems.items():
        progress(f"evaluate {name}", 0, None)
        if isinstance(system, dict):
            run, similarity[name] = _checked_run(system, eval_set, name), None
        else:
            model = load_model(str(system), device=settings.device, max_seq_length=settings.max_seq_length)
            run, similarity[name] = dense_run(model, eval_set, settings, partial(progress, f"evaluate {name}"))
            del model
            free_memory()
        per_query[name] = score_run(run, eval_set)
    progress("compare", 0, None)
    strange = [note for name, system in systems.items() if (note := _of_other_data(name, system, eval_set))]
    return _summary(per_query, similarity, replace(eval_set, notes=(*eval_set.notes, *strange)), settings)


def dense_run(
    model: Any, eval_set: EvalSet, settings: EvaluateSettings, done: Callable[[int, int], None] = lambda *_: None
) -> tuple[Run, float]:
    """A model's ranking of the corpus for every query, and the mean cosine of random passage pairs.

    `done` is called with (passages embedded, passages in all).
    """
    ids = list(eval_set.corpus)
    texts = list(eval_set.corpus.values())
    total = len(set(texts))
    passages = embed(model, texts, "document", settings.encode_batch_size, lambda count: done(count, total))
    queries = embed(model, list(eval_set.queries.values()), "query", settings.encode_batch_size)
    # Ten chunks a document, so that a ranking of documents is deep enough too.
    depth = settings.depth * (1 if eval_set.documents is None else 10)
    ranked = search(queries, passages, ids, depth)
    return dict(zip(eval_set.queries, ranked, strict=True)), _passage_similarity(passages, settings.seed)


def score_run(run: Mapping[str, Ranked], eval_set: EvalSet) -> dict[str, dict[str, float]]:
    """Query id → metrics."""
    scores = {}
    for query, relevant in eval_set.qrels.items():
        ranked = run[query] if eval_set.documents is None else by_document(run[query], eval_set.documents)
        scores[query] = query_metrics([item for item, _ in ranked], relevant)
    return scores


def means(scores: Mapping[str, Mapping[str, float]], queries: Iterable[str]) -> dict[str, float]:
    """Mean of every metric over some queries (at least one)."""
    chosen = sorted(queries)
    return {metric: float(sum(scores[query][metric] for query in chosen) / len(chosen)) for metric in METRICS}


def _summary(
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]],
    similarity: Mapping[str, float | None],
    eval_set: EvalSet,
    settings: EvaluateSettings,
) -> Evaluation:
    of_style: dict[str, list[str]] = {}
    for query in eval_set.queries:
        of_style.setdefault(eval_set.styles.get(query, ""), []).append(query)
    systems = tuple(
        SystemScores(
            name,
            means(scores, scores),
            {style: means(scores, of_style[style]) for style in sorted(of_style)},
            similarity[name],
        )
        for name, scores in per_query.items()
    )
    comparisons = [
        item
        for system, against in COMPARISONS
        if system in per_query and against in per_query
        for item in _compare((system, against), per_query, eval_set, settings)
    ]
    reasons = sorted(item.reason for item in eval_set.unmapped)
    return Evaluation(
        eval_set=eval_set.name,
        passages=len(eval_set.corpus),
        queries=len(eval_set.queries),
        real_queries=len(eval_set.real),
        clusters=len(set(eval_set.clusters.values())),
        styles={style: len(of_style[style]) for style in sorted(of_style)},
        systems=systems,
        comparisons=tuple(comparisons),
        unmapped={reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
        notes=eval_set.notes,
    )


def _compare(
    pair: tuple[str, str],
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]],
    eval_set: EvalSet,
    settings: EvaluateSettings,
) -> list[Comparison]:
    left, right = per_query[pair[0]], per_query[pair[1]]
    groups: list[tuple[Group, list[str]]] = [("all", sorted(left))]
    if 0 < len(eval_set.real) < len(left):
        groups.append(("real", sorted(eval_set.real)))
    found = []
    for group, queries in groups:
        differences = np.array([[left[query][metric] - right[query][metric] for metric in METRICS] for query in queries])
        clusters = [eval_set.clusters[query] for query in queries]
        intervals = paired_bootstrap(differences, clusters, draws=settings.draws, seed=settings.seed)
        found += [Comparison(*pair, metric, group, interval) for metric, interval in zip(METRICS, intervals, strict=True)]
    return found


def _of_other_data(name: str, system: System, eval_set: EvalSet) -> str | None:
    record = None if isinstance(system, dict) else read_record(Path(system))
    if record is None or not eval_set.manifest_sha256 or record.get("dataset_manifest_sha256") == eval_set.manifest_sha256:
        return None
    return f"{name} was trained on another build of the data: these queries may be among its training questions."


def _checked_run(run: Run, eval_set: EvalSet, name: str) -> Run:
    if missing := [query for query in eval_set.queries if query not in run]:
        raise InputError(f"the run has no ranking for {len(missing)} queries, for example {missing[0]!r}", where=name)
    for query in eval_set.queries:
        ids = [item for item, _ in run[query]]
        if len(set(ids)) != len(ids) or any(item not in eval_set.corpus for item in ids):
            raise InputError(f"the ranking of query {query!r} repeats ids or has ids that are not in the corpus", where=name)
    return run


def _passage_similarity(passages: Embeddings, seed: int, pairs: int = 1000) -> float:
    if len(passages) < 2:
        return 0.0
    generator = np.random.default_rng(seed)
    left = generator.integers(0, len(passages), pairs)
    right = (left + generator.integers(1, len(passages), pairs)) % len(passages)
    return float(np.mean(np.sum(passages[left] * passages[right], axis=1, dtype=np.float64)))
