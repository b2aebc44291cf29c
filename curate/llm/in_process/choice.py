"""Which token comes next: one that the JSON schema allows, drawn by the row's own seed."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schemas.errors import ProviderError


@dataclass(frozen=True)
class Manner:
    """How tokens are drawn. `top_k` 0 and `top_p` 1 leave all of them in."""

    temperature: float
    top_k: int = 0
    top_p: float = 1.0


class Choice:
    """A logits processor of `generate` that leaves one token a row, so that neighbours in a batch do not touch its chance.

    With temperature 0 the likeliest token is left to `generate`. `matchers` hold a row to a grammar; None: free.
    """

    def __init__(self, manner: Manner, seeds: Sequence[int], matchers: Sequence[Any | None]) -> None:
        import torch
        from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

        self._torch: Any = torch
        self._temperature = manner.temperature
        self._warpers: list[Any] = [TopKLogitsWarper(manner.top_k)] if manner.top_k else []
        self._warpers += [TopPLogitsWarper(manner.top_p)] if manner.top_p < 1 else []
        self._chances = [random.Random(seed) for seed in seeds]  # noqa: S311 (no secret)
        self._matchers = list(matchers)
        self._begun = False

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores [rows, vocabulary] with all but the chosen (temperature 0: the allowed) tokens at minus infinity."""
        torch = self._torch
        scores = scores.float()
        self._hold(input_ids, scores)
        if self._temperature == 0:
            return scores
        scores = scores / self._temperature
        for warper in self._warpers:
            scores = warper(input_ids, scores)
        # One uniform number a token against the running sum of the probabilities: a draw that costs no noise the size of the vocabulary.
        sums = torch.softmax(scores, -1).double().cumsum(-1)
        total = sums[:, -1:]
        if not torch.isfinite(total).all():
            raise ProviderError("the model's scores are not numbers", next_step="use another model, or another file of it")
        chances = torch.tensor([[chance.random()] for chance in self._chances], dtype=sums.dtype, device=sums.device)
        chosen = torch.searchsorted(sums, chances * total, right=True).clamp_(max=scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)

    def _hold(self, input_ids: Any, scores: Any) -> None:
        if not any(self._matchers):
            return
        last = input_ids[:, -1].tolist()
        for row, matcher in enumerate(self._matchers):
            if matcher is None:
                continue
            if self._begun and not matcher.is_stopped():
                matcher.consume_token(last[row])
            if matcher.is_error():
                self._matchers[row] = None
                continue
            forbidden = ~self._allowed(matcher.compute_bitmask(), scores.shape[-1])
            scores[row].masked_fill_(forbidden.to(scores.device), -self._torch.inf)
        self._begun = True

    def _allowed(self, bitmask: bytes, size: int) -> Any:
        import numpy as np

        bits = np.unpackbits(np.frombuffer(bitmask, dtype=np.uint8), bitorder="little")[:size]
        allowed = self._torch.zeros(size, dtype=self._torch.bool)
        allowed[: len(bits)] = self._torch.from_numpy(bits).bool()
        return allowed


class Grammars:
    """Matchers of JSON schemas for one tokenizer; none when llguidance is missing or knows no such tokenizer or schema."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        self._library: Any = None
        try:
            library = importlib.import_module("llguidance")
            hugging_face = importlib.import_module("llguidance.hf")
            self._tokenizer = hugging_face.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(ends))
            self._library = library
        except Exception:  # the answer's reader is defensive: without a grammar the prompt alone asks for JSON
            return

    def matcher(self, schema: Mapping[str, Any] | None) -> Any | None:
        """A fresh matcher, at the start of an answer."""
        if schema is None or self._library is None:
            return None
        matcher = self._library.LLMatcher(self._tokenizer, self._grammar(json.dumps(schema)))
        return None if matcher.is_error() else matcher

    @lru_cache(maxsize=64)  # noqa: B019 (lives as long as the model)
    def _grammar(self, schema: str) -> str:
        # Without this a small model may fill its answer with line breaks.
        text: str = self._library.LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": False})
        return text
