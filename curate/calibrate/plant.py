"""Plants faults into real rows: one row of each kind for each question, where the fault can be applied.

One row in: a question that the gates keep, with its chunk. Out: up to one row a kind, an item for the scorer that says what was done to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from curate.calibrate import foreign, repeat, wording, wrong_fact, wrong_passage
from curate.calibrate.chance import Chance
from curate.calibrate.material import Material, Row
from curate.stage import content_id

Plant = Callable[[Row, Material, Chance], dict[str, Any] | None]
"""The fields that a fault changes, or None where it cannot be applied."""

PLANTS: dict[str, Plant] = {
    "wrong_passage_random": wrong_passage.from_anywhere,
    "wrong_passage_near": wrong_passage.nearest,
    "wrong_passage_same_document": wrong_passage.from_same_document,
    "wrong_passage_answered": wrong_passage.answered,
    "answer_removed": wrong_passage.answer_removed,
    "changed_number": wrong_fact.changed_number,
    "swapped_entity": wrong_fact.swapped_entity,
    "negation": wrong_fact.negation,
    "context_bound": wording.context_bound,
    "truncated": wording.truncated,
    "statement": wording.statement,
    "duplicate": repeat.duplicate,
    "off_language": foreign.off_language,
}
KINDS = tuple(PLANTS)
WRONG_PASSAGE = ("wrong_passage_random", "wrong_passage_near", "wrong_passage_same_document", "wrong_passage_answered")
UNTRUE = (*WRONG_PASSAGE, "answer_removed", "changed_number", "swapped_entity", "negation")
"""Kinds that read well and are not true of their passage: what scores, not rules of form, must find."""

MEANING: dict[str, str] = {
    "wrong_passage_random": "beside a passage of another document, a quote taken from it",
    "wrong_passage_near": "beside the passage that BM25 finds best for it, its own apart",
    "wrong_passage_same_document": "beside another passage of its document",
    "wrong_passage_answered": "beside the passage that BM25 finds best for it, quote and answer taken from it",
    "answer_removed": "its evidence cut out of the passage, another sentence quoted",
    "changed_number": "a number of question or answer changed",
    "swapped_entity": "a name of question or answer exchanged for one of another document",
    "negation": "a negation put into, or taken out of, question or answer",
    "context_bound": "needs the passage in view",
    "truncated": "breaks off in the middle",
    "statement": "a statement in its place",
    "duplicate": "asked again in nearly the same words",
    "off_language": "in another language than its passage",
}
_SAID = ("question", "chunk_id", "text", "answer", "evidence")


@dataclass(frozen=True)
class Planting:
    """Planted rows in the order of kinds and of the originals' ids, and how many originals each kind could not be planted into."""

    rows: list[dict[str, Any]]
    skipped: dict[str, int] = field(default_factory=dict)


def plant(originals: Sequence[Row], material: Material, seed: int, kinds: Sequence[str] = KINDS) -> Planting:
    """The faults of these kinds in all the originals; the same rows whatever the originals' order.

    A planted row equal to an original or to another planted one, in all that is said, is none.
    """
    said = {tuple(row[name] for name in _SAID) for row in originals}
    rows: list[dict[str, Any]] = []
    skipped: Counter[str] = Counter(dict.fromkeys(kinds, 0))
    for kind in kinds:
        for original in sorted(originals, key=lambda row: row["question_id"]):
            planted = planted_row(original, kind, material, seed)
            if planted is None or (key := tuple(planted[name] for name in _SAID)) in said:
                skipped[kind] += 1
                continue
            said.add(key)
            rows.append(planted)
    return Planting(rows, dict(skipped))


def planted_row(original: Row, kind: str, material: Material, seed: int) -> dict[str, Any] | None:
    """One original with one fault; None where that fault cannot be applied to it."""
    change = PLANTS[kind](original, material, Chance(seed, kind, original["question_id"]))
    if change is None or all(original[name] == value for name, value in change.items()):
        return None
    return {
        **original,
        **change,
        "question_id": content_id("planted", kind, original["question_id"]),
        "kind": kind,
        "original_id": original["question_id"],
    }
