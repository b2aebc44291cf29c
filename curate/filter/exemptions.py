"""Which questions gates leave alone: what the user brought is trusted further than what a machine wrote.

Imported anchors need not read as questions and may speak of "this", and nobody asks whether they are true of their passage. Where the
user's row carries a score or a label, or is no positive, its passage is a sentence beside a sentence (STS, NLI), so minimum lengths and
verbatim copies mean nothing. Sentences of the passage itself are verbatim on purpose.
"""

from __future__ import annotations

from curate.filter.outcome import Row
from schemas.settings import FilterSettings


def is_measured(row: Row) -> bool:
    """Whether the user's row is about the pair of texts (scored, labelled, or no positive) and not only a question with its answer."""
    if row["origin"] != "imported":
        return False
    return row["score"] is not None or row["label"] is not None or not row["is_positive"]


def looked_at(row: Row, on: bool) -> bool:
    """Whether a gate that is on asks if the question is true of its passage: the user's own are believed."""
    return on and row["origin"] != "imported"


def weighed_together(row: Row, settings: FilterSettings) -> bool:
    """Whether the fitted decision stands for the thresholds on searches and the checker: it was fitted on a language model's questions."""
    return settings.decision == "fitted" and row["origin"] == "llm"
