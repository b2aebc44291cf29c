"""`audit.json`: what `curate audit` found in a dataset. Names are stable; no times and no paths of the machine."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Level = Literal["error", "note"]

KINDS: dict[str, tuple[str, str]] = {
    "blank_text": ("shape", "a text is null or blank"),
    "list_for_text": ("shape", "a list stands where one text is meant"),
    "single_characters": ("shape", "a text is one character, or characters one by one: a string was read as a list"),
    "control_characters": ("shape", "a text holds NUL or other control characters"),
    "encoding_damage": ("shape", "a text was decoded wrongly (Ã©, â€™, U+FFFD)"),
    "anchor_too_short": ("form", "an anchor of too few words to mean one thing"),
    "passage_too_short": ("form", "a passage of too few words to answer anything"),
    "malformed_anchor": ("form", "an anchor among questions that is no question: code, a list marker, several lines, cut off"),
    "anchor_not_a_question": ("form", "an anchor among questions that reads as a statement"),
    "anchor_equals_passage": ("verbatim", "anchor and passage are the same text"),
    "anchor_in_passage": ("verbatim", "the anchor stands word for word in its passage"),
    "exact_duplicate": ("duplicates", "the same row again"),
    "near_duplicate": ("duplicates", "nearly the same row again"),
    "ambiguous_anchor": ("contradictions", "one anchor with several different positives"),
    "positive_and_negative": ("contradictions", "a text is positive in one row and negative in another row of the same anchor"),
    "contradicting_labels": ("contradictions", "the same two texts have other labels or scores elsewhere"),
    "negative_equals_positive": ("false_negatives", "a negative is a positive of its anchor"),
    "negative_near_positive": ("false_negatives", "a negative is nearly the same text as a positive of its anchor"),
    "negative_holds_answer": ("false_negatives", "a negative holds the answer"),
    "negative_above_positive": ("false_negatives", "a negative fits the anchor clearly better than the positive"),
    "anchor_in_other_split": ("leakage", "the anchor stands in another split too"),
    "passage_in_other_split": ("leakage", "the positive stands in another split too"),
    "pair_in_other_split": ("leakage", "the same two texts stand in another split too"),
    "anchor_in_benchmark": ("leakage", "the anchor stands in a benchmark file"),
    "passage_in_benchmark": ("leakage", "a passage stands in a benchmark file, or holds a query of it"),
    "unknown_label": ("labels", "a label or score that is none"),
    "score_outlier": ("labels", "a label or score far from what an embedding model says"),
    "minority_language": ("language", "a text in another language than nearly all of the dataset"),
    "mixed_languages": ("language", "anchor and passage are in different languages"),
}
"""Kind of finding → its group and what it means."""

DATASET_KINDS: dict[str, tuple[str, str]] = {
    "constant_label": ("labels", "every row has the same label or score"),
    "label_imbalance": ("labels", "one label is far more frequent than the others"),
    "mis_shaped_column": ("shape", "most texts of a column are mis-shaped"),
    "several_languages": ("language", "the dataset is in several languages"),
}
"""Kind of finding about the whole dataset → its group and what it means."""

GROUPS = tuple(dict.fromkeys(group for group, _ in (*KINDS.values(), *DATASET_KINDS.values())))

ORDER = (*("shape", "leakage", "false_negatives", "contradictions", "labels", "duplicates", "verbatim", "form", "language"),)
"""Groups in the order in which they are to be fixed: what makes rows unusable, then what makes the evaluation wrong, then the training."""


def members(group_or_kind: str) -> tuple[str, ...]:
    """The kinds of a group, or the kind itself; none for an unknown name. A positive that is also a negative is a false negative too."""
    both = KINDS | DATASET_KINDS
    if group_or_kind in both:
        return (group_or_kind,)
    found = tuple(kind for kind, (group, _) in both.items() if group == group_or_kind)
    return (*found, "positive_and_negative") if group_or_kind == "false_negatives" else found


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(_Part):
    """One row of a kind."""

    row: int = Field(description="From 1, over all files in their order.")
    place: str = Field(description="File and row in it.")
    detail: str
    text: str = Field(description="The beginning of the anchor.")


class Finding(_Part):
    """All rows of one kind."""

    kind: str
    group: str
    level: Level = Field(description="error: the rows are in flagged.parquet for it; note: said, no more.")
    meaning: str
    rows: int
    share: float = Field(description="Of all rows, 0 to 1.")
    by_split: dict[str, int]
    samples: tuple[Sample, ...]


class DatasetFinding(_Part):
    """Something about the dataset as a whole."""

    kind: str
    group: str
    detail: str


class AuditReport(_Part):
    """The content of audit.json."""

    format: int = 1
    curate_version: str
    dataset: str = Field(description="Name of the file or folder.")
    verdict: str = Field(description="What to fix first, in a sentence.")
    kind: str = Field(description="Kind of rows, as in `schemas.plain.KINDS`.")
    columns: dict[str, str] = Field(description="Column of the kind → column of the dataset.")
    columns_mapped: tuple[str, ...] = Field(description="Columns of the kind that --column named; the others were guessed.")
    columns_unused: tuple[str, ...]
    rows: int
    clean: int
    flagged: int = Field(description="Rows with an error.")
    noted: int = Field(description="Clean rows with a note.")
    splits: dict[str, int]
    files: tuple[str, ...]
    benchmarks: tuple[str, ...]
    model: str | None
    findings: tuple[Finding, ...]
    dataset_findings: tuple[DatasetFinding, ...]
    notes: tuple[str, ...]
