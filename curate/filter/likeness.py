"""When two questions are the same question in nearly the same words, and the search for such pairs.

Likeness of words alone would take "What is Leigh syndrome?" and "What is Leber syndrome?" for one, or "from A to B" and "from B to A". So two
questions count as the same only if they ask in the same way (who, when, how …), negate or not alike, name the same things, begin with the same
thing asked for ("the symptoms of"), point in the same direction, and hold their shared words in the same order, up to a clause moved to the front.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from curate.bm25 import tokenise
from curate.text import STOPWORDS, is_unspaced, words

_ASKING = frozenset("what which who whom whose where when why how many much long often far old".split())
_SAME_ASKING = {"which": "what", "whom": "who"}
_NEGATIONS = frozenset("no not never none without cannot can't don't doesn't didn't isn't aren't wasn't weren't won't".split())
_DIRECTIONS = frozenset("to from into than before after over under above below by against until since between".split())
_OPPOSITES = frozenset("before after over under above below since until".split())
_VERB_KINDS = {
    **dict.fromkeys("is are was were".split(), "be"),
    **dict.fromkeys("do does did can could will would".split(), "do"),
    **dict.fromkeys("should must may might to".split(), "should"),
}
_LETTER = re.compile(r"(?<=\s)[A-HJ-Z]\b")
"""A capital that is a name ("vitamin A"), not the pronoun."""
_LIGHT = frozenset(
    "main primary key common typical typically exactly usually generally actually currently please various overall basically really simply".split()
)
"""Words that may come or go without making another question."""
_PADDING = re.compile(
    r"^\W*(?:(?:could|can|would|will) you (?:please )?(?:tell me|explain(?: to me)?|say)|please (?:tell me|explain)|tell me|i (?:would|'d) like to know|i want to know"
    r"|do you know|(?:in short|in fact|basically|generally|generally speaking|in general|in practice|overall|exactly|so|well|please|hey|hello|hi|then)(?=\W))[\s,:]+"
    r"|[\s,]+(?:in general|generally speaking|in practice|in fact|in short|in detail|in particular|to be exact|if i may ask|for short|at all|please|exactly|basically)(?=\W*$)"
    r"|(?<=\w)[\s,]+(?:exactly|basically|actually|really|generally|typically|usually)(?=\s+(?:is|are|was|were|do|does|did|can|could|should|would|will|must|has|have|had)\b)",
    re.I,
)
"""What is said around a question: before it, after it, and between the question word and its verb."""
_CONTRACTED = re.compile(r"\b(what|who|where|when|how|why|that|there|it)['’]s\b", re.I)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a question is compared by."""

    manner: tuple[str, ...]
    """Question words with the kind of verb after them, negations, and words such as "before": equal in equal questions."""
    content: tuple[str, ...]
    """Content words in order, plurals folded, light words left out; pairs of characters in unspaced scripts."""
    specific: frozenset[str]
    """Words that name one thing: capitals inside the sentence, digits, identifiers."""
    directions: tuple[tuple[str, str], ...]
    """Prepositions of direction with the word they point at."""
    light: frozenset[str]
    """The light words that were left out."""


def likeness(question: str) -> Likeness:
    """The features of one question."""
    question, padding = _bare(question)
    found = words(question)
    specific = _specific(question)
    letters = {letter.lower() for letter in _LETTER.findall(question)}
    kept = [_singular(word) for word in found if _is_content(word, specific, letters)]
    if is_unspaced(question):
        kept = [term for term in tokenise(question) if len(term) > 1] or found
    directions = {
        (word, next((_singular(other) for other in found[i + 1 :] if other not in STOPWORDS), ""))
        for i, word in enumerate(found)
        if word in _DIRECTIONS
    }
    light = frozenset(word for word in found if word in _LIGHT and word not in specific) | padding
    return Likeness(_manner(found), tuple(kept or found), specific, tuple(sorted(directions)), light)


def _bare(question: str) -> tuple[str, frozenset[str]]:
    """The question without what is said around it ("What's X, generally speaking?" asks what X is), and the words of that."""
    bare, padding = _CONTRACTED.sub(r"\1 is", question), []
    while match := _PADDING.search(bare):
        rest = bare[: match.start()] + (" " if match.start() else "") + bare[match.end() :].lstrip()
        if len(words(rest)) < 3:
            break
        padding += words(match.group())
        bare = rest
    return bare, frozenset(padding)


