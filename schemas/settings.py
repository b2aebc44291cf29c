"""All settings, one section a stage: default < TOML file < `--set`. Secrets come from the environment only.

Every field's description is what the settings reference in docs/ prints.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from schemas.errors import SettingsError
from schemas.prices import LIST_PRICES

_HOW: dict[str, JsonValue] = {"shapes_rows": False}
"""Marks a field that changes how rows are got, not what they are: no part of a fingerprint."""
_FILE: dict[str, JsonValue] = {"names_file": True}
"""Marks a field that names a file whose content shapes rows."""


_PLACE: dict[str, JsonValue] = {"may_be_path": True}
"""Marks a field that may hold a path, of which datasets show the name alone."""


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
        json_schema_extra=_PLACE,
    )


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
        json_schema_extra=_FILE,
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
        None, description="Prompt file to use in place of curate/prompts/questions.md.", json_schema_extra=_FILE
    )
    prompt_across: str | None = Field(
        None,
        description="Prompt file for multi_chunk questions, in place of curate/prompts/questions_across.md.",
        json_schema_extra=_FILE,
    )
    extractive: bool = Field(True, description="Write questions from the text itself, without a model.")
    styles: tuple[ExtractiveStyle, ...] = Field(
        ("sentence", "heading", "definition", "terms", "question_in_text"),
        description=(
            "Extractive styles in use: sentence (an informative sentence of the passage), heading (its headings as a query), "
            'definition ("What is X?" from a defining sentence), terms (its most telling words), '
            "question_in_text (questions the text itself asks)."
        ),
    )
    augment_imported: bool = Field(
        False, description="Also write questions about passages that came with pairs of the user's own."
    )


class VerifySettings(Section):
    """Scores of candidate questions; thresholds are in [filter]."""

    rank_window: int = Field(200, ge=1, description="Ranks beyond it are recorded as not found.")


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
    min_evidence_words: int = Field(4, ge=1, description="A question whose evidence quote is shorter is rejected.")
    max_rank: int = Field(
        200, ge=1, description="A train question that BM25 finds no better than this and that shares no content word is rejected."
    )
    duplicate_threshold: float = Field(
        0.85, gt=0, le=1, description="Jaccard similarity of words from which two questions are near-duplicates."
    )


class MineSettings(Section):
    """BM25 hard negatives."""

    engine: Literal["bm25s", "rank-bm25"] = Field("bm25s", description="BM25 engine.")
    negatives: int = Field(1, ge=1, le=64, description="Negatives a pair.")
    first_rank: int = Field(2, ge=1, description="First rank of the window that negatives are taken from.")
    last_rank: int = Field(50, ge=1, description="Last rank of that window.")
    same_document: bool = Field(
        False, description="Allow chunks of the positive's own document (always allowed where the split goes by blocks)."
    )

    @model_validator(mode="after")
    def window_is_not_empty(self) -> MineSettings:
        """An empty window would leave nothing but random negatives."""
        if self.first_rank > self.last_rank:
            raise ValueError("first_rank must not be greater than last_rank")
        return self


class ValidateSettings(Section):
    """Whole-set audits."""

    fail: bool = Field(True, description="End the build with exit code 7 when an audit fails.")


class ExportSettings(Section):
    """The dataset folder."""

    name: str = Field("curated", description="Name of the dataset in its card.")


class RoleSettings(Section):
    """A language model: behind an OpenAI-compatible endpoint, asked live or through its batch API, or in this process."""

    provider: Literal["endpoint", "batch", "transformers"] = Field(
        "endpoint",
        description=(
            "endpoint (live calls), batch (the endpoint's batch API: cheaper, answers within a day), or transformers "
            "(in this process, no server; needs the train extra)."
        ),
    )
    model: str | None = Field(
        None,
        description="Model name (transformers: hub id, local folder or GGUF file); unset: this role is not used.",
        json_schema_extra=_PLACE,
    )
    base_url: str = Field("https://api.openai.com/v1", description="Endpoint.")
    alias: str | None = Field(
        None, description="Name under which answers are stored instead of the endpoint, to share them between endpoints."
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY", description="Environment variable that holds the key; never the key itself.", json_schema_extra=_HOW
    )
    temperature: float = Field(0.7, ge=0, description="Sampling temperature.")
    max_output_tokens: int = Field(700, ge=16, description="Longest answer.")
    timeout_s: float = Field(120.0, gt=0, description="Time-out of one call in seconds.", json_schema_extra=_HOW)
    retries: int = Field(4, ge=0, description="Tries after the first for passing errors.", json_schema_extra=_HOW)
    concurrency: int = Field(
        8,
        ge=1,
        description="Calls at the same time, at most; fewer while the endpoint says it is too many.",
        json_schema_extra=_HOW,
    )
    batch_wait_s: float = Field(
        60.0, ge=0, description="Seconds a build waits for a batch before it goes on without.", json_schema_extra=_HOW
    )
    batch_poll_s: float = Field(10.0, gt=0, description="Seconds between two looks at a batch.", json_schema_extra=_HOW)
    batch_requests: int = Field(
        50_000,
        ge=1,
        le=50_000,
        description="Requests in one batch, at most; fewer where the endpoint limits the tokens that wait.",
        json_schema_extra=_HOW,
    )
    local_batch: int = Field(
        16, ge=1, description="Passages at a time in this process; halved when memory runs out.", json_schema_extra=_HOW
    )


class PriceSettings(Section):
    """What a model costs. For a model with a built-in price, what is unset stays as it is there."""

    prompt: float | None = Field(None, ge=0, allow_inf_nan=False, description="US dollars per million prompt tokens.")
    completion: float | None = Field(None, ge=0, allow_inf_nan=False, description="US dollars per million completion tokens.")
    batch: float | None = Field(None, ge=0, le=1, description="Share of the price that the batch API asks (else 0.5).")
    as_of: date | None = Field(None, description="Day on which you found this price, like 2026-06-21.")


class LlmSettings(Section):
    """The two roles, and what they may cost."""

    generator: RoleSettings = Field(RoleSettings(), description="Writes questions.")
    judge: RoleSettings = Field(RoleSettings(), description="Judges questions (not used yet).")
    budget: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="US dollars that a build folder may pay in all; unset: no limit.",
        json_schema_extra=_HOW,
    )
    max_calls: int | None = Field(
        None, ge=0, description="Calls that a build folder may pay for in all; unset: no limit.", json_schema_extra=_HOW
    )
    prices: dict[str, PriceSettings] = Field(
        {},
        description="Prices by model name, over the built-in ones; a model in neither has no known price.",
        json_schema_extra=_HOW,
    )

    @model_validator(mode="after")
    def prices_are_whole(self) -> LlmSettings:
        """Half a price would make every total too low."""
        for name, price in self.prices.items():
            for part in ("prompt", "completion"):
                if getattr(price, part) is None and name not in LIST_PRICES:
                    raise ValueError(f'prices."{name}".{part} is missing')
        return self


class Settings(Section):
    """Everything that shapes a dataset."""

    seed: int = Field(13, ge=0, description="Seed of every random choice.")
    ingest: IngestSettings = IngestSettings()
    deduplicate: DeduplicateSettings = DeduplicateSettings()
    split: SplitSettings = SplitSettings()
    chunk: ChunkSettings = ChunkSettings()
    generate: GenerateSettings = GenerateSettings()
    verify: VerifySettings = VerifySettings()
    filter: FilterSettings = FilterSettings()
    mine: MineSettings = MineSettings()
    validate_: ValidateSettings = Field(ValidateSettings(), alias="validate")
    export: ExportSettings = ExportSettings()
    llm: LlmSettings = LlmSettings()

    def section(self, name: str) -> Any:
        """The value at a dotted name: a section ("chunk", "llm.generator") or the seed."""
        value: Any = self
        for part in name.split("."):
            value = getattr(value, "validate_" if part == "validate" else part)
        return value


def load_settings(file: Path | None = None, sets: Sequence[str] = ()) -> Settings:
    """Settings from defaults, then a TOML file, then `key=value` strings (values as TOML, else as plain text).

    Raises SettingsError naming every fault of the file and of the strings at once.
    """
    tree: dict[str, Any] = {}
    if file is not None:
        try:
            tree = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"cannot read settings: {error}", where=str(file), next_step="correct the TOML file") from error
    faults: list[str] = []
    for item in sets:
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            faults.append(f"--set {item}: write it as key=value, for example --set chunk.max_tokens=512")
            continue
        _put(tree, _key_path(key.strip()), toml_value(text.strip()), item, faults)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        faults += [fault(e) for e in error.errors()]
    if faults:
        where = str(file) if file else "settings"
        raise SettingsError("; ".join(faults), where=where, next_step="`curate settings` lists every key with its default")
    return settings


def _key_path(key: str) -> list[str]:
    """The parts of a dotted key; a part in quotes may hold dots, and so may a model name whose quotes the shell took away."""
    try:
        inner: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        inner = None
    path: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        name, inner = next(iter(inner.items()))
        path.append(name)
    if inner != 0 or not path:
        path = key.split(".")
    if path[:2] == ["llm", "prices"] and len(path) > 4:
        path[2:-1] = [".".join(path[2:-1])]
    return path


def _put(tree: dict[str, Any], path: list[str], value: Any, item: str, faults: list[str]) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            faults.append(f"--set {item}: {part} is a value, not a section")
            return
    tree[path[-1]] = value


def toml_value(text: str) -> Any:
    """The value of `key=value`: TOML where it parses, else plain text."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def fault(error: Mapping[str, Any]) -> str:
    """One pydantic error as key and message, without the value."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{key}: no such setting"
    # Never print the value: a secret pasted into the wrong place must not reach a log.
    return f"{key}: {error['msg']}"
