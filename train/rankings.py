"""What a system finds for each query: a ranking given from outside, a model's, a hosted model's, or several fused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from schemas.errors import InputError
from schemas.evaluation import EvaluateSettings
from train.encoder import Encoder, model_encoder
from train.eval_set import EvalSet
from train.forgetting import effective_rank
from train.models import Embeddings, free_memory, load_model
from train.search import Run, search

CHUNKS_A_DOCUMENT = 10
"""A ranking of documents is made from one of chunks that is so many times as deep."""
_SAMPLE = 1000
"""Random pairs of passages, or passages, by which the spread of the embeddings is measured."""


@dataclass(frozen=True)
class Fused:
    """The fusion of two systems that stand before it, BM25 first (`EvaluateSettings.fusion`)."""

    of: tuple[str, ...]


System = Run | str | Path | Encoder | Fused
"""A ranking computed elsewhere, a model (name or folder) to embed and search with, anything that embeds, or a fusion."""


@dataclass(frozen=True)
class Ranking:
    """What a system finds, and, where it embeds, how alike it finds things."""

    run: Run
    passage_similarity: float | None = None
    """Mean cosine of 1,000 random pairs of different passages."""
    effective_rank: float | None = None
    """Of up to 1,000 passages: of how many directions the embeddings make use."""
    right: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Query id → passage that answers it (of documents: each of its chunks) → cosine; empty for systems that do not embed."""


@contextmanager
def encoder_of(system: str | Path | Encoder, settings: EvaluateSettings) -> Iterator[Encoder]:
    """What embeds for a system; a model is loaded for as long as it is needed. Raises as `load_model` does."""
    if not isinstance(system, str | Path):
        yield system
        return
    model = load_model(str(system), device=settings.device, max_seq_length=settings.max_seq_length)
    yield model_encoder(model, settings.encode_batch_size)
    del model
    free_memory()


def dense_ranking(encode: Encoder, eval_set: EvalSet, settings: EvaluateSettings, done: Callable[[int, int], None]) -> Ranking:
    """Embed corpus and queries and search exactly; `done` is called with (passages embedded, passages in all)."""
    ids = list(eval_set.corpus)
    texts = list(eval_set.corpus.values())
    total = len(set(texts))
    passages = encode(texts, "document", lambda count: done(count, total))
    queries = encode(list(eval_set.queries.values()), "query", lambda _: None)
    ranked = search(queries, passages, ids, run_depth(eval_set, settings.depth))
    return Ranking(
        run=dict(zip(eval_set.queries, ranked, strict=True)),
        passage_similarity=_passage_similarity(passages, settings.seed),
        effective_rank=effective_rank(passages[_sample(len(passages), settings.seed)]),
        right=_right_cosines(queries, passages, ids, eval_set),
    )


def dense_run(
    model: Any, eval_set: EvalSet, settings: EvaluateSettings, done: Callable[[int, int], None] = lambda *_: None
) -> tuple[Run, float]:
    """A model's ranking of the corpus for every query, and the mean cosine of random passage pairs."""
    found = dense_ranking(model_encoder(model, settings.encode_batch_size), eval_set, settings, done)
    return found.run, found.passage_similarity or 0.0


def run_depth(eval_set: EvalSet, depth: int) -> int:
    """Ranks to search to, so that a ranking of documents is `depth` deep too."""
    return depth * (1 if eval_set.documents is None else CHUNKS_A_DOCUMENT)


def checked_run(run: Run, eval_set: EvalSet, name: str) -> Run:
    """The run, or an InputError when it lacks queries, repeats ids, or has ids that the corpus does not have."""
    if missing := [query for query in eval_set.queries if query not in run]:
        raise InputError(f"the run has no ranking for {len(missing)} queries, for example {missing[0]!r}", where=name)
    for query in eval_set.queries:
        ids = [item for item, _ in run[query]]
        if len(set(ids)) != len(ids) or any(item not in eval_set.corpus for item in ids):
            raise InputError(f"the ranking of query {query!r} repeats ids or has ids that are not in the corpus", where=name)
    return run


def _right_cosines(
    queries: Embeddings, passages: Embeddings, ids: Sequence[str], eval_set: EvalSet
) -> dict[str, dict[str, float]]:
    places: dict[str, list[int]] = {}
    for index, item in enumerate(ids):
        places.setdefault(item if eval_set.documents is None else eval_set.documents.get(item, item), []).append(index)
    found = {}
    for query, vector in zip(eval_set.queries, queries, strict=True):
        chosen = [index for item in eval_set.qrels[query] for index in places.get(item, ())]
        cosines = passages[chosen].astype(np.float64) @ vector.astype(np.float64)
        found[query] = {ids[index]: float(cosine) for index, cosine in zip(chosen, cosines, strict=True)}
    return found


def _passage_similarity(passages: Embeddings, seed: int) -> float:
    if len(passages) < 2:
        return 0.0
    generator = np.random.default_rng(seed)
    left = generator.integers(0, len(passages), _SAMPLE)
    right = (left + generator.integers(1, len(passages), _SAMPLE)) % len(passages)
    return float(np.mean(np.sum(passages[left] * passages[right], axis=1, dtype=np.float64)))


def _sample(size: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.sort(np.random.default_rng(seed).permutation(size)[:_SAMPLE])
