"""A loss of our own: a hybrid ranker taught to the model, in batches of neighbouring passages with several anchors each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from train.models import third_party
from train.sampler import Clashes
from train.teacher import Teacher

SCALE = 20.0
"""Of the model's cosines, as in MultipleNegativesRankingLoss."""

SHARPNESS = 16.0
"""Of the teacher's scores: their range of 1 spans about 0.8 of cosine, so that both sides are equally sharp."""

POSITIVE = 0.5
"""Weight of the plain contrastive loss on the anchor's own positive beside what the teacher says of the other passages."""

_OUT = -1e4


def hybrid_distillation(model: Any, teacher: Teacher, clashing: Clashes) -> Any:
    """A loss module for features of (anchor, positive) and labels that are row numbers of the training data.

    Two parts. What the teacher says of the passages that are *not* the anchor's own is distilled by KL divergence (its own passage holds the anchor word for
    word when the anchor is a sentence of it: learnt from, that makes a model that looks for copies). The anchor's own passage is told from the others by a
    contrastive loss of weight `POSITIVE`, in which passages that are known to answer, or may, do not count. Equal passages of a batch pass the model
    once.
    """
    torch = third_party("torch")
    functional = torch.nn.functional

    class HybridDistillLoss(torch.nn.Module):  # type: ignore[misc,name-defined]
        """See `hybrid_distillation`."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: Any, labels: Any) -> Any:
            anchors, passages = list(features)[:2]
            rows = labels.detach().cpu().numpy().astype(np.intp)
            columns, first, own = np.unique(teacher.place[rows], return_index=True, return_inverse=True)
            asked = self.model(anchors)["sentence_embedding"]
            said = self.model(_rows(passages, torch.as_tensor(first, device=asked.device)))["sentence_embedding"]
            cosines = functional.normalize(asked.float(), dim=-1) @ functional.normalize(said.float(), dim=-1).T
            own = torch.as_tensor(own.reshape(-1), device=cosines.device)
            refused = torch.as_tensor(refusals(clashing, rows, columns, teacher.place), device=cosines.device)
            itself = functional.one_hot(own, num_classes=cosines.shape[1]).bool()
            positive = functional.cross_entropy((SCALE * cosines).masked_fill(refused & ~itself, _OUT), own)
            if cosines.shape[1] < 3:
                return POSITIVE * positive
            wanted = torch.as_tensor(teacher.scores(rows, columns), device=cosines.device)
            others = functional.kl_div(
                torch.log_softmax((SCALE * cosines).masked_fill(itself, _OUT), dim=1),
                torch.log_softmax((SHARPNESS * wanted).masked_fill(itself, _OUT), dim=1),
                log_target=True,
                reduction="batchmean",
            )
            return others + POSITIVE * positive

    return HybridDistillLoss()


def refusals(clashing: Clashes, rows: Any, columns: Any, place: Any) -> Any:
    """[rows, columns] bool: passages that must not count as negatives of a row's anchor, by what the dataset knows."""
    found = np.zeros((len(rows), len(columns)), dtype=bool)
    # Any row of a passage tells which groups the passage belongs to.
    holder = {passage: row for row, passage in zip(rows.tolist(), place[rows].tolist(), strict=True)}
    for number, column in enumerate(columns.tolist()):
        brings = clashing.brings[holder[column]]
        for line, row in enumerate(rows.tolist()):
            found[line, number] = not (clashing.own[row].isdisjoint(brings) and clashing.further[row].isdisjoint(brings))
    return found


def _rows(features: Mapping[str, Any], chosen: Any) -> dict[str, Any]:
    return {name: value[chosen] if hasattr(value, "shape") else value for name, value in features.items()}
