"""A checker that weighs how the best sentence of a passage meets the question: no GPU to fit it, no head to train, every weight readable.

A folder with `sentence_checker.json` (weights by score, a constant) and `encoder/`, the embedding model whose vectors it reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from curate.verify.dense import Dense
from curate.verify.kept import Kept
from curate.verify.models import model_folder
from curate.verify.sentence_match import SCORES, Rarity, Vectors, sentences_of, vector_scores, word_scores
from schemas.errors import SettingsError
from schemas.settings import VerifySettings

WHERE = "verify.checker"
FILE = "sentence_checker.json"
ENCODER = "encoder"
Pair = tuple[str, str]
Matrix = npt.NDArray[np.float64]
_DECIMALS = 4
_PAIRS_AT_A_TIME = 512


class Weights(BaseModel):
    """What the file holds: the logistic of a weighted sum of scores."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: int = Field(1, ge=1, le=1)
    intercept: float
    weights: dict[str, float]

    @field_validator("weights")
    @classmethod
    def scores_are_known(cls, value: dict[str, float]) -> dict[str, float]:
        """A weight of a score that is not computed would be left out in silence."""
        if unknown := sorted(value.keys() - set(SCORES)):
            raise ValueError(f"no score is called {unknown[0]}")
        return value

    def probability(self, scores: Sequence[float]) -> float:
        """Of being answered, from the scores in the order of `SCORES`; to four decimals."""
        known = dict(zip(SCORES, scores, strict=True))
        total = self.intercept + math.fsum(weight * known[name] for name, weight in sorted(self.weights.items()))
        return round(1 / (1 + math.exp(-max(-60.0, min(60.0, total)))), _DECIMALS)


class SentenceChecker:
    """Scores (question, passage) against one corpus, whose words say what is rare. Vectors are kept by text."""

    def __init__(self, folder: Path, settings: VerifySettings, kept: Kept, rarity: Rarity) -> None:
        self._weights = read_weights(folder)
        self._rarity = rarity
        self._encoder = Dense(settings.model_copy(update={"dense_model": str(folder / ENCODER)}), kept)

    def close(self) -> None:
        """Give back the memory, on the GPU too."""
        self._encoder.close()

    def scores(self, pairs: Sequence[Pair], progress: Callable[[int, int | None], None] = lambda *_: None) -> list[float]:
        """The probability of each (question, passage), 0 to 1, to four decimals."""
        found: list[float] = []
        for start in range(0, len(pairs), _PAIRS_AT_A_TIME):
            part = pairs[start : start + _PAIRS_AT_A_TIME]
            found += [self._weights.probability(row) for row in score_matrix(part, self._rarity, self._encoder).tolist()]
            progress(len(found), len(pairs))
        return found


def score_matrix(pairs: Sequence[Pair], rarity: Rarity, encoder: Dense) -> Matrix:
    """All scores [pairs, scores] in the order of `SCORES`, rounded so that batches do not shape them."""
    questions = sorted({question for question, _ in pairs})
    passages = sorted({passage for _, passage in pairs})
    texts = sorted({*passages, *(one for passage in passages for one in sentences_of(passage))})
    asked = dict(zip(questions, encoder.embedded("query", questions), strict=True))
    written = dict(zip(texts, encoder.embedded("document", texts), strict=True))
    rows = []
    for question, passage in pairs:
        sentences: Vectors = np.stack([written[one] for one in sentences_of(passage)])
        known = word_scores(question, passage, rarity) | vector_scores(asked[question], written[passage], sentences)
        rows.append([round(known[name], 5) for name in SCORES])
    return np.array(rows, dtype=np.float64).reshape(len(pairs), len(SCORES))


def is_sentence_checker(name: str) -> Path | None:
    """The folder, if `verify.checker` names one of this kind."""
    folder = model_folder(name, WHERE)
    return folder if folder is not None and (folder / FILE).is_file() else None


def read_weights(folder: Path) -> Weights:
    """What the folder's file says. Raises SettingsError naming the fault."""
    try:
        return Weights.model_validate(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise SettingsError(
            f"{FILE} cannot be used: {reason}", where=f"{WHERE} = {folder}", next_step="`curate train --task checker` writes one"
        ) from error
