"""Systems side by side on one evaluation set: metrics, per-style means and paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from schemas.errors import InputError
from schemas.evaluation import EvaluateSettings
from train.bootstrap import Interval, paired_bootstrap
from train.changes import Changes, Similarity, changes, similarity
from train.eval_set import EvalSet
from train.forgetting import Forgetting
from train.fusion import combine, fuse
from train.metrics import METRICS, query_metrics
from train.model_folder import read_record
from train.models import free_memory
from train.rankings import Fused, Ranking, System, checked_run, dense_ranking, encoder_of, run_depth
from train.rerank import RERANKED, load_reranker, pairs_to_score, rerank, score_pairs
from train.search import Ranked, by_document

BM25, BASE, TUNED, HYBRID = "BM25", "base", "tuned", "hybrid"
"""Names by which `evaluate` and the verdict know the systems; others may stand beside them."""

Pairs = Sequence[tuple[str, str]]

COMPARISONS: Pairs = ((TUNED, BASE), (TUNED, BM25), (HYBRID, BM25), (HYBRID, TUNED))

Group = Literal["all", "real"]

Progress = Callable[[str, int, int | None], None]
"""Called with (step, done, total or None)."""

Scores = dict[str, dict[str, float]]
"""Query id → metric → value."""


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
    effective_rank: float | None = None
    """Of how many directions the embeddings of up to 1,000 passages make use; None as above."""
    similarity: Similarity | None = None
    """Mean cosines of queries with right and wrong passages; None as above."""


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
    changed: Changes | None = None
    forgetting: Forgetting | None = None
    """On texts of elsewhere that people rated, where such were given."""
    """Single queries, tuned against base; None where one of them is not there."""

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
    pairs: Pairs = COMPARISONS,
) -> Evaluation:
    """Rank with every system and compare those of `pairs` that are there, the first of each minus the second.

    With a reranker in the settings each system stands in a second row with it on top, compared with the one without. Models are
    loaded one at a time and dropped again; rankings are held to the end (about 10 kB a query and system). Raises InputError when the
    set has no queries or a run misses some, TrainingError when a model cannot be loaded.
    """
    settings = settings or EvaluateSettings()
    if not eval_set.queries:
        raise InputError(
            f"the {eval_set.name} set has no queries", next_step="build from more documents, or give --queries and --qrels"
        )
    for name, system in systems.items():
        _refuse_its_own_questions(name, system, eval_set)
    strange = [note for name, system in systems.items() if (note := _of_other_data(name, system, eval_set))]
    rankings: dict[str, Ranking] = {}
    for name, system in systems.items():
        progress(f"evaluate {name}", 0, None)
        rankings[name] = _rank(name, system, rankings, eval_set, (settings, progress))
    if settings.reranker is not None:
        rankings = _with_reranker(rankings, eval_set, settings, progress)
        pairs = [*pairs, *((name + RERANKED, name) for name in systems), (TUNED + RERANKED, BASE + RERANKED)]
    progress("compare", 0, None)
    return _summary(rankings, replace(eval_set, notes=(*eval_set.notes, *strange)), settings, pairs)


def score_run(run: Mapping[str, Ranked], eval_set: EvalSet) -> Scores:
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


def _rank(
    name: str,
    system: System,
    known: Mapping[str, Ranking],
    eval_set: EvalSet,
    how: tuple[EvaluateSettings, Progress],
) -> Ranking:
    settings, progress = how
    if isinstance(system, dict):
        return Ranking(checked_run(system, eval_set, name))
    if isinstance(system, Fused):
        runs = [known[other].run for other in system.of]
        depth = run_depth(eval_set, settings.depth)
        if settings.fusion == "ranks":
            return Ranking(fuse(runs, depth, settings.fusion_k))
        return Ranking(combine(runs, depth, (1 - settings.fusion_weight, settings.fusion_weight)))
    done = partial(progress, f"evaluate {name}")
    with encoder_of(system, settings) as encode:
        return dense_ranking(encode, eval_set, settings, done)


def _with_reranker(
    rankings: Mapping[str, Ranking], eval_set: EvalSet, settings: EvaluateSettings, progress: Progress
) -> dict[str, Ranking]:
    """Each ranking, followed by itself with the reranker on top."""
    progress("rerank", 0, None)
    model = load_reranker(str(settings.reranker), settings)
    wanted = pairs_to_score([ranking.run for ranking in rankings.values()], settings.rerank_depth)
    scores = score_pairs(model, wanted, eval_set, settings, partial(progress, "rerank"))
    del model
    free_memory()
    both: dict[str, Ranking] = {}
    for name, ranking in rankings.items():
        both[name] = ranking
        both[name + RERANKED] = Ranking(rerank(ranking.run, scores, settings.rerank_depth))
    return both


def _summary(rankings: Mapping[str, Ranking], eval_set: EvalSet, settings: EvaluateSettings, pairs: Pairs) -> Evaluation:
    of_style: dict[str, list[str]] = {}
    for query in eval_set.queries:
        of_style.setdefault(eval_set.styles.get(query, ""), []).append(query)
    scores = {name: score_run(ranking.run, eval_set) for name, ranking in rankings.items()}
    changed: Changes | None = None
    if BASE in rankings and TUNED in rankings:
        before, after = ((rankings[name], scores[name]) for name in (BASE, TUNED))
        changed = changes(before, after, eval_set, settings.examples)
    there = [pair for pair in pairs if pair[0] in scores and pair[1] in scores]
    reasons = sorted(item.reason for item in eval_set.unmapped)
    return Evaluation(
        eval_set=eval_set.name,
        passages=len(eval_set.corpus),
        queries=len(eval_set.queries),
        real_queries=len(eval_set.real),
        clusters=len(set(eval_set.clusters.values())),
        styles={style: len(of_style[style]) for style in sorted(of_style)},
        systems=tuple(_line(name, ranking, scores[name], eval_set, of_style) for name, ranking in rankings.items()),
        comparisons=tuple(item for pair in there for item in _compare(pair, scores, eval_set, settings)),
        unmapped={reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
        notes=eval_set.notes,
        changed=changed,
    )


def _line(name: str, ranking: Ranking, scores: Scores, eval_set: EvalSet, of_style: Mapping[str, Sequence[str]]) -> SystemScores:
    return SystemScores(
        name,
        means(scores, scores),
        {style: means(scores, of_style[style]) for style in sorted(of_style)},
        ranking.passage_similarity,
        ranking.effective_rank,
        similarity(ranking, eval_set),
    )


def _compare(
    pair: tuple[str, str], per_query: Mapping[str, Scores], eval_set: EvalSet, settings: EvaluateSettings
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


def _refuse_its_own_questions(name: str, system: System, eval_set: EvalSet) -> None:
    """A model trained on all splits has seen the dataset's own questions; those that people asked it has not."""
    record = read_record(Path(system)) if isinstance(system, str | Path) else None
    if record is None or record.get("dataset_manifest_sha256") != eval_set.manifest_sha256:
        return
    if record.get("settings", {}).get("splits") == "all" and len(eval_set.real) < len(eval_set.queries):
        raise InputError(
            f"{name} was trained on all splits of this dataset: its own questions cannot judge it",
            where=str(system),
            next_step="judge it by questions that people asked (--queries), or the model it was refitted from",
        )


def _of_other_data(name: str, system: System, eval_set: EvalSet) -> str | None:
    record = read_record(Path(system)) if isinstance(system, str | Path) else None
    if record is None or not eval_set.manifest_sha256 or record.get("dataset_manifest_sha256") == eval_set.manifest_sha256:
        return None
    return f"{name} was trained on another build of the data: these queries may be among its training questions."
