"""The section of stage `filter`: thresholds on the scores, and the fitted decision that may take their place."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from schemas.settings.section import FILE, Section

COMBINED_SCORES = (
    "word_overlap",
    "specific_words",
    "question_words",
    "unsupported_numbers",
    "unsupported_names",
    "negation_differs",
    "answer_overlap",
    "has_answer",
    "bm25_rank",
    "bm25_margin",
    "bm25_answer_margin",
    "dense_rank",
    "dense_score",
    "dense_margin",
    "checker_score",
)
"""What a fitted decision may weigh."""


class CombinerSettings(Section):
    """A fitted decision: the logistic of a weighted sum of scores, as `curate calibrate` writes it."""

    intercept: float = Field(description="Constant of the sum.", allow_inf_nan=False)
    weights: dict[str, float] = Field(description="Weight of each score (names as in docs/gates.md).")
    threshold: float = Field(ge=0, le=1, description="Questions with a lower probability of being good are rejected.")

    @field_validator("weights")
    @classmethod
    def scores_are_known(cls, value: dict[str, float]) -> dict[str, float]:
        """A misspelt score would weigh nothing, in silence."""
        for name in sorted(value.keys() - set(COMBINED_SCORES)):
            raise ValueError(f"no score is called {name}; there are {', '.join(COMBINED_SCORES)}")
        return value


class FilterSettings(Section):
    """Thresholds on the scores."""

    min_question_words: int = Field(3, ge=1, description="Shorter questions are rejected.")
    max_question_words: int = Field(64, ge=1, description="Longer questions are rejected (extractive sentences are exempt).")
    min_passage_words: int = Field(10, ge=1, description="Shorter passages are rejected.")
    question_form: bool = Field(
        True, description="Reject what does not read as a question or query (imported anchors are exempt)."
    )
    verbatim: bool = Field(
        True, description="Reject questions that stand verbatim in the passage (extractive styles are exempt by name)."
    )
    context_bound: bool = Field(True, description="Reject questions that need the passage in view.")
    language: bool = Field(True, description="Reject questions in another language than their passage.")
    evidence: bool = Field(True, description="Reject questions whose evidence quote is not in the chunk.")
    min_specific_words: int = Field(
        1, ge=0, description="A language model's question with fewer words that set its passage apart is rejected."
    )
    min_evidence_words: int = Field(4, ge=1, description="A question whose evidence quote is shorter is rejected.")
    numbers: bool = Field(True, description="Reject questions with a number, date or amount that is not in the chunk.")
    names: bool = Field(False, description="Reject questions with a name that is not in the chunk.")
    negation: bool = Field(False, description="Reject questions that deny what their evidence says, or say what it denies.")
    min_answer_overlap: float = Field(
        0.0, ge=0, le=1, description="Reject questions with a smaller share of the answer's content words in the chunk."
    )
    max_round_trip_rank: int | None = Field(
        None,
        ge=1,
        description="Reject train questions whose passage every search (BM25, and verify.dense_model where set) ranks lower; unset: off.",
    )
    min_bm25_margin: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="Reject train questions whose passage BM25 leads by less (below 0: another leads), unless dense search finds it first.",
    )
    min_bm25_answer_margin: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="Reject train questions whose passage BM25 leads by less when the answer is searched along, unless dense search finds it first.",
    )
    min_dense_margin: float | None = Field(
        None, ge=-2, le=2, description="The same for the cosine of verify.dense_model; where both are set, both must fall short."
    )
    max_margin: float | None = Field(
        None, ge=0, le=1, description="Reject train questions whose passage leads by more under BM25: too easy; unset: off."
    )
    min_checker_score: float | None = Field(
        None, ge=0, le=1, description="Reject questions with a lower score of verify.checker; unset: off."
    )
    judge: bool = Field(True, description="Reject what the judge denies, quarantine what it leaves unclear.")
    decision: Literal["thresholds", "fitted"] = Field(
        "thresholds",
        description="fitted: for questions of a language model, all scores weighed together take the place of the thresholds on searches and checker (needs [filter.combiner]).",
    )
    combiner: CombinerSettings | None = Field(None, description="Fitted decision for training questions.")
    combiner_no_search: CombinerSettings | None = Field(
        None, description="Fitted decision without searches, for dev and test questions."
    )
    max_rank: int = Field(
        200, ge=1, description="A train question that BM25 finds no better than this and that shares no content word is rejected."
    )
    duplicate_threshold: float = Field(
        0.85, gt=0, le=1, description="Jaccard similarity of words from which two questions are near-duplicates."
    )
    decontaminate: tuple[str, ...] = Field(
        (),
        description=(
            "Files of real queries or benchmarks that training is kept apart from (text: a query a line; JSONL, CSV, TSV, Parquet: column "
            "query, question, anchor or text, and passage, corpus or context for passages). They are never exported nor shown to a model."
        ),
        json_schema_extra=FILE,
    )

    @model_validator(mode="after")
    def fitted_decision_is_there(self) -> FilterSettings:
        """A decision by nothing would keep everything."""
        if self.decision == "fitted" and (self.combiner is None or self.combiner_no_search is None):
            raise ValueError("decision = fitted needs combiner and combiner_no_search, as `curate calibrate --fit` writes them")
        return self
