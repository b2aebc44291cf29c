"""The answers of one build: asked for in turn and stored, then read back for each request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from curate.generate.brief import Brief
from curate.generate.parse import is_usable
from curate.generate.turns import count_requests, requests_in_turn
from curate.llm import (
    Answer,
    AnswerStore,
    Asker,
    Request,
    Role,
    Run,
    answer_key,
    channel_of,
    open_asker,
    shown_model,
    stop_note,
    stored_answer,
)
from curate.stage import Context
from curate.text import counted
from schemas.errors import ContractError
from schemas.settings import RoleSettings

ROLE: Role = "generator"
STAGE_NAME = "generate"


class Answers:
    """What the model said to each request; failures are known from this run alone, texts from the store."""

    def __init__(self, store: AnswerStore, settings: RoleSettings) -> None:
        self.asked = self.unasked = 0
        self._store = store
        self._settings = settings
        self._failures: dict[str, Answer] = {}

    def settle(self, context: Context, asker: Asker, brief: Brief) -> None:
        """Ask for everything that the store lacks. Raises ProviderError when nothing can be asked."""
        total = count_requests(context, brief)
        whole = total + context.reader.count("chunks")
        with closing(asker.settle(requests_in_turn(context, brief), is_usable)) as answers:
            for answer in answers:
                self.asked += 1
                context.progress(self.asked, whole)
                if answer.failure:
                    self._failures[answer.key] = answer
                    self.unasked += answer.unasked

    @property
    def failed(self) -> int:
        """Requests that were left without an answer."""
        return len(self._failures)

    def of(self, request: Request) -> Answer:
        """The answer to a request that was settled."""
        answer = stored_answer(self._store, self._settings, request, is_usable)
        if answer is not None:
            return answer
        key = answer_key(self._settings, request, 0)
        if key not in self._failures:
            raise ContractError("a request was never settled", where=f"stage {STAGE_NAME}", next_step="report this bug")
        return self._failures[key]


@contextmanager
def settled(context: Context, brief: Brief) -> Iterator[Answers]:
    """The answers to all requests of a build, with notes on what they cost and on what is missing."""
    role = context.settings.llm.generator
    with AnswerStore(Path(context.folder)) as store:
        asker = open_asker(ROLE, context.settings.llm, store, stage=STAGE_NAME)
        answers = Answers(store, role)
        started = time.monotonic()
        try:
            answers.settle(context, asker, brief)
        finally:
            seconds = round(time.monotonic() - started, 3)
            done = Run(STAGE_NAME, ROLE, shown_model(role), channel_of(role), asker.calls, asker.hits, answers.failed, seconds)
            store.record_run(done)
        yield answers
        context.note(f"LLM: {counted(asker.calls, 'call')} made, {counted(asker.hits, 'answer')} from the store.")
        if answers.unasked:
            context.note(stop_note(context.settings.llm, store, answers.unasked))
