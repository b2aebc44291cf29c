"""What of a text is searched: its words, the parts of identifiers, pairs of characters; as strings, or as numbers for many texts."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, pairwise
from threading import Lock

import numpy as np
import numpy.typing as npt

from curate.text import STOPWORDS, UNSPACED_CHARACTER, is_unspaced, words

Numbers = npt.NDArray[np.int32]

PIECES_KEPT = 2**18
"""So many different pieces of text a process remembers, about 60 MB."""

_JOINTS = re.compile(r"[._\-]")
_POSSESSIVE = re.compile(r"['’]s$")
# What `words` cuts off although names end or begin with it: C++, C#, .NET; matched case-folded, as a whole name.
_MARKED = re.compile(r"(?<![\w.+#&])(?:[^\W\d_]{1,3}(?:\+\+|#)|\.net)(?![\w+#])")


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
    return [term for piece in _pieces(text) for term in expand(piece)]


def number_texts(texts: Sequence[str], stemmer: str | None = None) -> Numbered:
    """`search_terms` of each text, numbered in the order in which they come. Arrays are cheap to hand between processes."""
    with _LOCK:
        return _known(stemmer).number(texts)


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


@dataclass
class _Known:
    """What this process has seen between blanks, each looked at once: its index terms are `flat[starts[n]:starts[n + 1]]`."""

    stemmer: str | None
    pieces: _Numbering = field(default_factory=_Numbering)
    terms: _Numbering = field(default_factory=_Numbering)
    flat: array[int] = field(default_factory=lambda: array("i"))
    starts: array[int] = field(default_factory=lambda: array("q", [0]))

    def number(self, texts: Sequence[str]) -> Numbered:
        if len(self.pieces) > PIECES_KEPT:
            self.__init__(self.stemmer)  # type: ignore[misc]
        numbers = array("i")
        counts = []
        for text in texts:
            pieces = _pieces(text)
            numbers.extend(map(self.pieces.__getitem__, pieces))
            counts.append(len(pieces))
        self._expand()
        return self._numbered(np.array(numbers, dtype=np.int32), np.array(counts, dtype=np.int64))

    def _expand(self) -> None:
        expand = _expander(self.stemmer)
        for piece in islice(self.pieces, len(self.starts) - 1, None):
            self.flat.extend(map(self.terms.__getitem__, expand(piece)))
            self.starts.append(len(self.flat))

    def _numbered(self, numbers: Numbers, counts: npt.NDArray[np.int64]) -> Numbered:
        """Each piece replaced by its terms: none for a function word, several for an identifier."""
        starts = np.array(self.starts, dtype=np.int64)
        sizes = np.diff(starts)[numbers]
        ends = np.concatenate(([0], np.cumsum(sizes)))
        places = np.arange(ends[-1]) + np.repeat(starts[numbers] - ends[:-1], sizes)
        terms = np.array(self.flat, dtype=np.int32)[places]
        # Numbers must not depend on what this process saw before: they go by the first place in these texts.
        first = np.full(len(self.terms), -1, dtype=np.int64)
        first[terms[::-1]] = np.arange(len(terms))[::-1]
        used = np.flatnonzero(first >= 0)
        used = used[np.argsort(first[used])]
        first[used] = np.arange(len(used))
        names = list(self.terms) if len(used) else []
        texts = np.concatenate(([0], np.cumsum(counts)))
        return Numbered(
            [names[term] for term in used.tolist()], first[terms].astype(np.int32), np.diff(ends[texts]).astype(np.int32)
        )


_LOCK = Lock()


@lru_cache(maxsize=2)
def _known(stemmer: str | None) -> _Known:
    return _Known(stemmer)


def _none() -> Numbers:
    return np.zeros(0, dtype=np.int32)


def _words_and_pairs(text: str) -> list[str]:
    found = words(text)
    if text.isascii():
        return found
    return found + [a + b for a, b in pairwise(found) if _is_character(a) and _is_character(b)]


def _pieces(text: str) -> list[str]:
    """What stands between blanks, looked at once however often it comes; a script without blanks is cut into characters and pairs."""
    pieces = text.casefold().split()
    if text.isascii() or not UNSPACED_CHARACTER.search(text):
        return pieces
    return [part for piece in pieces for part in (_words_and_pairs(piece) if UNSPACED_CHARACTER.search(piece) else (piece,))]


@lru_cache(maxsize=65536)
def _is_character(word: str) -> bool:
    return len(word) == 1 and is_unspaced(word)


@lru_cache(maxsize=8)
def _expander(stemmer: str | None) -> Callable[[str], tuple[str, ...]]:
    """Index terms of what stands between blanks, remembered for what comes again."""
    stem = _stemmer(stemmer)

    @lru_cache(maxsize=2**14)
    def expand(piece: str) -> tuple[str, ...]:
        if piece.isalpha() and piece.isascii():
            return () if piece in STOPWORDS else (stem(piece),)
        if len(piece) == 2 and _is_character(piece[0]) and _is_character(piece[1]):
            return (piece,)
        terms = [term for word in _words_and_pairs(piece) for term in _of_word(word, stem)]
        return (*terms, *_MARKED.findall(piece))

    return expand


def _of_word(word: str, stem: Callable[[str], str]) -> list[str]:
    if word in STOPWORDS:
        return []
    if word.isalnum():
        return [stem(word)]
    parts = [part for part in _JOINTS.split(_POSSESSIVE.sub("", word)) if part and part not in STOPWORDS and part != word]
    # The parts of a number (3.14) mean nothing.
    return [word, *map(stem, parts)] if any(not part.isdigit() for part in parts) else [word]


def _stemmer(language: str | None) -> Callable[[str], str]:
    if language is None:
        return lambda word: word
    import Stemmer  # kept out of start-up

    stem: Callable[[str], str] = Stemmer.Stemmer(language).stemWord
    return stem
