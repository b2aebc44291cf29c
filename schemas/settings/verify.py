"""The section of stage `verify`: the models that score questions, and which questions the judge is asked about."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.settings.section import FILE, HOW, PLACE, Section


class VerifySettings(Section):
    """Scores of candidate questions; thresholds are in [filter]."""

    rank_window: int = Field(200, ge=1, description="Ranks beyond it are recorded as not found.")
    dense_model: str | None = Field(
        None,
        min_length=1,
        description="Embedding model (hub id or folder) that searches for each question's passage, besides BM25; needs the train extra.",
        json_schema_extra=PLACE,
    )
    checker: str | None = Field(
        None,
        min_length=1,
        description=(
            "Cross-encoder (hub id or folder; one from `curate train --task checker`, or a QNLI model) that scores whether the passage "
            "answers the question; needs the train extra."
        ),
        json_schema_extra=PLACE,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where these two models run.", json_schema_extra=HOW
    )
    model_batch: int = Field(32, ge=1, description="Texts that these models read at once.", json_schema_extra=HOW)
    judged: tuple[Literal["llm", "extractive", "imported"], ...] = Field(
        ("llm",), description="Origins of the questions that the judge (llm.judge.model) is asked about."
    )
    judge_prompt: str | None = Field(
        None, description="Prompt file to use in place of curate/prompts/judge.md.", json_schema_extra=FILE
    )