def _is_content(word: str, specific: frozenset[str], letters: set[str]) -> bool:
    if word in letters:
        return True
    return word not in STOPWORDS and word not in _ASKING and (word not in _LIGHT or word in specific)


def _manner(found: list[str]) -> tuple[str, ...]:
    asking = [i for i, word in enumerate(found) if word in _ASKING]
    manner = {_SAME_ASKING.get(found[i], found[i]) for i in asking}
    manner |= {word for word in found if word in _OPPOSITES} | {"not" for word in found if word in _NEGATIONS}
    if asking and asking[0] + 1 < len(found):
        # "What is X?" and "What does X do?" and "What to do for X?" share all their content words.
        manner.add(_VERB_KINDS.get(found[asking[0] + 1], ""))
    return tuple(sorted(manner))


def same_question(a: Likeness, b: Likeness, threshold: float, *, strict: bool = False) -> float | None:
    """The Jaccard similarity of the content words if it is at least `threshold` and nothing sets the questions apart, else None.

    `strict` asks for equal content words, light ones too: people's own questions are often filled-in templates, where one word makes
    the difference ("primary myelofibrosis").
    """
    if a.manner != b.manner or (strict and a.light != b.light):
        return None
    mine, theirs = set(a.content), set(b.content)
    shared = mine & theirs
    similarity = len(shared) / len(mine | theirs)
    if similarity < (1.0 if strict else threshold):
        return None
    if (mine ^ theirs) & (a.specific | b.specific | {a.content[0], b.content[0]}) or not _point_alike(a, b):
        return None
    return similarity if _rotated(_in_order(a.content, shared), _in_order(b.content, shared)) else None


def _singular(word: str) -> str:
    if len(word) > 3 and word.isascii() and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word.removesuffix("'s")[: -1 if not word.endswith("'s") else None]
    return word


def _specific(question: str) -> frozenset[str]:
    pieces = question.split()
    found = {word for i, piece in enumerate(pieces) if i and any(c.isupper() for c in piece) for word in words(piece)}
    found |= {word for word in words(question) if any(c.isdigit() or c in "._" for c in word)}
    return frozenset(_singular(word) for word in found)


def _point_alike(a: Likeness, b: Likeness) -> bool:
    mine, theirs = dict(a.directions), dict(b.directions)
    return all(mine[word] == theirs[word] for word in mine.keys() & theirs.keys())


def _in_order(content: tuple[str, ...], shared: set[str]) -> list[str]:
    return [word for word in dict.fromkeys(content) if word in shared]


def _rotated(a: list[str], b: list[str]) -> bool:
    return any(a[i:] + a[:i] == b for i in range(max(1, len(a))))


@dataclass
class Known:
    """Questions seen so far, found again by their rarest words (a prefix filter: no pair above the threshold is missed)."""

    threshold: float
    frequency: Counter[str]
    buckets: dict[tuple[str, tuple[str, ...]], list[int]] = field(default_factory=dict)
    questions: list[Likeness] = field(default_factory=list)

    def add(self, question: Likeness) -> None:
        """Make a question findable; it gets the next number, from 0."""
        for word in self._prefix(question):
            self.buckets.setdefault((word, question.manner), []).append(len(self.questions))
        self.questions.append(question)

    def alike(self, question: Likeness, strict: Callable[[int], bool]) -> list[tuple[int, float]]:
        """Numbers and similarities of all known questions that are the same question, in the order they were added."""
        candidates = sorted({n for word in self._prefix(question) for n in self.buckets.get((word, question.manner), ())})
        found = ((n, same_question(question, self.questions[n], self.threshold, strict=strict(n))) for n in candidates)
        return [(n, similarity) for n, similarity in found if similarity is not None]

    def _prefix(self, question: Likeness) -> list[str]:
        rarest_first = sorted(set(question.content), key=lambda word: (self.frequency[word], word))
        return rarest_first[: len(rarest_first) - math.ceil(self.threshold * len(rarest_first)) + 1]


def frequencies(questions: Iterable[Likeness]) -> Counter[str]:
    """In how many questions each content word stands."""
    return Counter(word for question in questions for word in set(question.content))
