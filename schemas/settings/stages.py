"""The sections of the stages, in the order of the flow."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from schemas.settings.section import FILE, HOW, PLACE, Section


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


class ValidateSettings(Section):
    """Whole-set audits."""

    fail: bool = Field(True, description="End the build with exit code 7 when an audit fails.")


class ExportSettings(Section):
    """The dataset folder."""

    name: str = Field("curated", description="Name of the dataset in its card.")
    also: tuple[Literal["flagembedding", "llamaindex"], ...] = Field(
        (),
        description="Further files for other trainers: FlagEmbedding's JSON lines (query, pos, neg), LlamaIndex's EmbeddingQAFinetuneDataset.",
    )
