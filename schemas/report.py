"""What `report.json` says of a build: stable names, one model a section. `curate report --schema` prints it as JSON Schema."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.reasons import State

FORMAT = 1

Severity = Literal["stop", "fix", "note"]


class Part(BaseModel):
    """Base of all parts: frozen, no unknown name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Count(Part):
    """How many rows have one value."""

    name: str
    count: int = Field(ge=0)


class Bin(Part):
    """How many values lie in low ≤ value < high; the last bin of a histogram holds its upper end, too."""

    low: float
    high: float
    count: int = Field(ge=0)


class Finding(Part):
    """Something to act on, or to know."""

    kind: str = Field(description="Stable name.")
    severity: Severity = Field(description="stop: do not train on this; fix: worth doing first; note: know it.")
    text: str = Field(description="What was seen, with its figures.")
    next_step: str = Field(description="What to do about it; empty for some notes.")
    section: str = Field(description="Where the report shows it: the name of a key of this report.")


class Verdict(Part):
    """The first line of the report."""

    state: Severity | Literal["ready"] = Field(description="The gravest finding's severity; ready: nothing to fix.")
    headline: str
    next_step: str


class Loss(Part):
    """Rows that one stage left out for one reason."""

    stage: str
    state: State
    reason: str
    text: str = Field(description="What the reason means.")
    count: int = Field(ge=0)


class Step(Part):
    """One step of the way from files to training rows."""

    name: str
    stage: str
    kept: int = Field(ge=0)
    lost: tuple[Loss, ...]


class Copies(Part):
    """How many documents of one folder or file repeat a document of another, or of the same."""

    source: str
    of: str = Field(description="Where the documents are that they repeat, one for each cluster.")
    count: int = Field(ge=1)


class Corpus(Part):
    """The documents and chunks."""

    documents: int
    chunks: int
    languages: tuple[Count, ...] = Field(description="Documents by language.")
    formats: tuple[Count, ...] = Field(description="Documents by format.")
    sources: tuple[Count, ...] = Field(description="Documents by folder or file, the largest first.")
    document_words: tuple[Bin, ...]
    chunk_tokens: tuple[Bin, ...]
    duplicates: tuple[Count, ...] = Field(description="Documents by how they repeat another: none, exact, near.")
    largest_clusters: tuple[Count, ...] = Field(description="Documents that near-copies stand for, by number of copies.")
    copies: tuple[Copies, ...] = Field(description="Where documents repeat others, by folder or file; the most first.")
    untitled: int = Field(0, description="Chunks of documents that have no title and are cut into several.")


class Questions(Part):
    """The kept questions; of real queries where `generate.examples` names them."""

    kept: int
    styles: tuple[Count, ...]
    origins: tuple[Count, ...]
    first_words: tuple[Count, ...]
    words: tuple[Bin, ...]
    overlap: tuple[Bin, ...] = Field(description="Share of the question's content words that stand in its passage.")
    repeats: tuple[Count, ...] = Field(description="Candidate questions left out because another asks the same, by reason.")
    most_repeated: tuple[Count, ...] = Field(description="Kept questions by how many candidates ask nearly the same.")
    real: RealQueries | None = Field(None, description="The queries of `generate.examples`.")


class RealQueries(Part):
    """What people ask, to compare with."""

    queries: int
    first_words: tuple[Count, ...]
    words: tuple[Bin, ...]
    overlap: tuple[Bin, ...] = Field(
        description="Share of a query's content words that stand in the passage that BM25 ranks first for it."
    )
    compared: int = Field(description="Queries that `overlap` is of: those that find a passage, of 500 at most.")
    searched: int = Field(description="Passages that were searched for it, 50,000 at most.")


class Rate(Part):
    """A share of `of` rows with its 95% interval."""

    share: float | None
    of: int
    low: float | None = None
    high: float | None = None


class Gate(Part):
    """One gate: what it left out, and what `curate calibrate` measured of it."""

    reason: str
    text: str
    rejected: int
    quarantined: int
    caught: Rate | None = Field(
        None, description="Planted faults that it catches, mean of the kinds; null without a calibration."
    )
    false_kills: Rate | None = Field(None, description="Sound questions that it rejects; null without a calibration.")


class ScoreChart(Part):
    """The distribution of a score that a gate looks at, of all candidate questions, and where its threshold lies."""

    check: str
    text: str
    bins: tuple[Bin, ...]
    missing: int = Field(description="Questions for which the score could not be told.")
    threshold: float | None = None


class Used(Part):
    """A passage that stands as a negative."""

    chunk_id: str
    source: str
    text: str = Field(description="Its beginning.")
    pairs: int = Field(description="Pairs that it stands against.")


class Negatives(Part):
    """What became of candidate negatives."""

    pairs: int = Field(description="Pairs that want negatives.")
    wanted: int = Field(description="Negatives a pair.")
    short: int = Field(description="Pairs with fewer.")
    states: tuple[Count, ...]
    reasons: tuple[Loss, ...]
    ranks: tuple[Bin, ...] = Field(description="Ranks of the chosen ones.")
    margins: tuple[Bin, ...] = Field(description="Chosen ones' teacher score minus the positive's; empty without a teacher.")
    origins: tuple[Count, ...]
    most_used: tuple[Used, ...] = Field(description="Passages that stand against most pairs.")


class Split(Part):
    """One split."""

    name: str
    documents: int
    chunks: int
    pairs: int
    queries: int = Field(description="Pairs that may serve as test queries (none that is verbatim by design).")


class Audit(Part):
    """A claim over the whole dataset and how many rows break it."""

    claim: str
    description: str
    broken: int
    examples: tuple[str, ...]


class Sample(Part):
    """One row to read, with its story."""

    kind: Literal["kept", "rejected", "quarantined", "negative", "error", "note", "clean"]
    id: str
    stage: str
    reason: str = Field(description="Empty for kept rows.")
    text: str = Field(description="The question, or what there is of the row.")
    passage: str = ""
    source: str = ""
    split: str = ""
    style: str = ""
    detail: str = ""
    story: tuple[tuple[str, str], ...] = Field((), description="What was found out about it: name, value.")


class Change(Part):
    """A figure or a setting here and in an earlier build."""

    name: str
    before: Any
    after: Any


class Against(Part):
    """What differs from an earlier build."""

    folder: str
    settings: tuple[Change, ...]
    figures: tuple[Change, ...]
    pairs_new: int
    pairs_gone: int
    pairs_same: int


class Report(Part):
    """All of it. Keys that other commands wrote (`mine`, `keep`) stay."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: int = FORMAT
    curate_version: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    stages: tuple[dict[str, Any], ...] = Field(description="As `curate status --json` has them.")
    funnel: tuple[Step, ...]
    corpus: Corpus | None
    questions: Questions | None
    gates: tuple[Gate, ...]
    scores: tuple[ScoreChart, ...]
    negatives: Negatives | None
    splits: tuple[Split, ...]
    audits: tuple[Audit, ...]
    dataset: dict[str, dict[str, int]] = Field(description="Exported rows by format and split.")
    llm: dict[str, Any] | None = Field(description="What language models cost.")
    evaluations: tuple[dict[str, Any], ...] = Field(description="What `curate evaluate` said of models trained on it.")
    against: Against | None = None
    settings: dict[str, Any]
