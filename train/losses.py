"""Training losses, by the names sentence-transformers gives them, and the formats that each of them takes."""

from __future__ import annotations

from typing import Any

from schemas.errors import SettingsError
from train.models import third_party

IN_BATCH = "MultipleNegativesRankingLoss"
LOSSES = {
    "triplets": (IN_BATCH,),
    "pairs": (IN_BATCH,),
    "labeled": ("OnlineContrastiveLoss", "ContrastiveLoss"),
    "scored": ("CoSENTLoss", "CosineSimilarityLoss"),
    "distilled": ("MarginMSELoss", "DistillKLDivLoss"),
    "multi_positive": (IN_BATCH,),
}
"""Format → the losses that take it, the first unless another is asked for."""

TEMPERATURE = 0.05
"""Of DistillKLDivLoss: 1 / 20, the scale that MultipleNegativesRankingLoss puts on cosines; at 1 their softmax would be nearly even."""


def choose_loss(wish: str, format_name: str) -> str:
    """The loss for a format; SettingsError when the one asked for cannot take it."""
    fitting = LOSSES[format_name]
    if wish == "auto":
        return fitting[0]
    if wish not in fitting:
        takes = [name for name, losses in LOSSES.items() if wish in losses]
        raise SettingsError(
            f"{wish} does not take {format_name}",
            where="train.loss",
            next_step=f"use --format {' or '.join(takes)}, or loss={' or '.join(fitting)}",
        )
    return wish


def build_loss(name: str, model: Any) -> Any:
    """The loss module for a SentenceTransformer, with the library's own settings but for distillation.

    MultipleNegativesRankingLoss (Henderson et al. 2017, scale 20, cosine) takes anchor, positive and any number of negatives; all other
    passages of the batch are negatives too. The distilling losses (Hofstätter et al. 2021; Lin et al. 2020) compare the model's scores
    with the teacher's, and by default take dot products: the teacher's here are cosines, so the model's must be, or a model whose vectors
    are not of length 1 would be compared on another scale.
    """
    if name not in {loss for losses in LOSSES.values() for loss in losses}:
        names = sorted({loss for losses in LOSSES.values() for loss in losses})
        raise SettingsError(f"no loss named {name!r}", where="train.loss", next_step=f"use one of {', '.join(names)}")
    losses = third_party("sentence_transformers.sentence_transformer.losses", "sentence_transformers.losses")
    options: dict[str, Any] = {}
    if name in LOSSES["distilled"]:
        options["similarity_fct"] = third_party("sentence_transformers.util").pairwise_cos_sim
    if name == "DistillKLDivLoss":
        options["temperature"] = TEMPERATURE
    return getattr(losses, name)(model, **options)
