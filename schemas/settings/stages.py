"""The sections of ingest, deduplicate, split, chunk, validate and export, in the order of the flow."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from schemas.settings.section import PLACE, Section


class ColumnSettings(Section):
    """Which column of a table file holds what; unset ones are found by their usual names."""

    text: str | None = Field(None, description="Column of the document text.")
    title: str | None = Field(None, description="Column of the document title.")
    id: str | None = Field(None, description="Column that identifies a row.")
    anchor: str | None = Field(None, description="Column of the question (else: query, anchor, question).")
    positive: str | None = Field(None, description="Column of the passage (else: positive, answer, context, document).")
    negative: str | None = Field(
        None, description="Column of the supplied negative or list of negatives (else: negative, negative_1 …)."
    )
    score: str | None = Field(None, description="Column of the similarity score (else: score).")
    label: str | None = Field(None, description="Column of the 0/1 label (else: label).")


class IngestSettings(Section):
    """Files in, documents and imported pairs out."""

    columns: ColumnSettings = Field(ColumnSettings(), description="Column names of table files.")
    encoding: str | None = Field(None, description="Encoding of all text files; unset: detected file by file.")
    max_file_bytes: int = Field(
        20_000_000, ge=1, description="Larger text, HTML, reStructuredText and Markdown files are rejected."
    )
    include: tuple[str, ...] = Field((), description="Only files whose relative path matches one of these patterns (fnmatch).")
    exclude: tuple[str, ...] = Field((), description="Files whose relative path matches one of these patterns are left out.")
    score_scale: float = Field(1.0, gt=0, description="Scores are divided by this to come between 0 and 1 (5 for STS-B).")
    min_positive_score: float = Field(0.5, ge=0, le=1, description="A scored pair at or above it counts as a positive.")


class DeduplicateSettings(Section):
    """Near-duplicates, for documents and for chunks."""

    threshold: float = Field(
        0.8, gt=0, le=1, description="Jaccard similarity of word shingles from which two documents are near-duplicates."
    )
    chunk_threshold: float = Field(0.75, gt=0, le=1, description="The same for chunks.")
    shingle: int = Field(5, ge=1, description="Words in a shingle (characters where words are not separated by spaces).")
    permutations: int = Field(128, ge=16, description="MinHash permutations.")


class SplitSettings(Section):
    """Shares of the splits."""

    train: float = Field(0.8, gt=0, le=1, description="Share of clusters that train.")
    dev: float = Field(0.1, ge=0, lt=1, description="Share of clusters in dev.")
    test: float = Field(0.1, ge=0, lt=1, description="Share of clusters in test.")
    min_clusters: int = Field(30, ge=1, description="With fewer clusters the split goes by blocks of sections.")

    @model_validator(mode="after")
    def shares_sum_to_one(self) -> SplitSettings:
        """A share given alone would silently leave documents without a split."""
        if abs(self.train + self.dev + self.test - 1) > 1e-6:
            raise ValueError("train, dev and test must sum to 1")
        return self


class ChunkSettings(Section):
    """Documents in, passages out."""

    method: Literal["structure", "as-is"] = Field(
        "structure", description="By headings and sentences, or each document as one chunk."
    )
    max_tokens: int = Field(256, ge=16, description="Token budget of an embedded passage, heading prefix included.")
    min_tokens: int = Field(16, ge=1, description="Shorter chunks are joined to a neighbour or rejected.")
    overlap_tokens: int = Field(0, ge=0, description="Tokens of whole sentences repeated from the chunk before.")
    heading_prefix: bool = Field(True, description="Embed title and heading path before the text; serving must do the same.")
    tokenizer: str | None = Field(
        None,
        description="Tokenizer (hub id or folder) that counts tokens; unset: the built-in estimate.",
        json_schema_extra=PLACE,
    )


class ValidateSettings(Section):
    """Whole-set audits."""

    fail: bool = Field(True, description="End the build with exit code 7 when an audit fails.")


class ExportSettings(Section):
    """The dataset folder."""

    name: str = Field("curated", description="Name of the dataset in its card.")
    licence: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9.+-]*$",
        description="Licence of the documents, by its name on the hub (cc-by-4.0, mit …), for the card; unset: other.",
    )
    also: tuple[Literal["flagembedding", "llamaindex"], ...] = Field(
        (),
        description="Further files for other trainers: FlagEmbedding's JSON lines (query, pos, neg), LlamaIndex's EmbeddingQAFinetuneDataset.",
    )
