"""A teacher without labels: a hybrid of BM25 and the base model with feedback from what it finds, as scores between anchors and passages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from train.models import embed, lower_precision, third_party

LEXICAL = 0.4
"""BM25's share of a score; the rest is the cosine's."""

FEEDBACK = 3
"""Passages found first whose mean is added to the anchor's vector (Rocchio's feedback, as in Li et al. 2108.11044)."""

FEEDBACK_SHARE = 0.5
"""Of their mean beside the anchor's own vector."""

CANDIDATES = 50
"""Passages nearest by the base model among which BM25 has a say in the feedback."""

NEAREST = 64
"""Passages that each anchor is compared with in any case, whatever its batch holds: those that the teacher ranks first, its own left out."""

_AMONG = 4
"""Times as many, the nearest after feedback, are scored to find them."""

_BLOCK = 256
_KEPT = ("questions", "vectors", "low", "span", "best", "nearest", "nearest_scores")

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Texts:
    """Anchors and their positives (one each a row), and what BM25 sees of them: the model's own tokens."""

    anchors: Sequence[str]
    passages: Sequence[str]
    """The distinct positives."""
    place: Numbers
    """[rows]: the row's positive among the passages."""
    asked: Sequence[Sequence[int]]
    """Token ids of each anchor."""
    said: Sequence[Sequence[int]]
    """Token ids of each passage."""

    @cached_property
    def bm25(self) -> Any:
        """rank-bm25's index of the passages."""
        return index(self.said)


def read_texts(encoder: Any, anchors: Sequence[str], positives: Sequence[str]) -> Texts:
    """The texts of the training rows, with the tokens that the model makes of them."""
    distinct = list(dict.fromkeys(positives))
    number = {text: position for position, text in enumerate(distinct)}
    place = np.array([number[text] for text in positives], dtype=np.intp)
    return Texts(anchors, distinct, place, tokens(encoder, anchors), tokens(encoder, distinct))


@dataclass(frozen=True)
class Teacher:
    """What it takes to score any anchor of the training rows against any of their positives."""

    texts: Texts
    questions: Vectors
    """[rows, dimensions]: the anchors' unit vectors after feedback."""
    vectors: Vectors
    """[passages, dimensions]: unit vectors by the base model."""
    low: Vectors
    span: Vectors
    """[rows]: least cosine of the anchor over all passages, and how far the greatest is from it."""
    best: Vectors
    """[rows]: greatest BM25 score of the anchor among its candidates."""
    nearest: Numbers
    """[rows, up to `NEAREST`]: the passages that it ranks first for the anchor, its own left out."""
    nearest_scores: Vectors
    """The scores of these."""

    def scores(self, rows: Numbers, columns: Numbers) -> Vectors:
        """[rows, columns]: BM25 as a share of the anchor's best plus the cosine between the anchor's least and greatest, weighed; about 0 … 1."""
        cosines = (self.questions[rows] @ self.vectors[columns].T - self.low[rows, None]) / self.span[rows, None]
        asked, bm25 = self.texts.asked, self.texts.bm25
        lexical = np.array([bm25.get_batch_scores(asked[row], columns.tolist()) for row in rows], dtype=np.float32)
        shares = np.minimum(lexical / np.maximum(self.best[rows, None], 1e-6), 1.0)
        found: Vectors = LEXICAL * shares + (1 - LEXICAL) * cosines
        return found

    @property
    def place(self) -> Numbers:
        """[rows]: the row's positive among the passages."""
        return self.texts.place


def make_teacher(encoder: Any, texts: Texts, precision: str, done: Callable[[int, int], None] = lambda *_: None) -> Teacher:
    """The teacher by the model as it is now. `done` is told of texts embedded, of all.

    BM25 counts the model's own tokens, so that no language needs a tokenizer of its own; on English they rank as words do
    (docs/benchmarks.md).
    """
    total = len(set(texts.anchors)) + len(texts.passages)
    with lower_precision(encoder.device, precision):
        vectors = embed(encoder, texts.passages, "document", done=lambda count: done(count, total))
        own = embed(encoder, texts.anchors, "query", done=lambda count: done(len(texts.passages) + count, total))
    questions, best = _with_feedback(own, vectors, texts)
    low, high = np.empty(len(own), np.float32), np.empty(len(own), np.float32)
    for start in range(0, len(own), _BLOCK):
        cosines = questions[start : start + _BLOCK] @ vectors.T
        low[start : start + _BLOCK], high[start : start + _BLOCK] = cosines.min(axis=1), cosines.max(axis=1)
    nothing = np.empty((len(own), 0))
    first = Teacher(texts, questions, vectors, low, np.maximum(high - low, 1e-6), best, nothing.astype(np.intp), nothing.astype(np.float32))  # fmt: skip
    nearest, scores = _nearest(first)
    return replace(first, nearest=nearest, nearest_scores=scores)


