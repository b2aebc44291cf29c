"""Rows of `questions`, and what is kept of candidates that become none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.generate.passage import Candidate
from curate.stage import content_id


def question_row(chunk_id: str, candidate: Candidate, *, origin: str, model: str | None = None) -> dict[str, Any]:
    """A row of `questions`. Only extractive questions are verbatim by design; a copy by a model is for the gates to reject."""
    return {
        "question_id": content_id("question", chunk_id, candidate.question, candidate.style, ""),
        "chunk_id": chunk_id,
        "question": candidate.question,
        "style": candidate.style,
        "answer": candidate.answer,
        "evidence": candidate.evidence,
        "origin": origin,
        "model": model,
        "train_only": origin == "extractive" and candidate.verbatim,
        "imported_pair_id": None,
        "is_positive": True,
        "score": None,
        "label": None,
    }


def imported_row(chunk_id: str, pair: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `questions` from a row of `imported_pairs`."""
    style = "imported"
    return {
        "question_id": content_id("question", chunk_id, pair["anchor"], style, pair["imported_pair_id"]),
        "chunk_id": chunk_id,
        "question": pair["anchor"],
        "style": style,
        "answer": None,
        "evidence": None,
        "origin": "imported",
        "model": None,
        "train_only": False,
        "imported_pair_id": pair["imported_pair_id"],
        "is_positive": pair["is_positive"],
        "score": pair["score"],
        "label": pair["label"],
    }
