"""Requests in, answers out in the same order, over any OpenAI-compatible endpoint; what the store holds is not asked again."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from typing import Any, NoReturn

from curate.llm.answers import AnswerStore, StoredAnswer, request_key
from curate.llm.asking import ATTEMPTS, Acceptable, Answer, Assignment, answer_key, purpose
from curate.llm.faults import meaning, message, provider_error, retry_after_s, shown_url, status_code, untaken_feature
from curate.llm.spending import Spending
from curate.llm.wire import Request, call_parameters, read_completion
from schemas.errors import ProviderError, SettingsError
from schemas.settings import LlmSettings, RoleSettings

OPENAI_HOST = "api.openai.com"
_AHEAD = 8
"""Requests begun ahead of the answer that is due, a multiple of the concurrency: one slow answer does not stop the rest."""
_SILENT_AFTER = 8
"""So many requests in a row without an answer, retries included (or as many as run at once): the endpoint is down."""
_REFUSED_AFTER = 5
"""So many refused requests before the first answer: it is the settings, not the requests."""
_LONGEST_BACKOFF_S = 60.0


class _NoAnswer(Exception):  # noqa: N818 (a result on its way up)
    def __init__(self, failure: str, *, owed: bool) -> None:
        super().__init__(failure)
        self.owed = owed


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
    """One role's endpoint during one run of a stage. `calls` counts requests sent, `hits` answers found in the store."""

    def __init__(
        self, assignment: Assignment, store: AnswerStore, spending: Spending | None = None, *, backoff_s: float = 0.5
    ) -> None:
        self._assignment = assignment
        self.role, self.settings, self.stage = assignment.role, assignment.settings, assignment.stage
        self.calls = self.hits = 0
        self._key = api_key(self.role, self.settings)
        self._store = store
        self._spending = spending or Spending(LlmSettings(), store)
        self._backoff_s = backoff_s
        self._capabilities = request_key({"base_url": self.settings.base_url.rstrip("/"), "model": self.settings.model})
        self._untaken = self._known_untaken = store.untaken(self._capabilities)
        self._format_proven = self._heard = False
        self._answers = self._refusals = self._unanswered_in_a_row = 0
        self._not_before = 0.0
        self._silent = False
        self._stopped: ProviderError | None = None

    def settle(self, requests: Iterable[Request], acceptable: Acceptable = bool, attempts: int = ATTEMPTS) -> Generator[Answer]:
        """See `Asker.settle`."""
        with asyncio.Runner() as runner:
            answers = self._in_order(requests, acceptable, attempts)
            try:
                while (answer := runner.run(_next(answers))) is not None:
                    yield answer
            finally:
                runner.run(_close(answers))

    async def _in_order(self, requests: Iterable[Request], acceptable: Acceptable, attempts: int) -> AsyncGenerator[Answer]:
        # Made here, inside the loop they belong to.
        self._limit = asyncio.Semaphore(self.settings.concurrency)
        self._openai = self._connect()
        waiting: deque[asyncio.Task[Answer]] = deque()
        try:
            for request in requests:
                waiting.append(asyncio.create_task(self._answered(request, acceptable, attempts)))
                await asyncio.sleep(0)
                while waiting and (len(waiting) >= _AHEAD * self.settings.concurrency or waiting[0].done()):
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await self._openai.close()

    def _connect(self) -> Any:
        import openai  # 0.4 s to load

        try:
            return openai.AsyncOpenAI(
                api_key=self._key, base_url=self.settings.base_url, timeout=self.settings.timeout_s, max_retries=0
            )
        except Exception as error:
            raise SettingsError(
                f"cannot use {shown_url(self.settings.base_url)} as an endpoint: {message(error)}",
                where=f"llm.{self.role}.base_url",
                next_step="write it like http://127.0.0.1:8000/v1",
            ) from error

    async def _answered(self, request: Request, acceptable: Acceptable, attempts: int) -> Answer:
        first = answer_key(self.settings, request, 0)
        answer = Answer(first)
        for attempt in range(attempts):
            key = answer_key(self.settings, request, attempt)
            stored = self._store.get(key)
            if stored is not None:
                self.hits += 1
            else:
                refused = self._spending.take(request)
                if refused:
                    return Answer(first, failure=refused, owed=True, unasked=True)
                try:
                    stored = await self._ask(request, attempt, key)
                except _NoAnswer as none:
                    self._spending.give_back(request)
                    return Answer(first, failure=str(none), owed=none.owed)
                asked = purpose(self._assignment, request, channel="live", attempt=attempt)
                self._store.put(key, stored, asked)
                self._spending.paid(request, stored)
            answer = Answer(first, stored.text, stored.finish_reason)
            if acceptable(stored.text):
                break
        return answer

    async def _ask(self, request: Request, attempt: int, key: str) -> StoredAnswer:
        tries = 0
        guessed: frozenset[str] = frozenset()
        while True:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            async with self._limit:
                self._check_alive()
                untaken = self._untaken
                parameters, used = call_parameters(self.settings, request, attempt, untaken)
                try:
                    answer = await self._call(parameters)
                except _network_faults() as error:
                    fault: Exception = error
                else:
                    self._succeeded(untaken)
                    return answer
            self._heard = self._heard or status_code(fault) is not None
            feature = untaken_feature(fault, used, self._format_proven)
            if feature is not None:
                guessed |= {feature}
                self._untaken |= {feature}
                continue
            tries += 1
            await self._failed(fault, tries, guessed, key)

    async def _failed(self, fault: Exception, tries: int, guessed: frozenset[str], key: str) -> None:
        """Wait before the next try, or raise when there is none."""
        kind = meaning(fault)
        if kind == "hard":
            self._stop(fault)
        if kind == "refused":
            # The format was not to blame: what was left out on a guess is tried again with the next request.
            self._untaken -= guessed - self._known_untaken
            self._refusals += 1
            if not self._answers and self._refusals >= _REFUSED_AFTER:
                self._stop(fault)
            raise _NoAnswer(message(fault), owed=False) from fault
        if tries > self.settings.retries:
            self._unanswered(fault)
        asked = retry_after_s(fault)
        # Half a second, one, two … spread by the key so that a crowd does not come back at once.
        spread = 0.75 + int(key[:4], 16) / 0x1FFFE
        delay = asked if asked is not None else min(self._backoff_s * 2 ** (tries - 1), _LONGEST_BACKOFF_S) * spread
        if asked is not None:
            self._not_before = max(self._not_before, time.monotonic() + delay)
        await asyncio.sleep(delay)

    def _unanswered(self, fault: Exception) -> NoReturn:
        self._unanswered_in_a_row += 1
        nobody_there = not self._heard and status_code(fault) is None and not _is_timeout(fault)
        down = self._unanswered_in_a_row >= max(_SILENT_AFTER, self.settings.concurrency)
        if nobody_there or (down and not self._answers):
            self._stop(fault)
        self._silent = self._silent or down
        raise _NoAnswer(message(fault), owed=True) from fault

    def _stop(self, fault: Exception) -> NoReturn:
        self._stopped = self._stopped or provider_error(fault, self.role, self.settings)
        raise self._stopped from fault

    def _check_alive(self) -> None:
        if self._stopped is not None:
            raise self._stopped
        if self._silent:
            raise _NoAnswer("not asked: the endpoint had stopped answering", owed=True)

    def _succeeded(self, untaken: frozenset[str]) -> None:
        self._answers += 1
        self._unanswered_in_a_row = 0
        self._heard = self._format_proven = True
        if untaken != self._known_untaken:
            self._store.remember_untaken(self._capabilities, untaken)
            self._known_untaken = untaken

    async def _call(self, parameters: Mapping[str, Any]) -> StoredAnswer:
        started = time.monotonic()
        self.calls += 1
        # The client's own time-out is between bytes; a server that drips would never end.
        async with asyncio.timeout(self.settings.timeout_s):
            completion = await self._openai.chat.completions.create(**parameters)
        return read_completion(completion, time.monotonic() - started)


async def _next(answers: AsyncGenerator[Answer]) -> Answer | None:
    return await anext(answers, None)


async def _close(answers: AsyncGenerator[Answer]) -> None:
    await answers.aclose()


def _network_faults() -> tuple[type[Exception], ...]:
    import openai

    return (openai.OpenAIError, TimeoutError, OSError, ValueError)


def _is_timeout(fault: Exception) -> bool:
    import openai

    return isinstance(fault, openai.APITimeoutError | TimeoutError)
