"""How text is compared: normalisation, words, shingles, token estimate and sentences, for any script."""

from __future__ import annotations

import re
import unicodedata

# Scripts written without spaces between words: their characters stand for words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Japanese, Chinese
)
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’.\-_][^\W{_UNSPACED}]+)*")
_PIECE = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+|[^\w\s]|_")
_UNSPACED_CHARACTER = re.compile(rf"[{_UNSPACED}]")

STOPWORDS = frozenset(
    """a about above after again all also an and any are as at be because been before being below between both but by can cannot could did do does
    doing down during each few for from further had has have having he her here hers him his how i if in into is it its itself just may me might more
    most must my no nor not now of off on once only or other our out over own s same shall she should so some such t than that the their them then
    there these they this those through to too under until up upon us very was we were what when where which while who whom whose why will with would
    you your yours""".split()
)
"""English function words; words of other languages are all treated as content."""


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, case-folded, one space between words, no punctuation at word edges."""
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """Lower-case words in order. Identifiers like `foo.bar` and `HTTP_404` stay whole; a character of an unspaced script is a word."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def content_words(text: str) -> list[str]:
    """`words` without English function words."""
    return [word for word in words(text) if word not in STOPWORDS]


def is_unspaced(text: str) -> bool:
    """Whether at least a third of the words are characters of a script written without spaces."""
    found = words(text)
    return bool(found) and 3 * sum(1 for word in found if _UNSPACED_CHARACTER.fullmatch(word)) >= len(found)


def count_words(text: str) -> int:
    """Words; two characters of an unspaced script count as one word (the mean length of a Chinese word)."""
    found = words(text)
    characters = sum(1 for word in found if _UNSPACED_CHARACTER.fullmatch(word))
    return len(found) - characters + (characters + 1) // 2


def shingles(text: str, size: int) -> frozenset[str]:
    """Sets of `size` words in a row (a shorter text is one shingle; empty text has none)."""
    found = words(text)
    if not found:
        return frozenset()
    if len(found) <= size:
        return frozenset((" ".join(found),))
    return frozenset(" ".join(found[i : i + size]) for i in range(len(found) - size + 1))


def estimate_tokens(text: str) -> int:
    """Subword tokens, estimated without a tokenizer: a word costs one and one more per further five characters, a symbol one.

    Deterministic and the same on every machine; measured against the WordPiece tokenizer of all-MiniLM-L6-v2 in docs/.
    """
    return sum(1 + (len(piece) - 1) // 6 for piece in _PIECE.findall(text))


def sentence_spans(text: str, language: str = "en") -> list[tuple[int, int]]:
    """Spans (start, end) of sentences that tile `text` in order; trailing blanks belong to the sentence before them."""
    if not text:
        return []
    spans: list[tuple[int, int]] = []
    position = 0
    for sentence in _segment(text, language):
        end = position + len(sentence)
        spans.append((position, end))
        position = end
    if position != len(text):
        # The splitter altered the text: better one long sentence than spans that do not fit.
        return [(0, len(text))]
    return spans


def _segment(text: str, language: str) -> list[str]:
    import sentencex  # kept out of start-up

    pieces = [piece for piece in sentencex.segment(language if language != "und" else "en", text) if piece]
    return pieces if "".join(pieces) == text else [text]


def detect_language(text: str, min_characters: int = 20) -> str:
    """ISO 639-1 code of the language, or "und" when there is too little text to tell."""
    letters = sum(1 for character in text if character.isalpha())
    if _UNSPACED_CHARACTER.search(text) is None and letters < min_characters:
        return "und"
    import py3langid  # 0.6 s to load

    code = str(py3langid.classify(text[:4000])[0])
    return "und" if code == "zxx" else code
