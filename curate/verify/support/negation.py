"""Whether question and answer deny what the evidence says, or say what it denies."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from curate.text import STOPWORDS, words
from curate.verify.quotes import stemmer

SHARED = 2
"""Stems besides the denied word that a sentence of each side must share: fewer, and they may speak of different things."""
LIKE = 0.5
"""Share of a sentence's stems that makes it say "much the same": of 5,033 human questions with the sentence that answers, none went wrong."""

_CUES = frozenset(
    """not never cannot can't don't doesn't didn't isn't aren't wasn't weren't won't couldn't wouldn't shouldn't hasn't haven't hadn't mustn't
    needn't ain't""".split()
)
_SOFT = frozenset(
    """no nor neither none nothing nobody nowhere without unless until only except but however hardly rarely seldom scarcely barely few
    little less fewer avoid avoids avoided avoiding prevent prevents prevented preventing lack lacks lacked lacking fail fails failed failing failure
    refuse refuses refused refusing refusal incapable unwilling unlikely disallow disallows disallowed deny denies denied forbid forbids forbidden prohibit prohibits prohibited ban bans banned reject rejects rejected unable
    impossible instead rather stop stops stopped stopping ignore ignores ignored exclude excludes excluded excluding ceased ceases cease false wrong disagree
    disagreed oppose opposed opposing omit omits omitted remove removed removes disable disables disabled miss missing missed absent absence yet anymore
    unlike otherwise besides hard difficult wasnt dont doesnt isnt cant wont didnt arent""".split()
)
_BEFORE_CUE = frozenset("or if whether why when unless because and but".split())
_CONDITIONS = frozenset("if unless whether when".split())
_CONTRAST = re.compile(r"[,;(–—]\s*not\b", re.I)
_AFTER_CUE = frozenset(
    "only just merely simply necessarily all every everyone always entirely fully quite exactly until yet even so too as".split()
)
_LIGHT = frozenset("able allow allowed allows have has had having like also still actually ever often always necessary".split())
_VERBS_IN_LY = frozenset("apply comply fly imply multiply rely reply supply".split())
_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non")
# "inform" denies no "form".
_NOT_DENIED = frozenset(
    """form forms formed formation play plays played cover covers covered vest clude crease creases creased side sides come stance tent tention port ports
    ported portant press pressed pressive prove part parts pact ease count counts charge order pose trict tance course patch vent volve stall still sure
    tend herit terest mediate dustry land tell pulse plant planted ternal ternet fluence dicate""".split()
)
_SENTENCE = re.compile(r"(?<=[.?!;])\s+|\n+")


@dataclass(frozen=True)
class Sentence:
    """Stems of a sentence, and which of them it denies."""

    stems: frozenset[str]
    denied: frozenset[str]
    """Stems that a "not" or "never" stands before, and that stand nowhere else in the sentence."""
    opposed: frozenset[tuple[str, str]]
    """Stem of a base and of the word that denies it by its prefix: (safe, unsafe)."""
    negates: bool
    """Holds a "not" or "never"."""
    hedged: bool
    """Holds wording that may deny without "not" ("fails to", "only", "unless"), or a "not" that denies less than the sentence."""
    unclear: bool
    """Hedged, or its "not" stands before no word that could be told."""
    asks_whether: bool
    """A yes-or-no question, which states nothing."""


def negation_differs(question: str, answer: str | None, evidence: str | None) -> bool | None:
    """Whether question and answer deny what the evidence says, or the other way round; None without evidence.

    True when one side denies a word ("not", "never", "un-" before the very word) that the other affirms in a sentence of like words, or when
    question or answer says "not" where the evidence denies nothing and shares half of the sentence. Yes-or-no questions state nothing.
    Wherever other wording may deny ("fails to", "only", "unless", "no", "if not"), nothing is said.

    Cost: about 0.1 ms. Failure modes. Passes: two in five of the denials put into human questions, a quarter of those put into statements, all
    that are in other words ("is forbidden" for "is allowed", "old" for "new"), and any language but English. Kills: a fair question about what
    the evidence leaves out ("Which of these is not …?") when it shares half of its words. Of 5,033 human questions (SQuAD v1, with the
    sentence that answers) one is flagged.
    """
    if not words(evidence or ""):
        return None
    said = [*_asked(question, answer), *_answer(question, answer)]
    held = list(_sentences(evidence or ""))
    return _denies(said, held) or _denies(held, said) or _alone(said, held)


def _asked(question: str, answer: str | None) -> list[Sentence]:
    """A yes-or-no question that is answered with "Yes" states what it asks."""
    agreed = words(answer or "")[:1] == ["yes"]
    return [replace(s, asks_whether=s.asks_whether and (s.negates or not agreed)) for s in _sentences(question)]


