"""Columns of plain rows (JSONL, CSV, TSV, Parquet): which names mean what, and of which kind the rows are that have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from schemas.dataset import negative_columns, score_columns
from schemas.errors import InputError

ANCHOR = ("anchor", "query", "question", "premise", "sentence1", "sentence_a", "text1", "text_a")
PASSAGE = (
    *("positive", "pos", "context", "passage", "document", "answer", "response", "hypothesis"),
    *("sentence2", "sentence_b", "text2", "text_b", "text"),
)
NEGATIVE = ("negative", "neg", "hard_negative")
SCORE = ("score", "similarity", "similarity_score")
LABEL = ("label", "labels")
"""Names of columns, in any letter case and with `-` for `_`; the first that is there is taken."""

KINDS = {
    "pairs": "anchor, positive",
    "triplets": "anchor, positive, negative (or negative_1 … negative_k)",
    "multi_positive": "anchor, positives and negatives as lists (also query, pos, neg)",
    "scored": "two texts and a score from 0 to 1, or to 5",
    "labeled": "two texts and a label 0 or 1",
    "nli": "premise, hypothesis and a label: entailment (0), neutral (1), contradiction (2)",
    "distilled": "as triplets, with positive_score, negative_1_score … negative_k_score",
}
"""Kind of rows → the columns that say it."""

NLI_LABELS = ("entailment", "neutral", "contradiction")

YES_NO = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "0": 0, "0.0": 0, "false": 0, "no": 0}
NLI_NUMBERS = {name: number for number, name in enumerate(NLI_LABELS)} | {str(number): number for number in range(3)}
"""Labels as they are written, in lower case → the number they mean."""


def json_object(line: str, place: str) -> dict[str, Any]:
    """A line of JSONL, which stands at `place`. Raises InputError when it holds anything but one JSON object."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", where=place, next_step="write one JSON object a line") from error
    if not isinstance(found, dict):
        raise InputError(f"not a JSON object but {type(found).__name__}", where=place, next_step="write one JSON object a line")
    return found


def folded(name: Any) -> str:
    """A column's name as it is compared."""
    return str(name).strip().lower().replace("-", "_")


def first_of(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first of the wanted names that is there."""
    return next((name for name in wanted if name in names), None)


def kind_of(
    names: Sequence[str], holds_lists: Callable[[str], bool], values: Callable[[str], set[str]]
) -> tuple[str, dict[str, str]] | None:
    """The kind of rows with these folded names and, of each column of the kind, its name among them; None when they fit no kind.

    `holds_lists` says of a column whether its values are lists of texts, `values` which labels in lower case it holds.
    """
    anchor, passage = first_of(names, ANCHOR), first_of(names, PASSAGE)
    positives = first_of(names, ("positives", "pos", "positive"))
    against = first_of(names, ("negatives", "neg", "negative"))
    if against and holds_lists(against):
        positives = positives or passage
    if anchor and positives and (holds_lists(positives) or (against and holds_lists(against))):
        return "multi_positive", {"anchor": anchor, "positives": positives} | ({"negatives": against} if against else {})
    if not anchor or not passage:
        return None
    label, score = first_of(names, LABEL), first_of(names, SCORE)
    negatives = [name for name in (first_of(names, NEGATIVE), *_numbered(names)) if name]
    if negatives:
        columns = {"anchor": anchor, "positive": passage} | dict(zip(negative_columns(len(negatives)), negatives, strict=True))
        scores = {name: name for name in score_columns(len(negatives)) if name in names}
        return ("distilled", columns | scores) if len(scores) == len(negatives) + 1 else ("triplets", columns)
    two = {"anchor": anchor, "passage": passage}
    if label:
        three = anchor == "premise" or bool(values(label) & {"2", *NLI_LABELS})
        return "nli" if three else "labeled", two | {"label": label}
    if score:
        return "scored", two | {"score": score}
    return "pairs", {"anchor": anchor, "positive": passage}


def _numbered(names: Sequence[str]) -> list[str]:
    numbered = [(name.rpartition("_"), name) for name in names]
    return [name for (stem, _, number), name in sorted(numbered, key=_number) if stem in NEGATIVE and number.isdigit()]


def _number(entry: tuple[tuple[str, str, str], str]) -> int:
    number = entry[0][2]
    return int(number) if number.isdigit() else 0
