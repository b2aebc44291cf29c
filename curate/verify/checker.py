"""A cross-encoder reads question and passage together and says how likely the passage answers the question."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.verify.kept import Kept, pair_sha256
from curate.verify.models import free_memory, load_model, out_of_memory, weights_id
from curate.verify.sentence_checker import SentenceChecker, is_sentence_checker
from curate.verify.sentence_match import Rarity
from schemas.errors import SettingsError
from schemas.settings import VerifySettings

WHERE = "verify.checker"
Pair = tuple[str, str]
"""Question, passage."""

_DECIMALS = 4
"""As many as do not depend on what else was in a batch; see `curate.verify.dense`."""
_PAIRS_A_COMMIT = 256
_OVERLAP = 200
"""Characters, about two sentences, that two windows of one long passage share; less of short windows."""
_ENTAILED = {"entailment", "entailed", "entails", "answerable", "supported", "relevant", "yes", "true", "1"}
"""Names of the label that means the passage answers the question."""


class Checker:
    """A cross-encoder. Scores are kept by pair, so the model is loaded when one is missing."""

    def __init__(self, settings: VerifySettings, kept: Kept) -> None:
        self._settings, self._kept = settings, kept
        self._key = f"checker 1 {weights_id(settings.checker or '', WHERE)}"
        self._model: Any = None

    def close(self) -> None:
        """Give back the memory, on the GPU too."""
        if self._model is not None:
            self._model = None
            free_memory()

    def scores(self, pairs: Sequence[Pair], progress: Callable[[int, int | None], None] = lambda *_: None) -> list[float]:
        """The probability of each (question, passage), 0 to 1, to four decimals.

        A passage too long for the model is read in windows that overlap, and the best window counts.
        """
        known = self._kept.scores(self._key, pairs)
        missing = sorted({pair for pair in pairs if pair_sha256(*pair) not in known}, key=lambda pair: (_length(pair), pair))
        for start in range(0, len(missing), _PAIRS_A_COMMIT):
            block = missing[start : start + _PAIRS_A_COMMIT]
            scores = self._computed(block)
            self._kept.put_scores(self._key, block, scores)
            known |= {pair_sha256(*pair): score for pair, score in zip(block, scores, strict=True)}
            progress(len(pairs) - len(missing) + start + len(block), len(pairs))
        return [known[pair_sha256(*pair)] for pair in pairs]

    def _computed(self, pairs: Sequence[Pair]) -> list[float]:
        if self._model is None:
            self._model = _loaded(self._settings)
        windows = [[(question, window) for window in self._windows(question, passage)] for question, passage in pairs]
        found = iter(self._probabilities([pair for group in windows for pair in group]))
        return [max(round(float(next(found)), _DECIMALS) for _ in group) for group in windows]

    def _windows(self, question: str, passage: str) -> list[str]:
        # Before version 5.4 of the library it went by another name.
        limit = self._model.max_seq_length if hasattr(self._model, "max_seq_length") else self._model.max_length
        if not isinstance(limit, int):
            return [passage]
        marks = self._tokens("", "")
        # A question that fills the model by itself is cut by the library to leave the passage its half.
        room = max(limit - marks - self._tokens(question), (limit - marks) // 2, 1)
        return _cut(passage, self._tokens, room)

    def _tokens(self, text: str, pair: str | None = None) -> int:
        tokenizer = self._model.tokenizer
        if pair is not None:
            return len(tokenizer(text, pair, verbose=False)["input_ids"])
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _probabilities(self, pairs: Sequence[Pair]) -> npt.NDArray[np.float64]:
        labels = self._model.num_labels
        # Models of inference read the premise, the passage, first; those of QNLI and search the question.
        read = [(passage, question) for question, passage in pairs] if labels == 3 else list(pairs)
        try:
            logits = self._model.predict(
                read, batch_size=self._settings.model_batch, activation_fn=_identity(), show_progress_bar=False
            )
        except Exception as error:
            told = out_of_memory(error, WHERE)
            if told is None:
                raise
            raise told from error
        raw = np.asarray(logits, dtype=np.float64)
        if not np.isfinite(raw).all():
            raise SettingsError("the model's scores are not numbers", where=WHERE, next_step="use another model")
        if labels == 1:
            return 1 / (1 + np.exp(-np.clip(raw.reshape(-1), -700, 700)))
        odds = np.exp(raw - raw.max(axis=1, keepdims=True))
        shares: npt.NDArray[np.float64] = odds[:, entailed(self._model.config.id2label)] / odds.sum(axis=1)
        return shares


def open_checker(settings: VerifySettings, kept: Kept, rarity: Rarity | None = None) -> Checker | SentenceChecker:
    """The gate of `verify.checker`: a cross-encoder, or a sentence checker, which needs to know what is rare in the corpus.

    Raises SettingsError when there is no such model; it is loaded when first needed.
    """
    folder = is_sentence_checker(settings.checker or "")
    return Checker(settings, kept) if folder is None else SentenceChecker(folder, settings, kept, rarity or Rarity({}, 0))


def entailed(id2label: dict[int, str]) -> int:
    """Which of several labels means that the passage answers the question. Raises SettingsError when it cannot be told."""
    found = [
        number for number, name in sorted(id2label.items()) if re.sub(r"[\s_-]+", " ", str(name)).strip().lower() in _ENTAILED
    ]
    if len(found) == 1:
        return int(found[0])
    raise SettingsError(
        f"it cannot be told which of the model's labels means yes: {', '.join(str(id2label[number]) for number in sorted(id2label))}",
        where=WHERE,
        next_step='name them in id2label of its config.json, as {"0": "not_entailment", "1": "entailment"}',
    )


def _loaded(settings: VerifySettings) -> Any:
    """The model, refused when its head is not trained or its labels mean nothing to us."""
    model = load_model("CrossEncoder", settings.checker or "", WHERE, settings.device)
    if not _has_head(model):
        kinds = getattr(model.config, "architectures", None) or ["model of no named kind"]
        raise SettingsError(
            f"this is no cross-encoder but a {kinds[0]}",
            where=WHERE,
            next_step="give a model of sequence classification: one from `curate train --task checker`, or a QNLI model",
        )
    if model.num_labels > 1:
        entailed(model.config.id2label)
    return model


def _has_head(model: Any) -> bool:
    """The libraries put a head of random weights on a model that has none."""
    if any(str(kind).endswith("ForSequenceClassification") for kind in getattr(model.config, "architectures", None) or ()):
        return True
    # Other heads are modules of their own: logits of "yes" and "no", or a layer that gives scores.
    kinds = {type(module).__name__ for module in model.children()}
    return bool(kinds & {"LogitScore", "Dense"})


def _identity() -> Any:
    import torch

    return torch.nn.Identity()


def _length(pair: Pair) -> int:
    return len(pair[0]) + len(pair[1])


def _cut(text: str, tokens: Callable[[str], int], room: int) -> list[str]:
    """The text, or as few even windows of it as have at most `room` tokens each; each shares some text with the one before."""
    count = tokens(text)
    windows = [text]
    pieces = max(2, ceil(count / room))
    while count > room:
        step = len(text) // pieces
        cuts = [_blank(text, number * len(text) // pieces, step // 2) for number in range(1, pieces)]
        overlap = min(_OVERLAP, step // 4)
        starts = [0, *(_blank(text, cut - overlap, overlap // 2) for cut in cuts)]
        windows = [text[start:end] for start, end in zip(starts, [*cuts, len(text)], strict=True)]
        if step < 2 or all(tokens(window) <= room for window in windows):
            break
        # Some part has more tokens for its length than others.
        pieces = min(len(text), pieces + 1 + pieces // 8)
    return windows


def _blank(text: str, place: int, reach: int) -> int:
    """The nearest blank before `place`, at most `reach` and 40 characters away, else the place itself."""
    start = max(place - min(reach, 40), 0)
    found = max(text.rfind(blank, start, place) for blank in " \n")
    return place if found < 0 else found
