"""Passages of this corpus that are known to answer, for the automatic margin: rewritten positives, and what the plain guards recognise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from curate.mine.guards import reason_against
from curate.mine.margins import MISSED, Margin, automatic, share
from curate.mine.searching import Batchwork, Pair, Search, own_score, searches_of
from curate.text import normalise, sentence_spans
from schemas.reasons import Reason

PAIRS_TRIED = 200
RANKS_TRIED = 12
"""How deep their windows are looked at, at least; each passage is embedded where a teacher is set."""
ANSWERS_TOO = (Reason.NEGATIVE_EQUALS_POSITIVE, Reason.NEGATIVE_NEAR_DUPLICATE, Reason.NEGATIVE_HOLDS_ANSWER)


def automatic_margin(work: Batchwork, pairs: Sequence[Pair]) -> tuple[Margin, str]:
    """A margin with its relative part set from these pairs, and a sentence on it; unchanged where too little is known to answer."""
    mine = work.context.settings.mine
    depth = max(RANKS_TRIED, mine.first_rank + mine.negatives + 2)
    searches = searches_of(work, pairs[:PAIRS_TRIED], min(depth, max(mine.last_rank, RANKS_TRIED)))
    known: list[float] = []
    needed: list[float] = []
    for search, found in zip(searches, _judged(work, searches), strict=True):
        own = own_score(work, search)
        known += [share(score, own) for score, reason in found if reason in ANSWERS_TOO]
        left = sorted(share(score, own) for score, reason in found if reason is None)
        wanted = mine.negatives - mine.easy_negatives
        # Where the engine finds the positive late or not at all, others always score higher: such pairs are filled by the stated policy.
        if wanted and work.pool.position(search.pair["chunk_id"]) in search.hits:
            needed.append(left[wanted - 1] if wanted <= len(left) else float("inf"))
    known += _rewritten(work, searches)
    relative = automatic(known, needed)
    if relative is None:
        return (
            work.margin,
            f"Too few passages are known to answer ({len(known)}) for an automatic margin: it stays {work.margin.relative}.",
        )
    caught = sum(value > relative for value in known) / len(known)
    sentence = f"Automatic margin: {relative:.0%} of the positive's score; {caught:.0%} of {len(known):,} passages known to answer score higher"
    starved = "" if caught >= 1 - MISSED - 0.01 else ", and a lower one would leave too few candidates"
    return Margin(relative, work.margin.absolute, work.margin.highest), f"{sentence}{starved}."


def _judged(work: Batchwork, searches: Sequence[Search]) -> list[list[tuple[float, Reason | None]]]:
    """(score that margins are taken on, what the plain guards say) of each search's candidates, the own chunk apart."""
    pool, first = work.pool, work.context.settings.mine.first_rank
    work.passages.load(pool.chunk_ids[position] for search in searches for position in search.hits)
    found = [
        [
            (work.passages.by_id[pool.chunk_ids[position]], score)
            for position, score in islice(zip(search.hits, search.scores, strict=True), first - 1, None)
            if pool.chunk_ids[position] != search.pair["chunk_id"]
        ]
        for search in searches
    ]
    asked = [(search.pair["anchor"], passage.text) for search, near in zip(searches, found, strict=True) for passage, _ in near]
    cosines = work.models.cosines(asked)
    return [
        [
            (cosines.get((search.pair["anchor"], passage.text), score), reason_against(passage, search.positives, work.rules))
            for passage, score in near
        ]
        for search, near in zip(searches, found, strict=True)
    ]


def _rewritten(work: Batchwork, searches: Sequence[Search]) -> list[float]:
    """Shares of the positives' own scores that their rewritten texts keep."""
    texts = [rewritten(search.pair["positive"], search.positives.answers) for search in searches]
    told = [(search, text) for search, text in zip(searches, texts, strict=True) if text is not None]
    cosines = work.models.cosines([(search.pair["anchor"], text) for search, text in told])
    shares = []
    for search, text in told:
        score = cosines.get((search.pair["anchor"], text))
        if score is None and work.models.teacher is None:
            terms = work.pool.index.terms(work.pool.index.tokens(search.pair["anchor"]))
            score = work.pool.index.score_outside(terms, work.pool.index.tokens(text)) if terms else None
        if score is not None:
            shares.append(share(score, own_score(work, search)))
    return shares


def rewritten(passage: str, answers: Sequence[str]) -> str | None:
    """The passage told otherwise: without its headings, its sentences in reverse order, every third left out unless it holds an answer.

    `answers`: normalised, with a blank at both ends. None where there are fewer than two sentences.
    """
    text = passage.rpartition("\n\n")[2] or passage
    sentences = [text[start:end].strip() for start, end in sentence_spans(text, "en")]
    if len(sentences) < 2:
        return None
    kept = [
        sentence
        for number, sentence in enumerate(sentences)
        if number % 3 != 2 or any(answer.strip() in normalise(sentence) for answer in answers)
    ]
    return " ".join(reversed(kept))
