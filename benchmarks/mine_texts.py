"""Passages and questions for `benchmarks/mine_speed.py`: made up by Zipf's law, or of the sentences of real texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate.text import sentence_spans

MEAN_WORDS = 120


@dataclass(frozen=True)
class Texts:
    """What is searched, and what for; `homes[i]` is the passage that question i was asked of."""

    passages: list[str]
    questions: list[str]
    homes: list[int]


def asked_of(texts: Texts) -> Texts:
    """The same passages, each question eight words in a row of its own passage and two of others, as extractive questions are."""
    random = np.random.default_rng(1)
    words = [text.split() for text in texts.questions]
    asked = []
    for home, others in zip(texts.homes, words, strict=True):
        own = texts.passages[home].split()
        first = int(random.integers(0, max(1, len(own) - 8)))
        asked.append(" ".join([*own[first : first + 8], *others[:2]]) + "?")
    return Texts(texts.passages, asked, texts.homes)


def made_up_texts(size: int, questions: int, seed: int = 0) -> Texts:
    """Passages of about MEAN_WORDS words by Zipf's law."""
    random = np.random.default_rng(seed)
    ranks = np.arange(1, 400_001)
    shares = np.cumsum(1 / (ranks + 2.7) ** 1.07)
    names = np.array([_word(number) for number in range(len(ranks))], dtype=object)

    def draw(count: int) -> Any:
        return names[np.searchsorted(shares, random.random(count) * shares[-1])]

    lengths = np.clip(random.lognormal(np.log(MEAN_WORDS) - 0.08, 0.4, size), 8, 600).astype(int)
    passages: list[str] = []
    for start in range(0, size, 20_000):
        some = lengths[start : start + 20_000]
        words = draw(int(some.sum()))
        ends = np.cumsum(some)
        passages += [" ".join(words[end - length : end]) for end, length in zip(ends, some, strict=True)]
    homes = random.integers(0, size, questions).tolist()
    return asked_of(Texts(passages, [" ".join(draw(2)) for _ in homes], homes))


_FIRST = (
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "was",
    "on",
    "are",
    "as",
    "with",
    "be",
    "at",
    "by",
    "this",
    "from",
)


def _word(number: int) -> str:
    """The commonest are English function words; the others are syllables."""
    if number < len(_FIRST):
        return _FIRST[number]
    syllables = ""
    while number:
        number, rest = divmod(number, 85)
        syllables += "bcdfghjklmnprstvz"[rest % 17] + "aeiou"[rest // 17]
    return syllables


def real_texts(folder: Path) -> Callable[[int, int], Texts]:
    """SQuAD paragraphs and MedQuAD answers cut into passages, each sentence once; past their 24,000 passages, sentences by lot. The questions of both."""
    paragraphs = pl.read_parquet(folder / "squad/v1_paragraphs.parquet")["context"].to_list()
    medical = pl.read_parquet(folder / "medquad/medquad_qa.parquet")
    answers = [answer for answer in medical["answer"].drop_nulls().unique(maintain_order=True).to_list() if answer]
    asked = pl.read_parquet(folder / "squad/v1_questions.parquet")["question"].to_list()
    asked += medical["question"].unique(maintain_order=True).to_list()
    found = [text[start:end].strip() for text in paragraphs + answers for start, end in sentence_spans(text)]
    sentences = list(dict.fromkeys(found))
    sizes = np.array([len(sentence.split()) for sentence in sentences])

    def make(size: int, questions: int) -> Texts:
        random = np.random.default_rng(0)
        passages, unused = [], iter(range(len(sentences)))
        for length in np.clip(random.lognormal(np.log(MEAN_WORDS) - 0.08, 0.4, size), 8, 600):
            chosen, words = [], 0
            while words < length:
                pick = next(unused, None)
                pick = int(random.integers(len(sentences))) if pick is None else pick
                chosen.append(sentences[pick])
                words += int(sizes[pick])
            passages.append(" ".join(chosen))
        picks = random.integers(0, len(asked), questions)
        return Texts(passages, [asked[pick] for pick in picks], random.integers(0, size, questions).tolist())

    return make
