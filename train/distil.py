"""A loss of our own: a hybrid ranker taught to the model, in batches of neighbouring passages with several anchors each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from train.models import third_party
from train.sampler import Clashes
from train.teacher import Teacher

SCALE = 20.0
"""Of the model's cosines, as in MultipleNegativesRankingLoss."""

SHARPNESS = 16.0
"""Of the teacher's scores: their range of 1 spans about 0.8 of cosine, so that both sides are equally sharp."""

POSITIVE = 1.0
"""Weight of the plain contrastive loss on the anchor's own positive beside what the teacher says of the other passages of the batch."""

FAR = 2.0
"""Weight of what the teacher says of the passages nearest to the anchor, wherever they are."""

NAMED = 128
"""Of 256: anchors that come after the title of their document, where they may."""

NAME_WORDS, NAME_BYTES = 8, 96
"""Words and bytes (of UTF-8, for scripts without blanks) of the longest title that is taken for a name; longer ones, as those of scientific papers, are
sentences that nobody asks with."""

# Shorter titles ("C", "Art") stand in words that have nothing to do with them.
_SHORT = 5

_OUT = -1e4


def hybrid_distillation(model: Any, teacher: Teacher, clashing: Clashes) -> Any:
    """A loss module for features of (anchor, positive) and labels that are row numbers of the training data.

    Three parts. What the teacher says of the batch's passages that are *not* the anchor's own is distilled by KL divergence (its own passage holds the anchor
    word for word when the anchor is a sentence of it: learnt from, that makes a model that looks for copies). The same for the passages that the teacher
    ranks first in the whole corpus, with weight `FAR`; these stand as the base model embedded them, so that they cost no pass through the model. The
    anchor's own passage is told from the others by a contrastive loss of weight `POSITIVE`, in which passages that are known to answer, or may, do not
    count. Equal passages of a batch pass the model once, as the first row has them (see `without_anchors`).
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
            far = self.far(functional.normalize(asked.float(), dim=-1), rows)
            if cosines.shape[1] < 3:
                return POSITIVE * positive + FAR * far
            wanted = torch.as_tensor(teacher.scores(rows, columns), device=cosines.device)
            others = divergence(cosines.masked_fill(itself, _OUT / SCALE), wanted.masked_fill(itself, _OUT / SHARPNESS))
            return others + POSITIVE * positive + FAR * far

        def far(self, asked: Any, rows: Any) -> Any:
            nearest = torch.as_tensor(teacher.vectors[teacher.nearest[rows]], device=asked.device)
            # Matryoshka looks at the first dimensions alone.
            said = functional.normalize(nearest[..., : asked.shape[-1]], dim=-1)
            wanted = torch.as_tensor(teacher.nearest_scores[rows], device=asked.device)
            return divergence(torch.einsum("rd,rnd->rn", asked, said), wanted)

    def divergence(cosines: Any, wanted: Any) -> Any:
        said = torch.log_softmax(SCALE * cosines, dim=1)
        return functional.kl_div(said, torch.log_softmax(SHARPNESS * wanted, dim=1), log_target=True, reduction="batchmean")

    return HybridDistillLoss()


def asked(rows: pl.DataFrame, titles: Mapping[str, str]) -> pl.Series:
    """The anchors, half of them (by hash) after the title of the document that their positive is a part of, unless they name it.

    People name what they ask about; a sentence of a passage under a title does not. A model tuned on such sentences alone takes the part that has the name
    most often for the one that answers (docs/benchmarks.md, "Documents without titles").
    """
    pairs = zip(rows["anchor"], rows["positive"], strict=True)
    return pl.Series("anchor", [_named(anchor, passage, titles.get(passage)) for anchor, passage in pairs], dtype=pl.String)


def _named(anchor: str, passage: str, title: str | None) -> str:
    if title is None or len(title.split()) > NAME_WORDS or len(title.encode()) > NAME_BYTES or _names(anchor, title):
        return anchor
    return f"{title} {anchor}" if sha256(f"{anchor}\0{passage}".encode()).digest()[0] < NAMED else anchor


def _names(anchor: str, title: str) -> bool:
    anchor, title = anchor.casefold(), title.casefold()
    return title in anchor if len(title) >= _SHORT else re.search(rf"(?<!\w){re.escape(title)}(?!\w)", anchor) is not None


def without_anchors(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with each anchor cut out of its positive, where it stands there word for word and at least half is left (inverse cloze task, 1906.00300).

    A passage of a batch is embedded as its first anchor's row has it, so it is the rest of the passage to this one and holds its other anchors whole: some
    anchors teach to find what is said, some to find words.
    """
    pairs = zip(rows["anchor"], rows["positive"], strict=True)
    return rows.with_columns(positive=pl.Series([_without(anchor, passage) for anchor, passage in pairs], dtype=pl.String))


def _without(anchor: str, passage: str) -> str:
    # Whatever blanks and line ends stand between the words.
    words = r"\s+".join(map(re.escape, anchor.split()))
    left = re.sub(rf"(?<!\w){words}(?!\w)", " ", passage)
    return left if 2 * len(left.strip()) >= len(passage) else passage


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
