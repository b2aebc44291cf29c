"""Comparisons of a question and its quote with the passage: verbatim copy, shared words, evidence found."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import SequenceMatcher
from functools import lru_cache

from curate.bm25 import tokenise
from curate.text import normalise, words

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
    asked = _terms(question)
    return len(asked & _passage_terms(passage)) / len(asked) if asked else 0.0


def evidence_found(evidence: str | None, text: str) -> bool | None:
    """Whether the quote stands in the text: word for word, or nearly so with every number and negation intact.

    A quote with an ellipsis is found when each of its parts is. None when there is no quote.
    """
    parts = [part for part in _ELLIPSIS.split(evidence or "") if words(part)]
    if not parts:
        return None
    return all(stands_in(part, text) or _nearly_stands_in(words(part), words(text)) for part in parts)


def _terms(text: str) -> frozenset[str]:
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
def _passage_terms(passage: str) -> frozenset[str]:
    return _terms(passage)


@lru_cache(maxsize=16)
def _normalised(text: str) -> str:
    return normalise(text)


def _nearly_stands_in(quote: list[str], text: list[str]) -> bool:
    if not text or len(text) * len(quote) > _COMPARISONS:
        return False
    matcher = SequenceMatcher(None, text, quote, autojunk=False)
    anchor = matcher.find_longest_match()
    if anchor.size == 0:
        return False
    start = max(0, anchor.a - anchor.b)
    window = text[start : start + len(quote)]
    if _exact_words(window) != _exact_words(quote):
        return False
    ratio = SequenceMatcher(None, " ".join(window), " ".join(quote), autojunk=False).ratio()
    return ratio >= FUZZY


def _exact_words(found: list[str]) -> list[str]:
    """Numbers and negations: changing one of them changes what is said, however alike the letters."""
    return sorted(word for word in found if word in _NEGATIONS or any(character.isdigit() for character in word))
