"""Training losses, by the names sentence-transformers gives them (one is ours), and the kinds of rows that each of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.errors import SettingsError
from schemas.plain import NLI_LABELS
from schemas.training import TrainSettings
from train.distil import hybrid_distillation
from train.models import third_party
from train.sampler import NO_CLASHES, Clashes
from train.teacher import Teacher

IN_BATCH = "MultipleNegativesRankingLoss"
GUIDED = "GISTEmbedLoss"
CACHED = {IN_BATCH: f"Cached{IN_BATCH}", GUIDED: f"Cached{GUIDED}"}
"""Loss → the same loss computed a mini-batch at a time (Gao et al. 2021), so that memory does not bound the batch."""

HYBRID = "HybridDistillLoss"
"""Ours (`train.distil`): the hybrid of BM25 and the base model, with feedback, taught to the model."""

IN_BATCH_LOSSES = (IN_BATCH, CACHED[IN_BATCH], GUIDED, CACHED[GUIDED])
"""Losses for which the passages of other rows are negatives, so that it matters which rows meet."""

LOSSES: dict[str, tuple[str, ...]] = {
    "triplets": (*IN_BATCH_LOSSES, "TripletLoss", HYBRID),
    "pairs": (*IN_BATCH_LOSSES, HYBRID),
    "scored": ("CoSENTLoss", "AnglELoss", "CosineSimilarityLoss"),
    "labeled": ("OnlineContrastiveLoss", "ContrastiveLoss"),
    "distilled": ("MarginMSELoss", "DistillKLDivLoss"),
    "multi_positive": (*IN_BATCH_LOSSES, "TripletLoss"),
    "nli": ("SoftmaxLoss", "CosineSimilarityLoss", *IN_BATCH_LOSSES),
}
"""Kind of rows → the losses that take it, the first unless another is asked for."""

NAMES = tuple(dict.fromkeys(name for losses in LOSSES.values() for name in losses))

TEMPERATURE = 0.05
"""Of DistillKLDivLoss: 1 / 20, the scale that MultipleNegativesRankingLoss puts on cosines; at 1 their softmax would be nearly even."""


@dataclass(frozen=True)
class LossOptions:
    """What a loss wants to know besides the model."""

    guide: Any = None
    """A SentenceTransformer, for the guided losses."""
    mini_batch_size: int | None = None
    """Rows embedded at once, for the cached losses."""
    distance: str = "euclidean"
    margin: float | None = None
    matryoshka_dims: tuple[int, ...] = ()
    seed: int = 0
    """Of weights that a loss adds (the classifier of SoftmaxLoss)."""
    teacher: Teacher | None = None
    """For HybridDistillLoss."""
    clashing: Clashes = NO_CLASHES
    """For HybridDistillLoss: which rows' passages may answer which anchors."""


def choose_loss(settings: TrainSettings, format_name: str, columns: Sequence[str] = (), negatives: int = 0) -> str:
    """The loss for a kind of rows; SettingsError, with the columns found, when the one asked for cannot take it."""
    fitting = LOSSES[format_name]
    wish = settings.loss if settings.loss != "auto" else GUIDED if settings.guide else fitting[0]
    if wish not in fitting:
        takes = [name for name, losses in LOSSES.items() if wish in losses]
        found = f" (columns: {', '.join(columns)})" if columns else ""
        raise SettingsError(
            f"{wish} does not take {format_name}{found}; it takes {' or '.join(takes)}",
            where="train.loss",
            next_step=f"use loss={' or '.join(fitting)}, or other rows (--format)",
        )
    if (wish in (GUIDED, CACHED[GUIDED])) != bool(settings.guide):
        what = f"{wish} needs a guide model" if not settings.guide else f"{wish} has no use for a guide model"
        raise SettingsError(what, where="train.guide", next_step=f"set guide=NAME_OR_PATH with {GUIDED}, or neither")
    if wish in CACHED and (settings.mini_batch_size is not None or (wish == GUIDED and negatives > 1)):
        # Uncached, the guided loss reads one negative a row.
        return CACHED[wish]
    return wish


