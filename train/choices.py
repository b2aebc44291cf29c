"""What a run takes when the settings leave it open: learning rate, warm-up, prompts, the length that training texts are cut to."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError
from schemas.training import TrainSettings

LEARNING_RATES = ((50_000_000, 3e-5), (200_000_000, 2e-5), (math.inf, 1e-5))
"""Up to so many parameters → peak learning rate, as E5's small, base and large models were fine-tuned (Wang et al. 2022, 2212.03533)."""

LORA_FACTOR = 10.0
"""Adapters start at zero and are few: they want about ten times the rate of full tuning (Schulman et al. 2025, "LoRA Without Regret")."""

HYBRID_FACTOR = 4.5
"""HybridDistillLoss says little in most steps: on squad and Cranfield several times the rate gained more, without harm (docs/benchmarks.md)."""

HYBRID_TRAININGS = 3
"""Averaged after HybridDistillLoss, short ones: better than one of as many steps on SQuAD and Cranfield, and steadier (docs/benchmarks.md)."""

HYBRID_BASE_SHARE = 0.25
"""Of the base model's weights after HybridDistillLoss: little lost where tuning gains, half of the loss where it harms (docs/benchmarks.md)."""

WARMUPS = ((200_000_000, 0.1), (math.inf, 0.2))
"""Up to so many parameters → share of the steps in which the learning rate rises: convention, not a measurement of ours."""

PERCENTILE = 0.99
_ROUND_TO = 8

_RETRIEVE = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
_REPRESENT = "Represent this sentence for searching relevant passages: "
FAMILIES = (
    (r"(^|[-_])e5[-_].*instruct", _RETRIEVE, ""),
    (r"(^|[-_])e5[-_]", "query: ", "passage: "),
    (r"bge-(small|base|large)-en", _REPRESENT, ""),
    (r"bge-(small|base|large)-zh", "为这个句子生成表示以用于检索相关文章：", ""),
    (r"qwen3-embedding", _RETRIEVE.removesuffix(" "), ""),
    (r"nomic-embed-text", "search_query: ", "search_document: "),
    (r"(snowflake-)?arctic-embed|mxbai-embed-large", _REPRESENT, ""),
)
"""Pattern of a model's name in small letters → prompts of its questions and passages, from the models' own cards."""


def parameters(model: Any) -> int:
    """How many weights a model has."""
    return sum(int(weights.numel()) for weights in model.parameters())


def learning_rate(settings: TrainSettings, size: int, *, hybrid: bool = False) -> float:
    """The peak learning rate of a model of `size` weights; `hybrid`: for HybridDistillLoss."""
    if settings.learning_rate is not None:
        return settings.learning_rate
    factor = (LORA_FACTOR if settings.lora_rank else 1.0) * (HYBRID_FACTOR if hybrid else 1.0)
    return float(f"{_of_size(LEARNING_RATES, size) * factor:.3g}")


def warmup_ratio(settings: TrainSettings, size: int) -> float:
    """Share of the steps that warm up."""
    return settings.warmup_ratio if settings.warmup_ratio is not None else _of_size(WARMUPS, size)


def base_share(settings: TrainSettings, *, hybrid: bool, fresh: bool) -> float:
    """Share of the base model's weights in the finished model; none of a `fresh` one, which knows nothing. Raises SettingsError for adapters."""
    if settings.lora_rank is not None and settings.base_share:
        raise SettingsError(
            "base_share does not go with lora_rank", next_step="leave one of them out; lower lora_alpha changes the model less"
        )
    if settings.base_share is not None:
        return settings.base_share
    return HYBRID_BASE_SHARE if hybrid and not fresh and settings.lora_rank is None else 0.0


def trainings(settings: TrainSettings, *, hybrid: bool, fresh: bool) -> int:
    """How many trainings are averaged; one of a `fresh` model, whose weights go their own way each time. Raises SettingsError for adapters."""
    if settings.lora_rank is not None and (settings.trainings or 1) > 1:
        raise SettingsError("trainings does not go with lora_rank", next_step="leave one of them out")
    if settings.trainings is not None:
        return settings.trainings
    return HYBRID_TRAININGS if hybrid and not fresh and settings.lora_rank is None else 1


def family_prompts(name: str) -> tuple[str, str] | None:
    """Prompts of questions and passages that a model of this name was made with, or None when its family is not known."""
    last = Path(name).name.lower()
    return next(((query, passage) for pattern, query, passage in FAMILIES if re.search(pattern, last)), None)


def with_family_prompts(model: Any, name: str) -> None:
    """Give a model without prompts of its own those of its family, so that it is trained and compared as it was made."""
    found = family_prompts(name)
    if found is not None and not _has_prompts(model):
        model.prompts = {**(getattr(model, "prompts", None) or {}), "query": found[0], "document": found[1]}


def set_prompts(model: Any, name: str, settings: TrainSettings) -> tuple[str, ...]:
    """Give the model the prompts of the settings, where they name any; says what it has, if anything."""
    wishes = {"query": settings.query_prompt, "document": settings.passage_prompt}
    chosen = {kind: wish for kind, wish in wishes.items() if wish is not None}
    if chosen:
        after = {**(getattr(model, "prompts", None) or {}), **chosen}
        if "document" in chosen:
            after.pop("passage", None)
        model.prompts = after
    if not _has_prompts(model):
        return ()
    query, document = model.prompts.get("query", ""), model.prompts.get("document") or model.prompts.get("passage") or ""
    whose = "from the settings" if chosen else "of its family" if (query, document) == family_prompts(name) else "its own"
    return (f"Prompts ({whose}): {query!r} before questions, {document!r} before passages.",)


def _has_prompts(model: Any) -> bool:
    known = getattr(model, "prompts", None) or {}
    return any(known.get(kind) for kind in ("query", "document", "passage"))


def training_length(lengths: Sequence[int], limit: int | None) -> int | None:
    """Tokens that training texts are cut to: the 99th percentile of their lengths, rounded up to a multiple of 8, at most the model's limit."""
    if not lengths:
        return limit
    ranked = sorted(lengths)
    found = math.ceil(ranked[math.ceil(PERCENTILE * len(ranked)) - 1] / _ROUND_TO) * _ROUND_TO
    return found if limit is None else min(found, limit)


def token_counts(model: Any, texts: Sequence[str]) -> dict[str, int]:
    """Text → its tokens, special ones included and nothing cut; of a model without a tokenizer a fifth of its letters."""
    unique = list(dict.fromkeys(texts))
    tokenizer = getattr(model, "tokenizer", None)
    if not callable(tokenizer):
        return {text: 2 + len(text) // 5 for text in unique}
    return dict(zip(unique, _counted(tokenizer, unique), strict=True))


def _counted(tokenizer: Callable[..., Any], texts: Sequence[str]) -> list[int]:
    counts: list[int] = []
    for start in range(0, len(texts), 1000):
        block = tokenizer(list(texts[start : start + 1000]), truncation=False, padding=False, verbose=False)["input_ids"]
        counts += [len(ids) for ids in block]
    return counts


def _of_size(table: Sequence[tuple[float, float]], size: int) -> float:
    return next(value for top, value in table if size <= top)
