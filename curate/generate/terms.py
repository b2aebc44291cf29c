"""Style `terms`: the three to six most telling words of a passage, in order of appearance, as a keyword query."""

from __future__ import annotations

import math

from curate.generate.frequencies import Frequencies
from curate.generate.passage import Candidate, Passage, stands_in
from curate.generate.vocabulary import WEAK_WORDS, is_word, stem, terms_of
from curate.stage import content_id
from curate.text import is_unspaced, normalise, words

_LEAST = 3
_MOST = 6


def terms_candidate(passage: Passage, frequencies: Frequencies, seed: int) -> Candidate | None:
    """The query, or None when fewer than three terms stand out or no order of them is free of a verbatim copy."""
    text = " ".join(part for _, part in passage.prose()) or passage.text
    ranked = _ranked(text, passage, frequencies, seed)
    count = min(_MOST, _LEAST + passage.tokens // 80)
    chosen = ranked[:count]
    if len(chosen) < (2 if is_unspaced(text) else _LEAST):
        return None
    appearing = [term for term in terms_of(text, passage.language) if term in set(chosen)]
    normalised = normalise(passage.passage)
    for order in (appearing, chosen, chosen[::-1]):
        query = " ".join(order)
        if not stands_in(query, normalised):
            return Candidate(query, "terms", verbatim=False)
    return None


def _ranked(text: str, passage: Passage, frequencies: Frequencies, seed: int) -> list[str]:
    """Distinct terms, most telling first."""
    counts = terms_of(text, passage.language)
    headings = {stem(word, passage.language) for part in passage.heading_path for word in words(part)}
    tie_break = {term: content_id(str(seed), passage.chunk_id, term) for term in counts}
    scores: dict[str, float] = {}
    for term, count in counts.items():
        if not _is_telling(term, passage.language) or frequencies.is_common(term):
            continue
        # Beyond six bits a word is rare enough: a word said twice tells more than one nobody else ever said.
        score = (1 + math.log2(count)) * (1 + min(frequencies.rarity(term), 6))
        if stem(term, passage.language) in headings:
            score *= 1.5
        if not is_word(term):
            # In a script without spaces the longer of two equally frequent runs is the likelier word.
            score *= 1 + len(term) / 4
        scores[term] = score
    ranked: list[str] = []
    stems: set[str] = set()
    for term in sorted(scores, key=lambda term: (-scores[term], tie_break[term])):
        root = stem(term, passage.language)
        if root in stems or (not is_word(term) and any(_overlap(term, other) for other in ranked)):
            continue
        stems.add(root)
        ranked.append(term)
        if len(ranked) == _MOST:
            break
    return ranked


def _is_telling(term: str, language: str) -> bool:
    if term in WEAK_WORDS or "'" in term or "’" in term:
        return False
    # Adverbs; "family", "assembly" and the like are no great loss.
    return not (language in ("en", "und") and len(term) > 5 and term.endswith("ly"))


def _overlap(term: str, other: str) -> bool:
    return term in other or other in term or term[1:] == other[:-1] or term[:-1] == other[1:]
