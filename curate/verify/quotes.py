"""Comparisons of a question and its quote with the passage: verbatim copy, shared words, evidence found."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import SequenceMatcher
from functools import lru_cache

from curate.bm25 import tokenise
from curate.text import normalise, word_spans, words

FUZZY = 0.9
"""Ratio of characters from which a quote counts as the passage's own words: spelling and punctuation may differ, not the sense."""

_COMPARISONS = 4_000_000
"""Pairs of words above which only exact quotes are looked for: alignment takes quadratic time."""
_ELLIPSIS = re.compile(r"\s*(?:\.\.\.+|…|\[\.\.\.\]|\[…\])\s*")
_NEGATIONS = frozenset(
    "no not never none nor neither without cannot don't doesn't didn't isn't aren't wasn't weren't won't can't couldn't".split()
)


def stands_in(quote: str, text: str) -> bool:
    """Whether the normalised quote stands in the normalised text, at word boundaries; a quote without words does not."""
    needle = normalise(quote)
    return bool(needle) and f" {needle} " in f" {_normalised(text)} "


def word_overlap(question: str, passage: str) -> float:
    """Share of the question's content words of which some form stands in the passage, 0 if it has none.

    Forms are folded by the English Snowball stemmer: without it, "What is a hermaphrodite?" shares nothing with a passage on
    hermaphrodites. Where words are not separated by spaces, neighbouring pairs of characters stand for words.
    """
    asked = content_terms(question)
    return len(asked & passage_terms(passage)) / len(asked) if asked else 0.0


def evidence_found(evidence: str | None, text: str) -> bool | None:
    """Whether the quote stands in the text, as `evidence_span` finds it. None when there is no quote, or none with a word in it."""
    if not _parts(evidence):
        return None
    return evidence_span(evidence, text) is not None


# `evidence_found` and the span of one quote are asked for one after the other.
@lru_cache(maxsize=16)
def evidence_span(evidence: str | None, text: str) -> tuple[int, int] | None:
    """Characters of `text` (start, end) that hold the quote: word for word, or nearly so with every number and negation intact.

    A quote with an ellipsis is found when each of its parts is, in order if they can be: from where the first begins to where the last
    ends. None when it is not found. The first of several places is given, whole words only.
    """
    found: list[tuple[int, int]] = []
    for part in _parts(evidence):
        place = _place(words(part), _words(text), found[-1][1] if found else 0)
        if place is None:
            return None
        found.append(place)
    if not found:
        return None
    spans = _spans(text)
    return spans[min(start for start, _ in found)][1], spans[max(end for _, end in found) - 1][2]


def _parts(evidence: str | None) -> list[str]:
    return [part for part in _ELLIPSIS.split(evidence or "") if words(part)]


def _place(quote: list[str], text: list[str], after: int) -> tuple[int, int] | None:
    """Words of the text (first, end) that are the quote: exactly, from the word `after` on if it stands there; else nearly."""
    return _exactly(quote, text, after) or _exactly(quote, text, 0) or _nearly(quote, text)


def _exactly(quote: list[str], text: list[str], after: int) -> tuple[int, int] | None:
    joined = f" {' '.join(text[after:])} "
    at = joined.find(f" {' '.join(quote)} ")
    if at < 0:
        return None
    first = after + joined.count(" ", 0, at)
    return first, first + len(quote)


def content_terms(text: str) -> frozenset[str]:
    """Stems of the text's content words, as `word_overlap` compares them; pairs of characters where words are not separated."""
    found = set(tokenise(text, drop_stopwords=True))
    paired = {character for term in found if len(term) == 2 and not term.isascii() for character in term}
    stem = stemmer()
    return frozenset(stem(term) if term.isascii() else term for term in found if len(term) > 1 or term not in paired)


@lru_cache(maxsize=1)
def stemmer() -> Callable[[str], str]:
    """The English Snowball stemmer, as a function."""
    import Stemmer  # kept out of start-up

    stem: Callable[[str], str] = Stemmer.Stemmer("english").stemWord
    return stem


# The questions of a chunk come one after the other.
@lru_cache(maxsize=16)
def passage_terms(passage: str) -> frozenset[str]:
    """`content_terms`, kept for the last few passages."""
    return content_terms(passage)


@lru_cache(maxsize=16)
def _normalised(text: str) -> str:
    return normalise(text)


@lru_cache(maxsize=16)
def _spans(text: str) -> list[tuple[str, int, int]]:
    return word_spans(text)


@lru_cache(maxsize=16)
def _words(text: str) -> list[str]:
    return [word for word, _, _ in _spans(text)]


def _nearly(quote: list[str], text: list[str]) -> tuple[int, int] | None:
    """The words of the text around the longest run it shares with the quote, if they are nearly the quote."""
    if not text or len(text) * len(quote) > _COMPARISONS:
        return None
    matcher = SequenceMatcher(None, text, quote, autojunk=False)
    anchor = matcher.find_longest_match()
    if anchor.size == 0:
        return None
    start = max(0, anchor.a - anchor.b)
    window = text[start : start + len(quote)]
    if _exact_words(window) != _exact_words(quote):
        return None
    ratio = SequenceMatcher(None, " ".join(window), " ".join(quote), autojunk=False).ratio()
    return (start, start + len(window)) if ratio >= FUZZY else None


def _exact_words(found: list[str]) -> list[str]:
    """Numbers and negations: changing one of them changes what is said, however alike the letters."""
    return sorted(word for word in found if word in _NEGATIONS or any(character.isdigit() for character in word))
