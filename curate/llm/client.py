"""Live calls to any OpenAI-compatible endpoint; what the store holds is not asked again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator, Iterable

from curate.llm.answers import AnswerStore
from curate.llm.asking import ATTEMPTS, Acceptable, Answer, Assignment
from curate.llm.desk import Desk
from curate.llm.endpoint import Counts, Endpoint
from curate.llm.faults import shown_url
from curate.llm.pace import Pace
from curate.llm.pool import Pool
from curate.llm.spending import Spending
from curate.llm.verdict import Judgement
from curate.llm.wire import Request
from schemas.errors import SettingsError
from schemas.settings import LlmSettings, RoleSettings

OPENAI_HOST = "api.openai.com"


def api_key(role: str, settings: RoleSettings) -> str:
    """The key from the environment; endpoints other than OpenAI's own may need none.

    Raises SettingsError naming the variable when OpenAI itself is asked without a key.
    """
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key and OPENAI_HOST in settings.base_url:
        raise SettingsError(
            f"the environment variable {settings.api_key_env} is not set, and {shown_url(settings.base_url)} needs a key",
            where=f"llm.{role}.api_key_env",
            next_step=f"set {settings.api_key_env}, or llm.{role}.base_url for another server, or leave llm.{role}.model unset",
        )
    return key or "none"


class Client:
    """One role's endpoint during one run of a stage."""

    def __init__(
        self, assignment: Assignment, store: AnswerStore, spending: Spending | None = None, *, backoff_s: float = 0.5
    ) -> None:
        self._assignment, self._store = assignment, store
        self._spending = spending or Spending(LlmSettings(), store)
        role, settings = assignment.role, assignment.settings
        self._counts = Counts()
        self._endpoint = Endpoint(assignment, api_key(role, settings), store, self._counts)
        self._judgement = Judgement(role, settings, backoff_s)
        self._pace = Pace(settings.concurrency, backoff_s)

    @property
    def calls(self) -> int:
        """Requests sent."""
        return self._counts.calls

    @property
    def hits(self) -> int:
        """Answers found in the store."""
        return self._counts.hits

    def settle(self, requests: Iterable[Request], acceptable: Acceptable = bool, attempts: int = ATTEMPTS) -> Generator[Answer]:
        """See `Asker.settle`. Calls go on while the next answer is waited for, not while the last one is used."""
        desk = Desk(
            assignment=self._assignment,
            store=self._store,
            spending=self._spending,
            endpoint=self._endpoint,
            judgement=self._judgement,
            counts=self._counts,
            acceptable=acceptable,
            attempts=attempts,
        )
        pool = Pool(desk, self._pace, iter(requests))
        with asyncio.Runner() as runner:
            try:
                while answers := runner.run(pool.some()):
                    yield from answers
            finally:
                runner.run(pool.close())
