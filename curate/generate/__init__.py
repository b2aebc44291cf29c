"""Questions for chunks: extractive ones, a language model's where one is configured, and the anchors of the user's own pairs.

One row in is a chunk or an imported pair; one row out is a candidate question. Chunks that give none are rejected with the reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.generate.extractive import Work, extract_batch
from curate.generate.frequencies import Frequencies, count_frequencies
from curate.generate.parse import is_usable
from curate.generate.passage import Candidate, Passage
from curate.generate.prompted import PROMPT_FILE, question_request, read_answer
from curate.generate.rows import question_row
from curate.generate.sources import Sources, imported_questions, question_sources
from curate.llm import Answer, AnswerStore, Asker, Request, Role, open_asker
from curate.stage import Batch, Context, Rejection, Stage
from schemas.reasons import Reason

ROWS_A_BATCH = 1000
ROLE: Role = "generator"


@dataclass(frozen=True)
class _Asked:
    """A passage and its extractive candidates; `passage` is None for the end of a batch: what became of its other chunks."""

    passage: Passage | None
    candidates: list[Candidate] = field(default_factory=list)
    rejected: tuple[Rejection, ...] = ()
    others: int = 0


def produce(context: Context) -> Iterator[Batch]:
    """Rows of `questions`: the user's own first, then chunk by chunk."""
    yield from imported_questions(context)
    with _client(context) as client:
        pairs = _without_model(context) if client is None else _with_model(context, client)
        with closing(pairs):
            yield from _batches(context, pairs)
        if client is not None:
            _report(context, client)


def _report(context: Context, client: Asker) -> None:
    context.note(f"LLM: {_counted(client.calls, 'call')} made, {_counted(client.hits, 'answer')} from the store.")
    if context.owed:
        chunks = _counted(len(context.owed), "chunk")
        context.note(f"The model left {chunks} unanswered; run the same command again to ask for just what is missing.")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@contextmanager
def _client(context: Context) -> Iterator[Asker | None]:
    settings = context.settings.llm.generator
    if settings.model is None:
        context.note("No language model configured (llm.generator.model): questions are extractive only.")
        yield None
        return
    with AnswerStore(Path(context.folder)) as store:
        yield open_asker(ROLE, context.settings.llm, store, stage=STAGE.name)


def _without_model(context: Context) -> Generator[tuple[_Asked, Answer | None]]:
    for asked in _extracted(context):
        yield asked, None


def _with_model(context: Context, client: Asker) -> Generator[tuple[_Asked, Answer | None]]:
    """Each passage with its answer, in order; requests run ahead of what is yielded."""
    waiting: deque[_Asked] = deque()
    generate = context.settings.generate

    def requests() -> Iterator[Request]:
        for asked in _extracted(context):
            waiting.append(asked)
            if asked.passage is not None:
                yield question_request(asked.passage, most=generate.questions_per_chunk, seed=context.settings.seed)

    with closing(client.settle(requests(), is_usable)) as answers:
        for answer in answers:
            while waiting[0].passage is None:
                yield waiting.popleft(), None
            yield waiting.popleft(), answer
    while waiting:
        yield waiting.popleft(), None


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


def _batches(context: Context, pairs: Iterator[tuple[_Asked, Answer | None]]) -> Iterator[Batch]:
    rows: list[dict[str, Any]] = []
    rejected: list[Rejection] = []
    done, total = 0, context.reader.count("chunks")
    for asked, answer in pairs:
        if asked.passage is None:
            rejected += asked.rejected
            done += asked.others
        else:
            done += 1
            _take(context, asked.passage, asked.candidates, answer, (rows, rejected))
        # A model takes seconds for a chunk, the extractive styles milliseconds.
        if answer is not None or asked.passage is None:
            context.progress(done, total)
        if len(rows) + len(rejected) >= ROWS_A_BATCH:
            yield Batch("questions", rows, rejected)
            rows, rejected = [], []
    yield Batch("questions", rows, rejected)


def _take(
    context: Context,
    passage: Passage,
    candidates: list[Candidate],
    answer: Answer | None,
    out: tuple[list[dict[str, Any]], list[Rejection]],
) -> None:
    rows, rejected = out
    own = [question_row(passage.chunk_id, candidate, origin="extractive") for candidate in candidates]
    if answer is not None:
        read = read_answer(
            passage,
            answer,
            [candidate.question for candidate in candidates],
            most=context.settings.generate.questions_per_chunk,
            model=context.settings.llm.generator.model or "",
        )
        own += read.rows
        rejected += read.rejected
        if answer.owed:
            context.owed.append(answer.key)
    if own:
        rows += own
    elif answer is None or not answer.failure:
        rejected.append(Rejection(passage.chunk_id, Reason.CHUNK_WITHOUT_QUESTION, row={"text": passage.text}))


STAGE = Stage(
    name="generate",
    reads=("documents", "document_clusters", "chunks", "chunk_clusters", "imported_pairs"),
    writes=("questions",),
    produce=produce,
    settings=("generate", "llm.generator", "seed"),
    libraries=("PyStemmer", "sentencex"),
    files=(
        PROMPT_FILE,
        "sql/question_sources.sql",
        "sql/question_blocks.sql",
        "sql/question_pairs.sql",
        "sql/question_texts.sql",
    ),
)
