"""Why a passage must not stand against an anchor as a negative."""

from __future__ import annotations

from dataclasses import dataclass, field

from curate.mine.passages import Passage, text_key
from curate.mine.rarity import Lexicon
from curate.text import count_words, normalise
from schemas.reasons import Reason

# An answer of one or two short words ("1995", "the sea") stands in many passages that do not answer the question.
MIN_ANSWER_WORDS = 3
MIN_ANSWER_CHARACTERS = 12
# A query of a few words ("python sets") stands in many passages; five words in a row are hardly there by chance.
MIN_ANCHOR_WORDS = 5
# Measured by benchmarks/mine_quality.py: of passages that nobody planted, squad 0.1% and medquad 1% share half of the weight of their words with a
# positive, paraphrases 93 to 100%.
SAME_WORDS = 0.5
LEAST_WORDS = 12
"""Passages of fewer content words share many by chance, or are about one thing and say two."""


@dataclass(frozen=True)
class Rules:
    """The settings that the guards use."""

    chunk_threshold: float
    shingle: int
    same_document: bool
    lexicon: Lexicon = field(default_factory=Lexicon)


@dataclass
class Positives:
    """All that is known to answer one anchor, whichever pair or rejected question it came with."""

    anchor: str
    passages: list[Passage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """Normalised, with a blank at both ends."""
    verdicts: dict[str, Reason | None] = field(default_factory=dict)
    """By chunk, so that pairs with the same anchor share the work."""
    key: int = 0
    long_anchor: str | None = None
    """The anchor, normalised, with a blank at both ends; None where it is too short to tell."""

    def __post_init__(self) -> None:
        self.key = text_key(self.anchor)
        self.long_anchor = _padded(self.anchor) if count_words(self.anchor) >= MIN_ANCHOR_WORDS else None

    def add(self, passage: Passage, answer: str | None, evidence: str | None, rules: Rules) -> None:
        """One more passage, with the answer and the evidence quote that were given for it."""
        self.passages.append(passage)
        telling = answer is not None and (_is_telling(answer) or rules.lexicon.is_rare(answer))
        self.answers += [_padded(text) for text in (evidence, answer if telling else None) if text and normalise(text)]


def reason_against(candidate: Passage, positives: Positives, rules: Rules) -> Reason | None:
    """The first rule that the candidate breaks, or None."""
    if not candidate.chunk_id:
        return _judge(candidate, positives, rules)
    if candidate.chunk_id not in positives.verdicts:
        positives.verdicts[candidate.chunk_id] = _judge(candidate, positives, rules)
    return positives.verdicts[candidate.chunk_id]


def _judge(candidate: Passage, positives: Positives, rules: Rules) -> Reason | None:
    """From the plainest fault to the mildest: a near-duplicate may also hold the answer."""
    return _same(candidate, positives, rules) or _answers(candidate, positives) or _misplaced(candidate, positives, rules)


def _same(candidate: Passage, positives: Positives, rules: Rules) -> Reason | None:
    known = positives.passages
    if candidate.normalised.isspace():
        return Reason.NEGATIVE_WITHOUT_WORDS
    if any(candidate.keys & positive.keys for positive in known):
        return Reason.NEGATIVE_EQUALS_POSITIVE
    if any(is_near(candidate, positive, rules.chunk_threshold) for positive in known):
        return Reason.NEGATIVE_NEAR_DUPLICATE
    if any(_adjoins(candidate, positive) for positive in known):
        return Reason.NEGATIVE_OVERLAPS_POSITIVE
    if any(_says_the_same(candidate, positive, rules) for positive in known):
        return Reason.NEGATIVE_NEAR_DUPLICATE
    return None


def _answers(candidate: Passage, positives: Positives) -> Reason | None:
    if any(answer in candidate.normalised for answer in positives.answers):
        return Reason.NEGATIVE_HOLDS_ANSWER
    if any(_share_telling_run(candidate, positive) for positive in positives.passages):
        return Reason.NEGATIVE_HOLDS_ANSWER
    if positives.key in candidate.keys or (positives.long_anchor and positives.long_anchor in candidate.normalised):
        return Reason.NEGATIVE_HOLDS_ANCHOR
    return None


def _misplaced(candidate: Passage, positives: Positives, rules: Rules) -> Reason | None:
    if candidate.elsewhere:
        return Reason.NEGATIVE_IN_OTHER_SPLIT
    if not rules.same_document and any(_of_one_document(candidate, positive) for positive in positives.passages):
        return Reason.NEGATIVE_IN_SAME_DOCUMENT
    return None


def is_near(candidate: Passage, positive: Passage, threshold: float) -> bool:
    """Of one near-duplicate cluster, or the Jaccard similarity of their word shingles reaches the threshold, with or without headings."""
    if candidate.cluster_id and candidate.cluster_id == positive.cluster_id:
        return True
    return _are_near(candidate.wording.shingles, positive.wording.shingles, threshold) or _are_near(
        candidate.headed, positive.headed, threshold
    )


def _are_near(first: frozenset[int], second: frozenset[int], threshold: float) -> bool:
    if not first or not second or min(len(first), len(second)) < threshold * max(len(first), len(second)):
        return False
    if first.isdisjoint(second):
        return False
    both = len(first & second)
    return both >= threshold * (len(first) + len(second) - both)


def _says_the_same(candidate: Passage, positive: Passage, rules: Rules) -> bool:
    """Told in other words or another order: names, numbers and terms stay, which weigh most."""
    one, other = candidate.wording.words, positive.wording.words
    return min(len(one.numbers), len(other.numbers)) >= LEAST_WORDS and rules.lexicon.shared(one, other) >= SAME_WORDS


def _share_telling_run(candidate: Passage, positive: Passage) -> bool:
    """Ten words in a row of the positive that name something rare: not boilerplate, and the answer may be among them."""
    one, other = candidate.wording.telling, positive.wording.telling
    return bool(len(one) and len(other)) and not set(one.tolist()).isdisjoint(other.tolist())


def _of_one_document(candidate: Passage, positive: Passage) -> bool:
    same_family = bool(candidate.family) and candidate.family == positive.family
    return candidate.document_id == positive.document_id or same_family


def _adjoins(candidate: Passage, positive: Passage) -> bool:
    if not candidate.document_id or candidate.document_id != positive.document_id:
        return False
    overlap = candidate.start < positive.end and positive.start < candidate.end
    return overlap or abs(candidate.position - positive.position) <= 1


def _is_telling(answer: str) -> bool:
    return count_words(answer) >= MIN_ANSWER_WORDS or len(answer.strip()) >= MIN_ANSWER_CHARACTERS


def _padded(text: str) -> str:
    return f" {normalise(text)} "
