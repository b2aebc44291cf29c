"""How the sentence of a passage that fits a question best meets it: by words, by names, by denial, and by the vectors of an embedding model.

Scores that need no training; a sentence checker (`curate.verify.sentence_checker`) weighs them together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from curate.bm25 import tokenise
from curate.text import sentence_spans
from curate.verify.specific import stems

Vectors = npt.NDArray[np.float32]

_DENIAL = re.compile(r"\b(?:not|never|no|none|neither|nor|without|cannot)\b|n['’]t\b", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_YEAR = re.compile(r"1\d{3}|20\d\d")

WORD_SCORES = (
    "passage_share",
    "passage_missing",
    "rarest_missing",
    "unknown_words",
    "sentence_share",
    "sentence_lead",
    "names_not_in_passage",
    "names_not_in_sentence",
    "numbers_not_in_passage",
    "sentence_denies",
    "denial_differs",
    "numbers_left",
    "years_left",
    "names_left",
    "sentence_length",
    "passage_length",
)
VECTOR_SCORES = ("passage_cosine", "sentence_cosine", "second_cosine")
SCORES = (*WORD_SCORES, *VECTOR_SCORES)


@dataclass(frozen=True)
class Rarity:
    """How rare a word's stem is: in how many of the `passages` each stands."""

    counts: Mapping[str, int]
    passages: int

    def of(self, stem: str) -> float:
        """Logarithm of passages in all over passages with it."""
        return math.log((self.passages + 1) / (self.counts.get(stem, 0) + 0.5))


def word_scores(question: str, passage: str, rarity: Rarity) -> dict[str, float]:
    """Shares of the question's content words, weighed by rarity, in the passage and in its best sentence; what is denied, named and left there."""
    asked = {stem: rarity.of(stem) for stem in sorted(stems_of(question))} or {"": 1.0}
    whole = sum(asked.values()) or 1.0
    there = stems_of(passage)
    sentences = sentences_of(passage)
    sums = [math.fsum(weight for stem, weight in asked.items() if stem in stems_of(one)) / whole for one in sentences]
    best = max(range(len(sums)), key=lambda at: (sums[at], -at))
    second = sorted(sums)[-2] if len(sums) > 1 else 0.0
    found = {
        "passage_share": math.fsum(weight for stem, weight in asked.items() if stem in there) / whole,
        "passage_missing": float(sum(stem not in there for stem in asked)),
        "rarest_missing": max((weight for stem, weight in asked.items() if stem not in there), default=0.0),
        "unknown_words": float(sum(rarity.counts.get(stem, 0) == 0 for stem in asked)),
        "sentence_share": sums[best],
        "sentence_lead": sums[best] - second,
    }
    return found | _told(question, sentences[best], there) | {"passage_length": float(len(passage))}


def vector_scores(question: Vectors, passage: Vectors, sentences: Vectors) -> dict[str, float]:
    """Cosines of the question [d] with the passage [d], and with its best and second best sentence [n, d]; unit vectors."""
    ranked = sorted((sentences @ question).tolist(), reverse=True)
    return {
        "passage_cosine": float(question @ passage),
        "sentence_cosine": float(ranked[0]),
        "second_cosine": float(ranked[1]) if len(ranked) > 1 else 0.0,
    }


def best_sentences(question: str, passage: str, most: int) -> str:
    """The sentences with most of the question's content words, in their order; of equals, the first."""
    asked, sentences = stems_of(question), sentences_of(passage)
    best = sorted(range(len(sentences)), key=lambda at: (-len(asked & stems_of(sentences[at])), at))[:most]
    return " ".join(sentences[at].strip() for at in sorted(best))


def _told(question: str, sentence: str, passage: frozenset[str]) -> dict[str, float]:
    """Names and denials of question and sentence, and what the sentence has left to answer with."""
    asked, stood = stems_of(question), stems_of(sentence)
    names = [next(iter(stems_of(word)), "") for word in _WORD.findall(question)[1:] if word[0].isupper()]
    left = [word for word in _WORD.findall(sentence) if not stems_of(word) & asked]
    denies, denied = (float(bool(_DENIAL.search(text))) for text in (question, sentence))
    numbers = [word for word in _WORD.findall(question) if word[0].isdigit()]
    return {
        "names_not_in_passage": float(sum(bool(name) and name not in passage for name in names)),
        "names_not_in_sentence": float(sum(bool(name) and name not in stood for name in names)),
        "numbers_not_in_passage": float(sum(not stems_of(word) & passage for word in numbers)),
        "sentence_denies": denied,
        "denial_differs": denies - denied,
        "numbers_left": float(sum(word[0].isdigit() for word in left)),
        "years_left": float(sum(bool(_YEAR.fullmatch(word)) for word in left)),
        "names_left": float(sum(word[0].isupper() for word in left[1:])),
        "sentence_length": float(len(sentence)),
    }


@lru_cache(maxsize=65536)
def stems_of(text: str) -> frozenset[str]:
    """Stems of the content words."""
    return stems(tokenise(text, drop_stopwords=True))


@lru_cache(maxsize=4096)
def sentences_of(passage: str) -> Sequence[str]:
    """The sentences; the passage itself where there is none."""
    return tuple(passage[start:end] for start, end in sentence_spans(passage, "en") if passage[start:end].strip()) or (passage,)
