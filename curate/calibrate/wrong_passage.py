"""Faults of the passage: a question beside a passage that does not answer it, or no longer does.

The quote is taken again from the passage that is there now, so that it does not give the fault away. The answer stays what the generator said,
but for `answered`, where it is taken again as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from curate.calibrate.chance import Chance
from curate.calibrate.material import Material, Row, Source, best_sentence, cut_answer, holds, same_words
from curate.text import count_words, sentence_spans, words
from curate.verify.quotes import evidence_found

Change = dict[str, Any]

_NEAR_TRIED = 30
_LEAST_LEFT = 15
"""Words that must be left of a passage after its evidence was cut out: shorter ones would fall for their length."""


def from_anywhere(row: Row, material: Material, chance: Chance) -> Change | None:
    """A passage of another document, by lot."""
    own = material.corpus.position_of[row["chunk_id"]]
    for attempt in range(20):
        position = chance.number(f"passage {attempt}", len(material.chunk_ids))
        if material.documents[position] != row["document_id"] and material.copies(position) != material.copies(own):
            source = material.source(position)
            if source.cluster_id != row["cluster_id"] and (change := _moved(row, source)):
                return change
    return None


def nearest(row: Row, material: Material, chance: Chance) -> Change | None:  # noqa: ARG001 (the signature of all faults)
    """The passage that BM25 finds best for the question, the own one and its near-copies apart."""
    found = _near(row, material)
    return None if found is None else found[1]


def answered(row: Row, material: Material, chance: Chance) -> Change | None:  # noqa: ARG001
    """As `nearest`, with an answer cut from the sentence that is quoted: all that is said stands in the passage, and none of it answers."""
    if not row["answer"] or (found := _near(row, material)) is None or found[1]["evidence"] is None:
        return None
    return {**found[1], "answer": cut_answer(found[1]["evidence"])}


def from_same_document(row: Row, material: Material, chance: Chance) -> Change | None:
    """Another passage of the same document, by lot; never the nearest of all, which is a fault of its own."""
    own = material.corpus.position_of[row["chunk_id"]]
    near = _near(row, material)
    others = [
        position
        for position in material.positions[row["document_id"]]
        if material.copies(position) != material.copies(own)
        and (near is None or material.copies(position) != material.copies(near[0]))
    ]
    return _first(row, material, chance.shuffled("passage", others))


def _near(row: Row, material: Material) -> tuple[int, Change] | None:
    own = material.corpus.position_of[row["chunk_id"]]
    for position in material.nearest(row["question"], _NEAR_TRIED):
        if material.copies(position) != material.copies(own) and (change := _moved(row, material.source(position))):
            return position, change
    return None


def _first(row: Row, material: Material, positions: Iterable[int]) -> Change | None:
    changes = (_moved(row, material.source(position)) for position in positions)
    return next((change for change in changes if change is not None), None)


def _moved(row: Row, source: Source) -> Change | None:
    """The question beside another passage; None where that one holds the evidence or answer, or no sentence to quote."""
    if holds(source.passage, row):
        return None
    quote = best_sentence(row["question"], source.text, source.language)
    if quote is None or not evidence_found(quote, source.text):
        return None
    return {
        "chunk_id": source.chunk_id,
        "text": source.text,
        "passage": source.passage,
        "headings": source.headings,
        "evidence": quote if row["evidence"] else None,
    }


def answer_removed(row: Row, material: Material, chance: Chance) -> Change | None:  # noqa: ARG001
    """The sentences that hold the evidence are cut out of the passage, and another one is quoted in their place. The answer stays."""
    if not row["evidence"] or row["text"] not in row["passage"]:
        return None
    left = _without(row["text"], row["evidence"], row["language"])
    if left is None or count_words(left) < _LEAST_LEFT or holds(left, row):
        return None
    quote = best_sentence(row["question"], left, row["language"])
    if quote is None or same_words(quote, row["evidence"]) or not evidence_found(quote, left):
        return None
    before, _, after = row["passage"].rpartition(row["text"])
    return {"text": left, "passage": before + left + after, "evidence": quote, "altered": True}


def _without(text: str, evidence: str, language: str) -> str | None:
    """The text without the sentences that share four words in a row, or all of theirs, with the evidence; None when there is none."""
    said = words(evidence)
    runs = {tuple(said[i : i + 4]) for i in range(max(1, len(said) - 3))}
    kept: list[str] = []
    spans = sentence_spans(text, language)
    for start, end in spans:
        found = words(text[start:end])
        if not any(tuple(found[i : i + 4]) in runs for i in range(max(1, len(found) - 3))):
            kept.append(text[start:end])
    return "".join(kept).strip() if len(kept) < len(spans) else None
