"""How the sentence of a passage that fits a question best meets it: by words, by names, by denial, and by the vectors of a small embedding model.

Scores that need no training; `benchmarks/answerability.py` weighs them together with the gates and the checker.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.bm25 import tokenise
from curate.text import sentence_spans
from curate.verify.specific import stems
from train.models import embed, load_model

Columns = dict[str, npt.NDArray[np.float64]]

_DENIAL = re.compile(r"\b(?:not|never|no|none|neither|nor|without|cannot)\b|n['’]t\b", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_YEAR = re.compile(r"1\d{3}|20\d\d")


def word_columns(questions: Sequence[str], passages: Sequence[str]) -> Columns:
    """Share of a question's content words (weighed by rarity among the passages) in the passage and in its best sentence, and the like."""
    different = list(dict.fromkeys(passages))
    counts = Counter(stem for passage in different for stem in _stems(passage))
    split = {passage: _sentences(passage) for passage in different}
    held = {sentence: _stems(sentence) for sentences in split.values() for sentence in sentences}

    def rarity(stem: str) -> float:
        return math.log((len(different) + 1) / (counts[stem] + 0.5))

    rows = []
    for question, passage in zip(questions, passages, strict=True):
        asked = {stem: rarity(stem) for stem in _stems(question)} or {"": 1.0}
        whole = sum(asked.values()) or 1.0
        there = _stems(passage)
        sums = [sum(weight for stem, weight in asked.items() if stem in held[sentence]) / whole for sentence in split[passage]]
        best = int(np.argmax(sums))
        row = {
            "passage_share": sum(weight for stem, weight in asked.items() if stem in there) / whole,
            "passage_missing": float(sum(stem not in there for stem in asked)),
            "rarest_missing": max((weight for stem, weight in asked.items() if stem not in there), default=0.0),
            "unknown_words": float(sum(counts[stem] == 0 for stem in asked)),
            "sentence_share": sums[best],
            "sentence_lead": sums[best] - (sorted(sums)[-2] if len(sums) > 1 else 0.0),
        }
        rows.append(row | _told(question, split[passage][best], there, held[split[passage][best]]))
    return {name: np.asarray([row[name] for row in rows]) for name in rows[0]}


def vector_columns(questions: Sequence[str], passages: Sequence[str], model: str) -> Columns:
    """Cosine of the question with the passage, and with its best and second best sentence."""
    encoder = load_model(model)
    split = {passage: _sentences(passage) for passage in dict.fromkeys(passages)}
    sentences = list(dict.fromkeys(sentence for found in split.values() for sentence in found))
    whole = dict(zip(split, embed(encoder, list(split), "document"), strict=True))
    part = dict(zip(sentences, embed(encoder, sentences, "document"), strict=True))
    rows = []
    for vector, passage in zip(embed(encoder, questions, "query"), passages, strict=True):
        ranked = sorted((float(vector @ part[sentence]) for sentence in split[passage]), reverse=True)
        rows.append((float(vector @ whole[passage]), ranked[0], ranked[1] if len(ranked) > 1 else 0.0))
    names = ("passage_cosine", "sentence_cosine", "second_cosine")
    return {name: np.asarray([row[at] for row in rows]) for at, name in enumerate(names)}


def best_sentences(questions: Sequence[str], passages: Sequence[str], most: int) -> list[str]:
    """The sentences of each passage with most of its question's content words, in their order; of equals, the first."""
    split = {passage: [(part, _stems(part)) for part in _sentences(passage)] for passage in dict.fromkeys(passages)}
    found = []
    for question, passage in zip(questions, passages, strict=True):
        asked, parts = _stems(question), split[passage]
        best = sorted(range(len(parts)), key=lambda at: (-len(asked & parts[at][1]), at))[:most]
        found.append(" ".join(parts[at][0].strip() for at in sorted(best)))
    return found


def _told(question: str, sentence: str, passage: frozenset[str], stood: frozenset[str]) -> dict[str, float]:
    """Names and denials of question and sentence, and what the sentence has left to answer with."""
    asked = _stems(question)
    names = [next(iter(_stems(word)), "") for word in _WORD.findall(question)[1:] if word[0].isupper()]
    left = [word for word in _WORD.findall(sentence) if not _stems(word) & asked]
    denies, denied = (float(bool(_DENIAL.search(text))) for text in (question, sentence))
    return {
        "names_not_in_passage": float(sum(bool(name) and name not in passage for name in names)),
        "names_not_in_sentence": float(sum(bool(name) and name not in stood for name in names)),
        "numbers_not_in_passage": float(
            sum(word[0].isdigit() and not _stems(word) & passage for word in _WORD.findall(question))
        ),
        "sentence_denies": denied,
        "denial_differs": denies - denied,
        "numbers_left": float(sum(word[0].isdigit() for word in left)),
        "years_left": float(sum(bool(_YEAR.fullmatch(word)) for word in left)),
        "names_left": float(sum(word[0].isupper() for word in left[1:])),
        "sentence_length": float(len(sentence)),
        "passage_length": float(len(passage)),
    }


def _stems(text: str) -> frozenset[str]:
    found: Any = stems(tokenise(text, drop_stopwords=True))
    return frozenset(found)


def _sentences(passage: str) -> list[str]:
    return [passage[start:end] for start, end in sentence_spans(passage, "en")] or [passage]
