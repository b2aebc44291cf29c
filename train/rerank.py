"""A cross-encoder on top of any ranking: reads the query beside each of its first passages and orders those anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from schemas.errors import TrainingError
from schemas.evaluation import EvaluateSettings
from train.eval_set import EvalSet
from train.models import load_cross_encoder, third_party
from train.search import Ranked, Run

RERANKED = " + reranker"
"""Ends the name of a system with the reranker on top."""

Pair = tuple[str, str]
"""Query id and corpus id."""

_BLOCK = 2048
_HEADLESS = ("Model", "ForMaskedLM", "ForPreTraining")
"""Ends of the names of architectures that give no score for a pair of texts."""


def load_reranker(name: str, settings: EvaluateSettings) -> Any:
    """A CrossEncoder that was trained as one. Raises TrainingError for an embedding model: its head would be random numbers."""
    model = load_cross_encoder(name, seed=settings.seed, device=settings.device)
    configured = getattr(getattr(getattr(model, "model", None), "config", None), "architectures", None) or []
    if any(str(architecture).endswith(_HEADLESS) for architecture in configured):
        raise TrainingError(
            f"not a reranker: {', '.join(configured)} gives no score for a query and a passage",
            where=name,
            next_step="give a cross-encoder, such as one of `cross-encoder/ms-marco-MiniLM-L6-v2`",
        )
    return model


def pairs_to_score(runs: Sequence[Run], depth: int) -> list[Pair]:
    """The first `depth` passages of every query in any of the runs, each once: what one looks at for another is not read again."""
    found = {(query, item): None for run in runs for query, ranked in run.items() for item, _ in ranked[:depth]}
    return list(found)


def score_pairs(
    model: Any, pairs: Sequence[Pair], eval_set: EvalSet, settings: EvaluateSettings, done: Callable[[int, int], None]
) -> dict[Pair, float]:
    """Pair → the reranker's score, higher is better; `done` is called with (pairs read, pairs in all)."""
    texts = {pair: (eval_set.queries[pair[0]], eval_set.corpus[pair[1]]) for pair in pairs}
    unique = sorted(set(texts.values()), key=lambda text: (len(text[0]) + len(text[1]), text))
    # Without the sigmoid, which makes ones of all good passages.
    plain = third_party("torch").nn.Identity()
    known: dict[tuple[str, str], float] = {}
    for start in range(0, len(unique), _BLOCK):
        block = unique[start : start + _BLOCK]
        scores = np.asarray(
            model.predict(block, batch_size=settings.rerank_batch_size, activation_fn=plain, show_progress_bar=False),
            dtype=np.float64,
        )
        if scores.ndim != 1 or not np.isfinite(scores).all():
            raise TrainingError("the reranker's scores are not one number a pair", next_step="give another --reranker")
        known |= zip(block, (float(score) for score in np.round(scores, 5)), strict=True)
        done(start + len(block), len(unique))
    return {pair: known[text] for pair, text in texts.items()}


def rerank(run: Run, scores: Mapping[Pair, float], depth: int) -> Run:
    """The first `depth` of each query by score, of equal scores in their old order; the others follow as they stood."""
    return {query: _reranked(query, ranked, scores, depth) for query, ranked in run.items()}


def _reranked(query: str, ranked: Ranked, scores: Mapping[Pair, float], depth: int) -> Ranked:
    read = sorted(((item, scores[query, item]) for item, _ in ranked[:depth]), key=lambda pair: -pair[1])
    lowest = read[-1][1] if read else 0.0
    return read + [(item, lowest - place) for place, (item, _) in enumerate(ranked[depth:], start=1)]