def _answer(question: str, answer: str | None) -> list[Sentence]:
    """An answer to "What can a sick man not do?" is denied without a "not" of its own."""
    asked = _sentences(question)
    unclear = any((s.denied and not s.asks_whether) or s.unclear or s.opposed for s in asked)
    return [replace(s, unclear=s.unclear or unclear) for s in _sentences(answer or "")]


def _denies(one: list[Sentence], other: list[Sentence]) -> bool:
    """Whether a sentence of the first denies a word that every sentence of the other that has it affirms, speaking of the same."""
    return any(
        _affirmed(stem, word, sentence, one, other)
        for sentence in one
        if not sentence.asks_whether and not sentence.unclear
        for stem, word in (*((stem, "") for stem in sentence.denied), *sentence.opposed)
    )


def _alone(said: list[Sentence], held: list[Sentence]) -> bool:
    """Whether question or answer says "not" where the evidence, in much the same words, denies nothing in any way."""
    if any(s.negates or s.unclear for s in held):
        return False
    for sentence in said:
        if not sentence.negates or sentence.hedged or sentence.asks_whether:
            continue
        if any(base in sentence.stems for s in held for base, _ in s.opposed):
            continue
        shared = max(len(sentence.stems & s.stems) for s in held)
        if shared >= SHARED and shared >= LIKE * len(sentence.stems):
            return True
    return False


def _affirmed(stem: str, word: str, sentence: Sentence, one: list[Sentence], other: list[Sentence]) -> bool:
    """Whether the other side affirms the stem that the sentence denies (by `word`, a prefixed one, if not empty)."""
    if any(stem in s.stems and stem not in s.denied for s in one if s is not sentence or word):
        return False
    if word and (word in sentence.denied or any(word in s.stems or stem in {base for base, _ in s.opposed} for s in other)):
        return False
    having = [s for s in other if stem in s.stems]
    if any(s.denied or s.unclear or s.asks_whether for s in having):
        return False
    return any(len((sentence.stems & s.stems) - {stem}) >= SHARED for s in having)


@lru_cache(maxsize=32)
def _sentences(text: str) -> tuple[Sentence, ...]:
    return tuple(_read(part) for part in _SENTENCE.split(text) if words(part))


def _read(text: str) -> Sentence:
    found = [word.replace("’", "'") for word in words(text)]
    stem = stemmer()
    stemmed = [stem(word) for word in found if word not in STOPWORDS and word not in _CUES]
    cues = [i for i, word in enumerate(found) if word in _CUES]
    targets = [_target(found, i) for i in cues]
    hedged = (
        any(word in _SOFT or word.startswith("non-") for word in found)
        or any(_is_partial(found, i) for i in cues)
        or _CONTRAST.search(text) is not None
    )
    return Sentence(
        frozenset(stemmed),
        frozenset(stem(target) for target in targets if target and stemmed.count(stem(target)) == 1),
        frozenset((stem(base), stem(word)) for word in found for base in _bases(word)),
        bool(cues),
        hedged,
        hedged or None in targets,
        text.rstrip().endswith("?") and found[0] in _ASKS,
    )


_ASKS = frozenset("is are was were do does did has have had can could may might must shall should will would".split()) | {
    cue for cue in _CUES if "'" in cue
}


def _is_partial(found: list[str], i: int) -> bool:
    """ "not only", "or not", "not all", "if you do not"."""
    conditional = any(word in _CONDITIONS for word in found[max(1, i - 5) : i]) or found[0] in ("if", "unless")
    joined = found[i] == "not" and i > 0 and found[i - 1] in _BEFORE_CUE
    return conditional or joined or (i + 1 < len(found) and found[i + 1] in _AFTER_CUE)


def _target(found: list[str], i: int) -> str | None:
    """The word that the cue denies: the next that is neither a function word nor light; None where that cannot be told."""
    for word in found[i + 1 : i + 7]:
        if word in _CUES or word in _SOFT:
            return None
        if word in STOPWORDS or word in _LIGHT or (word.endswith("ly") and word not in _VERBS_IN_LY):
            continue
        return word
    return None


@lru_cache(maxsize=4096)
def _bases(word: str) -> tuple[str, ...]:
    """What a word may deny by its prefix: "safe" of "unsafe"."""
    bases = (word.removeprefix(prefix) for prefix in _PREFIXES if word.startswith(prefix))
    return tuple(
        base
        for base in (base.removeprefix("-") if word.startswith("non") else base for base in bases)
        if len(base) >= 4 and base not in _NOT_DENIED
    )