def build_loss(name: str, model: Any, options: LossOptions | None = None) -> Any:
    """The loss module for a SentenceTransformer, with the library's own settings but for the options and distillation.

    MultipleNegativesRankingLoss (Henderson et al. 2017, scale 20, cosine) takes anchor, positive and any number of negatives; all other
    passages of the batch are negatives too. The distilling losses (Hofstätter et al. 2021; Lin et al. 2020) compare the model's scores
    with the teacher's, and by default take dot products: the teacher's here are cosines, so the model's must be, or a model whose vectors
    are not of length 1 would be compared on another scale. Raises SettingsError for an unknown name or dimensions the model has not.
    """
    if name not in NAMES:
        raise SettingsError(f"no loss named {name!r}", where="train.loss", next_step=f"use one of {', '.join(sorted(NAMES))}")
    options = options or LossOptions()
    losses = third_party("sentence_transformers.sentence_transformer.losses", "sentence_transformers.losses")
    if name == "SoftmaxLoss" and options.matryoshka_dims:
        raise SettingsError(
            "SoftmaxLoss classifies vectors of one length",
            where="train.matryoshka_dims",
            next_step="use another loss, or leave them out",
        )
    third_party("torch").manual_seed(options.seed)
    # By position: the name of the first of these changed in sentence-transformers 5.4.
    sizes = (dimensions(model), len(NLI_LABELS)) if name == "SoftmaxLoss" else ()
    if name == HYBRID:
        if options.teacher is None:
            raise AssertionError("a teacher is made before the loss")
        loss = hybrid_distillation(model, options.teacher, options.clashing)
    else:
        loss = getattr(losses, name)(model, *sizes, **_arguments(name, model, options, losses))
    if not options.matryoshka_dims:
        return loss
    return losses.MatryoshkaLoss(model, loss, list(matryoshka_dims(model, options.matryoshka_dims)))


def matryoshka_dims(model: Any, wanted: Sequence[int]) -> tuple[int, ...]:
    """The dimensions to train on, longest first, the model's own among them; SettingsError for those it does not have."""
    whole = dimensions(model)
    if beyond := [dim for dim in wanted if not 1 <= dim <= whole]:
        raise SettingsError(
            f"the model's vectors have {whole} dimensions, not {max(beyond)}",
            where="train.matryoshka_dims",
            next_step=f"name dimensions from 1 to {whole}",
        )
    return tuple(sorted({whole, *wanted}, reverse=True))


def dimensions(model: Any) -> int:
    """Length of a model's vectors."""
    # Its name before sentence-transformers 5.4.
    known = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
    return int(known())


def margin_of(model: Any, options: LossOptions) -> float:
    """The margin of TripletLoss (`TrainSettings.margin`)."""
    if options.margin is not None:
        return options.margin
    if options.distance == "cosine":
        return 0.5
    return 1.0 if any(type(module).__name__ == "Normalize" for module in model.children()) else 5.0


def _arguments(name: str, model: Any, options: LossOptions, losses: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if name in LOSSES["distilled"]:
        found["similarity_fct"] = third_party("sentence_transformers.util").pairwise_cos_sim
    if name == "DistillKLDivLoss":
        found["temperature"] = TEMPERATURE
    if name in (GUIDED, CACHED[GUIDED]):
        found["guide"] = options.guide
    if name in CACHED.values() and options.mini_batch_size is not None:
        found["mini_batch_size"] = options.mini_batch_size
    if name == "TripletLoss":
        metric = losses.TripletDistanceMetric
        found["distance_metric"] = metric.COSINE if options.distance == "cosine" else metric.EUCLIDEAN
        found["triplet_margin"] = margin_of(model, options)
    return found
