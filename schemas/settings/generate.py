"""The section of stage `generate`: kinds of questions and how often each is asked for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from schemas.settings.section import FILE, Section

ExtractiveStyle = Literal["sentence", "heading", "definition", "terms", "question_in_text"]


class StyleWeights(Section):
    """How often a language model is asked for each kind of question; 0 leaves a kind out."""

    keywords: float = Field(2.0, ge=0, description="A few search words.")
    natural: float = Field(3.0, ge=0, description="A question in everyday words.")
    how_to: float = Field(2.0, ge=0, description="How to do something, or put right what goes wrong.")
    factoid: float = Field(3.0, ge=0, description="A question with one short answer.")
    comparison: float = Field(1.0, ge=0, description="How two things differ, or which one to take.")
    definition: float = Field(1.0, ge=0, description="What something is.")
    situational: float = Field(1.0, ge=0, description="A situation in a sentence or two, then the question.")
    multi_chunk: float = Field(
        0.0, ge=0, description="A question that needs two chunks of one document; a call of its own for two chunks."
    )

    @model_validator(mode="after")
    def one_kind_is_left(self) -> StyleWeights:
        """Nothing could be asked for."""
        if not any(value for name, value in self if name != "multi_chunk"):
            raise ValueError("at least one kind besides multi_chunk needs a weight above 0")
        return self


class GenerateSettings(Section):
    """Chunks in, candidate questions out."""

    questions_per_chunk: int = Field(
        4, ge=1, description="At most this many questions of each generator for a chunk; fewer for chunks that say little."
    )
    weights: StyleWeights | None = Field(
        None, description="Kinds of LLM questions; unset: as in `generate.examples`, else the defaults shown."
    )
    examples: str | None = Field(
        None,
        description=(
            "File of real user queries (text: one a line; JSONL, CSV, TSV: column query, question, anchor or text). They set the mix of "
            "kinds, the length and the wording of LLM questions, and are never exported as training rows."
        ),
        json_schema_extra=FILE,
    )
    examples_shown: int = Field(3, ge=0, le=20, description="Real queries shown in each request, drawn by seed.")
    examples_in_training: bool = Field(
        False, description="Keep questions that equal or nearly equal a query of `generate.examples`."
    )
    personas: tuple[str, ...] = Field(
        (), description='Who asks ("a nurse on night shift"); each chunk is asked about by one of them.'
    )
    difficulty: Literal["mixed", "easy", "hard"] = Field(
        "mixed", description="easy: in the words of the passage; hard: in other words, from more than one fact; mixed: either."
    )
    prompt: str | None = Field(
        None, description="Prompt file to use in place of curate/prompts/questions.md.", json_schema_extra=FILE
    )
    prompt_across: str | None = Field(
        None,
        description="Prompt file for multi_chunk questions, in place of curate/prompts/questions_across.md.",
        json_schema_extra=FILE,
    )
    extractive: bool = Field(True, description="Write questions from the text itself, without a model.")
    styles: tuple[ExtractiveStyle, ...] = Field(
        ("sentence", "heading", "definition", "terms", "question_in_text"),
        description=(
            "Extractive styles in use: sentence (an informative sentence of the passage), heading (its headings as a query), "
            'definition ("What is X?" from a defining sentence), terms (its most telling words; in training only where nothing else is found), '
            "question_in_text (questions the text itself asks)."
        ),
    )
    augment_imported: bool = Field(
        False, description="Also write questions about passages that came with pairs of the user's own."
    )
