"""Why a passage must not stand against an anchor as a negative."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from curate.text import count_words, normalise
from schemas.reasons import Reason

# An answer of one or two short words ("1995", "the sea") stands in many passages that do not answer the question.
MIN_ANSWER_WORDS = 3
MIN_ANSWER_CHARACTERS = 12
# A query of a few words ("python sets") stands in many passages; five words in a row are hardly there by chance.
MIN_ANCHOR_WORDS = 5


@dataclass(frozen=True)
class Passage:
    """A chunk, or a supplied text that is no chunk (then `chunk_id` and `document_id` are empty)."""

    text: str
    """What stands in the dataset."""
    normalised: str
    """With a blank at both ends, so that whole words are found in it."""
    bare: str
    """The same without its heading path."""
    keys: frozenset[int]
    """`text_key` of both."""
    chunk_id: str = ""
    document_id: str = ""
    position: int = -1
    start: int = 0
    end: int = 0
    cluster_id: str = ""
    family: str = ""
    """The near-duplicate cluster of its document."""
    elsewhere: bool = False
    """It, or a near-copy of it, lies in another split."""


@dataclass(frozen=True)
class Rules:
    """The settings that the guards use."""

    chunk_threshold: float
    shingle: int
    same_document: bool
    is_rare: Callable[[str], bool] = lambda _: False
    """Whether a short answer names something that few passages of the split name."""


@dataclass
class Positives:
    """All that is known to answer one anchor, whichever pair or rejected question it came with."""

    anchor: str
    passages: list[Passage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """Normalised, with a blank at both ends."""
    verdicts: dict[str, Reason | None] = field(default_factory=dict)
    """By chunk, so that pairs with the same anchor share the work."""

    def add(self, passage: Passage, answer: str | None, evidence: str | None, rules: Rules) -> None:
        """One more passage, with the answer and the evidence quote that were given for it."""
        self.passages.append(passage)
        telling = answer is not None and (_is_telling(answer) or rules.is_rare(answer))
        self.answers += [_padded(text) for text in (evidence, answer if telling else None) if text and normalise(text)]


def text_key(text: str) -> int:
    """64 bits of a hash of the normalised text."""
    return _key(normalise(text))


def chunk_passage(row: Mapping[str, Any], elsewhere: Iterable[str]) -> Passage:
    """A row of `curate/sql/mine_passages.sql`; `elsewhere` holds the clusters that lie in several splits."""
    cluster = row["chunk_cluster_id"] or ""
    normalised, bare = normalise(row["passage"]), normalise(row["text"])
    return Passage(
        text=row["passage"],
        normalised=f" {normalised} ",
        bare=f" {bare} ",
        keys=frozenset((_key(normalised), _key(bare))),
        chunk_id=row["chunk_id"],
        document_id=row["document_id"],
        position=row["position"],
        start=row["start"],
        end=row["end"],
        cluster_id=cluster,
        family=row["cluster_id"],
        elsewhere=cluster in elsewhere,
    )


def supplied_passage(text: str, *, elsewhere: bool) -> Passage:
    """A text that came with an imported pair and is no chunk of its split."""
    normalised = normalise(text)
    padded = f" {normalised} "
    return Passage(text=text, normalised=padded, bare=padded, keys=frozenset((_key(normalised),)), elsewhere=elsewhere)


def reason_against(candidate: Passage, positives: Positives, rules: Rules) -> Reason | None:
    """The first rule that the candidate breaks, or None."""
    if not candidate.chunk_id:
        return _judge(candidate, positives, rules)
    if candidate.chunk_id not in positives.verdicts:
        positives.verdicts[candidate.chunk_id] = _judge(candidate, positives, rules)
    return positives.verdicts[candidate.chunk_id]


def is_repeated(candidate: Passage, earlier: Iterable[Passage]) -> bool:
    """The same text as, or in the same near-duplicate cluster as, an earlier candidate."""
    return any(
        candidate.keys & other.keys or (candidate.cluster_id and candidate.cluster_id == other.cluster_id) for other in earlier
    )


def _judge(candidate: Passage, positives: Positives, rules: Rules) -> Reason | None:
    known = positives.passages
    # Lazy, from the plainest fault to the mildest: a near-duplicate may also hold the answer.
    faults: tuple[tuple[Reason, Callable[[], bool]], ...] = (
        (Reason.NEGATIVE_WITHOUT_WORDS, lambda: not candidate.normalised.strip()),
        (Reason.NEGATIVE_EQUALS_POSITIVE, lambda: any(candidate.keys & positive.keys for positive in known)),
        (Reason.NEGATIVE_NEAR_DUPLICATE, lambda: any(_is_near(candidate, positive, rules) for positive in known)),
        (Reason.NEGATIVE_OVERLAPS_POSITIVE, lambda: any(_adjoins(candidate, positive) for positive in known)),
        (Reason.NEGATIVE_HOLDS_ANSWER, lambda: any(answer in candidate.normalised for answer in positives.answers)),
        (Reason.NEGATIVE_HOLDS_ANCHOR, lambda: _holds_anchor(candidate, positives.anchor)),
        (Reason.NEGATIVE_IN_OTHER_SPLIT, lambda: candidate.elsewhere),
        (Reason.NEGATIVE_IN_SAME_DOCUMENT, lambda: not rules.same_document and _shares_document(candidate, positives)),
    )
    return next((reason for reason, holds in faults if holds()), None)


def _holds_anchor(candidate: Passage, anchor: str) -> bool:
    if text_key(anchor) in candidate.keys:
        return True
    return count_words(anchor) >= MIN_ANCHOR_WORDS and _padded(anchor) in candidate.normalised


def _shares_document(candidate: Passage, positives: Positives) -> bool:
    return any(
        candidate.document_id == positive.document_id or (candidate.family and candidate.family == positive.family)
        for positive in positives.passages
    )


def _is_near(candidate: Passage, positive: Passage, rules: Rules) -> bool:
    if candidate.cluster_id and candidate.cluster_id == positive.cluster_id:
        return True
    pairs = {(candidate.bare, positive.bare), (candidate.normalised, positive.normalised)}
    return any(is_near(a, b, rules.chunk_threshold, rules.shingle) for a, b in pairs)


def is_near(first: str, second: str, threshold: float, size: int) -> bool:
    """Whether the Jaccard similarity of the shingles of two normalised texts reaches the threshold."""
    a, b = _shingles(first, size), _shingles(second, size)
    return bool(a) and bool(b) and len(a & b) >= threshold * len(a | b)


@lru_cache(maxsize=1024)
def _shingles(normalised: str, size: int) -> frozenset[tuple[str, ...]]:
    """`curate.text.shingles` of a text that is normalised already, which takes a tenth of the time."""
    words = normalised.split()
    return frozenset(zip(*(words[i:] for i in range(min(size, len(words)))), strict=False))


def _adjoins(candidate: Passage, positive: Passage) -> bool:
    if not candidate.document_id or candidate.document_id != positive.document_id:
        return False
    overlap = candidate.start < positive.end and positive.start < candidate.end
    return overlap or abs(candidate.position - positive.position) <= 1


def _is_telling(answer: str) -> bool:
    return count_words(answer) >= MIN_ANSWER_WORDS or len(answer.strip()) >= MIN_ANSWER_CHARACTERS


def _padded(text: str) -> str:
    return f" {normalise(text)} "


def _key(normalised: str) -> int:
    return int.from_bytes(blake2b(normalised.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
