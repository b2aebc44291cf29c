"""Rows of `questions`, and what is kept of candidates that become none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.generate.passage import Candidate
from curate.stage import content_id


@dataclass(frozen=True)
class Author:
    """Which generator wrote a question; of a language model also its name, the hash of its prompt, and the group of a question's rows."""

    origin: str
    model: str | None = None
    prompt: str | None = None
    group_id: str | None = None


EXTRACTIVE = Author("extractive")
PROMPT_DIGITS = 16


def question_row(chunk_id: str, candidate: Candidate, author: Author) -> dict[str, Any]:
    """A row of `questions`. Only extractive questions are verbatim by design; a copy by a model is for the gates to reject."""
    return {
        "question_id": content_id("question", chunk_id, candidate.question, candidate.style, ""),
        "chunk_id": chunk_id,
        "question": candidate.question,
        "style": candidate.style,
        "answer": candidate.answer,
        "evidence": candidate.evidence,
        "origin": author.origin,
        "model": author.model,
        "prompt": author.prompt[:PROMPT_DIGITS] if author.prompt else None,
        "group_id": author.group_id,
        "train_only": author.origin == "extractive" and candidate.verbatim,
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
        "prompt": None,
        "group_id": None,
        "train_only": False,
        "imported_pair_id": pair["imported_pair_id"],
        "is_positive": pair["is_positive"],
        "score": pair["score"],
        "label": pair["label"],
    }
