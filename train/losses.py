"""Training losses, by the names sentence-transformers gives them."""

from __future__ import annotations

from typing import Any

from schemas.errors import SettingsError
from train.models import third_party

LOSSES = ("MultipleNegativesRankingLoss",)


def build_loss(name: str, model: Any) -> Any:
    """The loss module for a SentenceTransformer.

    MultipleNegativesRankingLoss (Henderson et al. 2017, scale 20, cosine) takes anchor, positive and any number of negatives; all other
    passages of the batch are negatives too.
    """
    if name not in LOSSES:
        raise SettingsError(f"no loss named {name!r}", where="train.loss", next_step=f"use one of {', '.join(LOSSES)}")
    losses = third_party("sentence_transformers.sentence_transformer.losses", "sentence_transformers.losses")
    return getattr(losses, name)(model)
