"""Questions for chunks: extractive ones, a language model's where one is configured, and the anchors of the user's own pairs.

One row in is a chunk or an imported pair; one row out is a candidate question. Chunks that give none are rejected with the reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from curate.generate.across import across_request, read_across
from curate.generate.answering import STAGE_NAME, Answers, settled
from curate.generate.brief import brief_of
from curate.generate.examples import Guard
from curate.generate.extractive import Work, extract_batch
from curate.generate.frequencies import Frequencies, count_frequencies
from curate.generate.passage import Candidate, Passage
from curate.generate.prompt import ACROSS_FILE, PROMPT_FILE
from curate.generate.prompted import Read, Reader, question_request
from curate.generate.rows import EXTRACTIVE, question_row
from curate.generate.sources import Sources, imported_questions, question_sources
from curate.generate.turns import chunks_that_ask, groups
from curate.llm import shown_model
from curate.stage import Batch, Context, Rejection, Stage
from curate.text import counted
from schemas.reasons import Reason

ROWS_A_BATCH = 1000


@dataclass(frozen=True)
class _Asked:
    """A passage and its extractive candidates; `passage` is None for the end of a batch: what became of its other chunks."""

    passage: Passage | None
    candidates: list[Candidate] = field(default_factory=list)
    rejected: tuple[Rejection, ...] = ()
    others: int = 0


def produce(context: Context) -> Iterator[Batch]:
    """Rows of `questions`: the user's own first, then chunk by chunk, then those that need two chunks."""
    yield from imported_questions(context)
    brief = brief_of(context.settings)
    examples = brief.examples
    guard = Guard(examples.queries) if examples and not brief.settings.examples_in_training else None
    reader = Reader(brief, shown_model(context.settings.llm.generator), guard)
    if context.settings.llm.generator.model is None:
        context.note("No language model configured (llm.generator.model): questions are extractive only.")
        yield from _batches(context, reader, None)
        return
    with settled(context, brief) as answers:
        yield from _batches(context, reader, answers)
        yield from _across(context, reader, answers)
    _report_missing(context, answers.unasked)


def _report_missing(context: Context, unasked: int) -> None:
    """What was not asked for want of money has its own note, as the same command would not ask it either."""
    if len(context.owed) > unasked:
        missing = counted(len(context.owed) - unasked, "request")
        context.note(f"The model left {missing} unanswered; run the same command again to ask for just what is missing.")


def _extracted(context: Context) -> Iterator[_Asked]:
    """Passages with their extractive candidates in chunk order, and after each batch what is known of its other chunks."""
    settings = context.settings
    styles: tuple[str, ...] = settings.generate.styles if settings.generate.extractive else ()
    frequencies = count_frequencies(context) if styles else Frequencies(0, {})
    batches: deque[Sources] = deque()

    def work() -> Iterator[Work]:
        for sources in question_sources(context):
            batches.append(sources)
            yield Work(sources.passages, frequencies, styles, settings.generate.questions_per_chunk, settings.seed)

    for extracted in context.engine.map(extract_batch, work()):
        sources = batches.popleft()
        for passage, candidates in zip(sources.passages, extracted, strict=True):
            yield _Asked(passage, candidates)
        yield _Asked(None, rejected=sources.rejected, others=sources.chunks - len(sources.passages))


def _batches(context: Context, reader: Reader, answers: Answers | None) -> Iterator[Batch]:
    made = Read([], [])
    before = answers.asked if answers is not None else 0
    done, total = before, before + context.reader.count("chunks")
    for asked in _extracted(context):
        if asked.passage is None:
            made.rejected.extend(asked.rejected)
            done += asked.others
            context.progress(done, total)
        else:
            done += 1
            _take(context, reader, asked.passage, _extractive(reader, asked.passage, asked.candidates, made), (answers, made))
        if len(made.rows) + len(made.rejected) >= ROWS_A_BATCH:
            yield Batch("questions", made.rows, made.rejected)
            made = Read([], [])
    yield Batch("questions", made.rows, made.rejected)


def _extractive(reader: Reader, passage: Passage, candidates: list[Candidate], made: Read) -> list[dict[str, Any]]:
    """Rows of the candidates that are no copies of the user's own queries."""
    rows = [question_row(passage.chunk_id, candidate, EXTRACTIVE) for candidate in candidates]
    if reader.guard is None:
        return rows
    copied = {row["question_id"] for row in rows if reader.guard.holds(row["question"])}
    made.rejected.extend(
        Rejection(row["question_id"], Reason.QUESTION_IS_EXAMPLE, row=_known(row)) for row in rows if row["question_id"] in copied
    )
    return [row for row in rows if row["question_id"] not in copied]


def _take(
    context: Context, reader: Reader, passage: Passage, own: list[dict[str, Any]], out: tuple[Answers | None, Read]
) -> None:
    """Add what both generators have for a passage, or that they have nothing."""
    answers, made = out
    failure = False
    if answers is not None:
        answer = answers.of(question_request(passage, reader.brief))
        read = reader.read(passage, answer, [row["question"] for row in own])
        own = own + read.rows
        made.rejected.extend(read.rejected)
        failure = bool(answer.failure)
        if answer.owed:
            context.owed.append(answer.key)
    made.rows.extend(own)
    if not own and not failure:
        made.rejected.append(Rejection(passage.chunk_id, Reason.CHUNK_WITHOUT_QUESTION, row={"text": passage.text}))


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("chunk_id", "question", "style", "origin")}


def _across(context: Context, reader: Reader, answers: Answers) -> Iterator[Batch]:
    made = Read([], [])
    for group in groups(context, chunks_that_ask(context), reader.brief):
        answer = answers.of(across_request(group, reader.brief))
        read = read_across(reader, group, answer, ())
        made.rows.extend(read.rows)
        made.rejected.extend(read.rejected)
        if answer.owed:
            context.owed.append(answer.key)
    yield Batch("questions", made.rows, made.rejected)


STAGE = Stage(
    name=STAGE_NAME,
    reads=("documents", "document_clusters", "chunks", "chunk_clusters", "imported_pairs"),
    writes=("questions",),
    produce=produce,
    settings=("generate", "llm.generator", "seed"),
    libraries=("PyStemmer", "sentencex"),
    files=(
        PROMPT_FILE,
        ACROSS_FILE,
        "sql/question_sources.sql",
        "sql/question_blocks.sql",
        "sql/question_pairs.sql",
        "sql/question_texts.sql",
    ),
)
