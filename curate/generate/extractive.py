"""Questions from the text itself, without a model: a passage in, its candidates out, the most helpful styles first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curate.generate.definitions import definition_candidate
from curate.generate.frequencies import Frequencies
from curate.generate.headings import heading_candidate
from curate.generate.passage import Candidate, Passage
from curate.generate.sentences import question_candidates, sentence_candidates, sentences
from curate.generate.terms import terms_candidate
from curate.text import normalise

SECOND_SENTENCE_FROM = 80
"""Tokens of a passage from which two of its sentences are asked with."""


@dataclass(frozen=True)
class Work:
    """A batch of passages and all that is needed to write their questions."""

    passages: tuple[Passage, ...]
    frequencies: Frequencies
    styles: tuple[str, ...]
    most: int
    """Questions a chunk, `generate.questions_per_chunk`."""
    seed: int


def extract_batch(work: Work) -> list[list[Candidate]]:
    """Candidates of each passage, in order."""
    return [extract(passage, work) for passage in work.passages]


def extract(passage: Passage, work: Work) -> list[Candidate]:
    """At most as many candidates as the passage bears; for dev and test only those that do not stand in the passage."""
    count = passage.bears(work.most)
    train = passage.split == "train"
    ranked: list[Candidate] = []
    found = sentences(passage)
    if "sentence" in work.styles and train:
        most = 2 if passage.tokens > SECOND_SENTENCE_FROM else 1
        ranked += sentence_candidates(passage, found, work.frequencies, work.seed, most)
    others: list[Candidate | None] = []
    if "question_in_text" in work.styles:
        others += question_candidates(passage, found, 2)
    if "definition" in work.styles:
        others.append(definition_candidate(passage, found))
    if "heading" in work.styles:
        others.append(heading_candidate(passage, verbatim_allowed=train))
    # Telling words teach less than sentences (docs/benchmarks.md): in training they stand in where the text gives nothing else.
    if "terms" in work.styles and not (train and (ranked or any(others))):
        others.append(terms_candidate(passage, work.frequencies, work.seed))
    # The second sentence comes after one of each other style.
    ranked = ranked[:1] + [one for one in others if one is not None and (train or not one.verbatim)] + ranked[1:]
    return _distinct(ranked)[:count]


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(normalise(candidate.question), candidate)
    first.pop("", None)
    return list(first.values())