def _nearest(teacher: Teacher) -> tuple[Numbers, Vectors]:
    """What `Teacher.nearest` and its scores hold, found among the nearest after feedback."""
    passages = len(teacher.vectors)
    most, among = min(NEAREST, passages - 1), min(_AMONG * NEAREST, passages)
    nearest, scores = np.empty((len(teacher.place), most), np.intp), np.empty((len(teacher.place), most), np.float32)
    for start in range(0, len(teacher.place), _BLOCK):
        cosines = teacher.questions[start : start + _BLOCK] @ teacher.vectors.T
        found = np.argpartition(-cosines, among - 1, axis=1)[:, :among]
        for offset, candidates in enumerate(np.sort(found, axis=1)):
            row = start + offset
            others = candidates[candidates != teacher.place[row]]
            said = teacher.scores(np.array([row]), others)[0]
            order = np.argsort(-said, kind="stable")[:most]
            nearest[row], scores[row] = others[order], said[order]
    return nearest, scores


def save(teacher: Teacher, path: Path) -> None:
    """Keep the vectors, so that a run that goes on need not embed again."""
    kept = {name: getattr(teacher, name) for name in _KEPT}
    temporary = path.with_name(path.name + ".tmp.npz")
    np.savez(temporary, **kept)
    temporary.replace(path)


def load(texts: Texts, path: Path) -> Teacher:
    """What `save` kept, for the same rows."""
    with np.load(path) as kept:
        return Teacher(texts, **{name: kept[name] for name in _KEPT})


def tokens(encoder: Any, texts: Sequence[str]) -> list[list[int]]:
    """Ids of all tokens of each text, none added, none cut."""
    found: list[list[int]] = []
    for start in range(0, len(texts), _BLOCK):
        block = list(texts[start : start + _BLOCK])
        found += encoder.tokenizer(block, add_special_tokens=False, truncation=False, padding=False, verbose=False)["input_ids"]
    return found


def index(passages: Sequence[Sequence[int]]) -> Any:
    """rank-bm25's index of passages given as token ids; at least one of them must have any."""
    made = third_party("rank_bm25").BM25Okapi([list(passage) for passage in passages])
    # It makes an array of its list at each call.
    made.doc_len = np.asarray(made.doc_len)
    return made


def _with_feedback(own: Vectors, vectors: Vectors, texts: Texts) -> tuple[Vectors, Vectors]:
    """The anchors moved towards what the hybrid finds first for them, and the greatest BM25 score of each."""
    most = min(CANDIDATES, len(vectors))
    moved, best = np.empty_like(own), np.empty(len(own), np.float32)
    for start in range(0, len(own), _BLOCK):
        cosines = own[start : start + _BLOCK] @ vectors.T
        nearest = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
        for offset, near in enumerate(nearest):
            row = start + offset
            # The anchor's own passage is scored, too: it holds the best BM25 score of most anchors.
            found = np.unique(np.append(near, texts.place[row]))
            scores = np.asarray(texts.bm25.get_batch_scores(texts.asked[row], found.tolist()), dtype=np.float32)
            best[row] = scores.max()
            line = cosines[offset]
            dense = (line[found] - line.min()) / max(float(line.max() - line.min()), 1e-6)
            hybrid = LEXICAL * scores / max(float(best[row]), 1e-6) + (1 - LEXICAL) * dense
            first = found[np.argsort(-hybrid, kind="stable")[:FEEDBACK]]
            mixed = own[row] + FEEDBACK_SHARE * vectors[first].mean(axis=0)
            moved[row] = mixed / np.linalg.norm(mixed)
    return moved, best
