"""What of a text is searched: its words, the parts of identifiers, pairs of characters; as strings, or as numbers for many texts."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise

import numpy as np
import numpy.typing as npt

from curate.text import STOPWORDS, is_unspaced, words

Numbers = npt.NDArray[np.int32]

_JOINTS = re.compile(r"[._\-]")
_POSSESSIVE = re.compile(r"['’]s$")
# What `words` cuts off although names end or begin with it: C++, C#, .NET; matched case-folded, as a whole name.
_MARKED = re.compile(r"(?<![^\s(\[,;:`'\"/])(?:[^\W\d_]{1,3}(?:\+\+|#)|\.net)(?![\w+#])")


@dataclass(frozen=True)
class Numbered:
    """Texts as numbers: `vocabulary[number]` is the index term, the texts stand one after the other, `lengths` terms each."""

    vocabulary: list[str]
    numbers: Numbers
    lengths: Numbers


def tokenise(text: str, *, drop_stopwords: bool = False) -> list[str]:
    """`curate.text.words`, and each pair of neighbouring characters of an unspaced script besides the characters.

    Lone Chinese or Japanese characters say little; pairs of them are the usual index term (as in Lucene's CJKAnalyzer).
    """
    found = _words_and_pairs(text)
    return [word for word in found if word not in STOPWORDS] if drop_stopwords else found


def search_terms(text: str, stemmer: str | None = None) -> list[str]:
    """The index terms of one text, of passages and queries alike: no English function words, identifiers whole and in parts.

    `HTTP_404` gives `http_404`, `http`, `404`; `foo.bar()` gives `foo.bar`, `foo`, `bar`; `C++` gives `c`, `c++`. `stemmer` is a language
    that Snowball knows ("english"); whole identifiers are not stemmed.
    """
    expand = _expander(stemmer)
    return [term for word in _found(text) for term in expand(word)]


def number_texts(texts: Sequence[str], stemmer: str | None = None) -> Numbered:
    """`search_terms` of each text. A word is looked at once in all the texts, and arrays are cheap to hand between processes."""
    seen = _Numbering()
    flat = array("i")
    counts = []
    for text in texts:
        found = _found(text)
        flat.extend(map(seen.__getitem__, found))
        counts.append(len(found))
    return _expanded(list(seen), np.frombuffer(flat, dtype=np.int32) if flat else _none(), counts, _expander(stemmer))


def number_tokens(token_lists: Iterable[Sequence[str]], size: int = 4096) -> Iterator[Numbered]:
    """Texts that are index terms already, `size` at a time."""
    remaining = iter(token_lists)
    while block := list(islice(remaining, size)):
        seen = _Numbering()
        flat = array("i")
        for tokens in block:
            flat.extend(map(seen.__getitem__, tokens))
        numbers = np.frombuffer(flat, dtype=np.int32) if flat else _none()
        yield Numbered(list(seen), numbers, np.array([len(tokens) for tokens in block], dtype=np.int32))


class _Numbering(dict[str, int]):
    """Numbers words in the order in which they are first asked for."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


def _expanded(vocabulary: list[str], numbers: Numbers, counts: list[int], expand: Callable[[str], tuple[str, ...]]) -> Numbered:
    """Each word replaced by its index terms: none for a function word, several for an identifier."""
    seen = _Numbering()
    terms = array("i")
    starts = np.zeros(len(vocabulary) + 1, dtype=np.int64)
    for place, word in enumerate(vocabulary, start=1):
        terms.extend(map(seen.__getitem__, expand(word)))
        starts[place] = len(terms)
    sizes = np.diff(starts)[numbers]
    ends = np.concatenate(([0], np.cumsum(sizes)))
    flat = np.frombuffer(terms, dtype=np.int32) if terms else _none()
    places = np.arange(ends[-1]) + np.repeat(starts[:-1][numbers] - ends[:-1], sizes)
    texts = np.concatenate(([0], np.cumsum(np.array(counts, dtype=np.int64))))
    return Numbered(list(seen), flat[places], np.diff(ends[texts]).astype(np.int32))


def _none() -> Numbers:
    return np.zeros(0, dtype=np.int32)


def _words_and_pairs(text: str) -> list[str]:
    found = words(text)
    if text.isascii():
        return found
    return found + [a + b for a, b in pairwise(found) if _is_character(a) and _is_character(b)]


def _found(text: str) -> list[str]:
    found = _words_and_pairs(text)
    if "++" in text or "#" in text or ".N" in text or ".n" in text:
        found += _MARKED.findall(text.casefold())
    return found


@lru_cache(maxsize=65536)
def _is_character(word: str) -> bool:
    return len(word) == 1 and is_unspaced(word)


@lru_cache(maxsize=8)
def _expander(stemmer: str | None) -> Callable[[str], tuple[str, ...]]:
    """Index terms of a word, remembered for words that come again."""
    stem = _stemmer(stemmer)

    @lru_cache(maxsize=65536)
    def expand(word: str) -> tuple[str, ...]:
        if word in STOPWORDS:
            return ()
        if word.isalnum():
            return (stem(word),)
        parts = [part for part in _JOINTS.split(_POSSESSIVE.sub("", word)) if part and part not in STOPWORDS and part != word]
        # The parts of a number (3.14) mean nothing.
        return (word, *map(stem, parts)) if any(not part.isdigit() for part in parts) else (word,)

    return expand


def _stemmer(language: str | None) -> Callable[[str], str]:
    if language is None:
        return lambda word: word
    import Stemmer  # kept out of start-up

    stem: Callable[[str], str] = Stemmer.Stemmer(language).stemWord
    return stem
