"""The section of stage `mine`: where hard negatives are searched, and which of them are taken."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from schemas.settings.section import PLACE, Section


class MineSettings(Section):
    """Hard negatives: where candidates come from, which of them stand, and which are taken."""

    engine: Literal["bm25s", "rank-bm25", "dense", "hybrid"] = Field(
        "bm25s",
        description="What candidates are searched with: BM25 scored as the library bm25s does, or by rank-bm25; an embedding model; both by "
        "reciprocal ranks.",
    )
    variant: Literal["lucene", "okapi"] = Field(
        "lucene", description="Term weights of bm25s; okapi gives the scores of rank-bm25."
    )
    stemmer: str | None = Field(
        None, description="Snowball stemmer of BM25, by the name of its language, such as english (unset: words as they stand)."
    )
    model: str | None = Field(
        None,
        min_length=1,
        description="Embedding model (folder or hub id) of the engines dense and hybrid.",
        json_schema_extra=PLACE,
    )
    teacher: str | None = Field(
        None,
        min_length=1,
        description="Embedding model whose cosines margins are taken on (unset: mine.model, else the scores of BM25).",
        json_schema_extra=PLACE,
    )
    negatives: int = Field(1, ge=1, le=64, description="Negatives a pair.")
    first_rank: int = Field(2, ge=1, description="First rank of the window that negatives are taken from.")
    last_rank: int = Field(50, ge=1, description="Last rank of that window.")
    same_document: bool = Field(
        False, description="Allow chunks of the positive's own document (always allowed where the split goes by blocks)."
    )
    relative_margin: float | None = Field(
        0.95,
        gt=0,
        le=1,
        description="A candidate that scores above this share of the positive's own score is quarantined; unset: off.",
    )
    absolute_margin: float | None = Field(
        None, ge=0, description="A candidate must score lower than the positive by this much; unset: off."
    )
    max_score: float | None = Field(None, description="A candidate that scores higher is quarantined; unset: off.")
    auto_margin: bool = Field(
        False,
        description="Set the relative margin from passages of this corpus that are known to answer, in place of relative_margin.",
    )
    sampling: Literal["top", "uniform", "softmax"] = Field(
        "top", description="Which candidates of the window are looked at first: the best, or by lot, evenly or by score."
    )
    temperature: float = Field(
        1.0, gt=0, description="Of softmax sampling, in units of the spread of the window's scores; lower: harder."
    )
    max_uses: int | None = Field(
        None, ge=1, description="A passage stands against at most so many pairs of its split; unset: no limit."
    )
    easy_negatives: int = Field(0, ge=0, le=64, description="Of the negatives, so many by lot from the split.")
    shortage: Literal["next", "random", "fewer"] = Field(
        "next", description="Where the window leaves too few: the ranks after it, then by lot; by lot at once; or fewer."
    )
    promote_model: str | None = Field(
        None,
        min_length=1,
        description="Checker (as verify.checker) that may find that a candidate answers: it becomes a further positive.",
        json_schema_extra=PLACE,
    )
    min_promote_score: float = Field(
        0.9, ge=0, le=1, description="The score of promote_model from which a candidate is promoted."
    )

    @field_validator("stemmer")
    @classmethod
    def language_has_a_stemmer(cls, value: str | None) -> str | None:
        """Better here than after an hour of building."""
        if value is not None:
            import Stemmer  # kept out of start-up

            if value not in Stemmer.algorithms():
                raise ValueError(f"no stemmer of that name; there are {', '.join(sorted(Stemmer.algorithms()))}")
        return value

    @model_validator(mode="after")
    def window_is_not_empty(self) -> MineSettings:
        """An empty window would leave nothing but random negatives."""
        if self.first_rank > self.last_rank:
            raise ValueError("first_rank must not be greater than last_rank")
        return self

    @model_validator(mode="after")
    def parts_fit_together(self) -> MineSettings:
        """A dense engine without a model finds nothing; more easy negatives than negatives have no place."""
        if self.engine in ("dense", "hybrid") and self.model is None:
            raise ValueError(f"engine = {self.engine} needs model")
        if self.easy_negatives > self.negatives:
            raise ValueError("easy_negatives must not be greater than negatives")
        return self
