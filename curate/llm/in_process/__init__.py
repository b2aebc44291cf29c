"""Answers from a language model inside this process, for people without a server: same keys, same store, no network."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from curate.llm.answers import AnswerStore, StoredAnswer
from curate.llm.asking import ATTEMPTS, Acceptable, Answer, Assignment, answer_key, purpose
from curate.llm.in_process.model import Asking, LocalModel, Said, check_usable, free_memory, is_out_of_memory, pin_revision
from curate.llm.spending import Spending
from curate.llm.wire import Request
from schemas.errors import ProviderError
from schemas.settings import LlmSettings, RoleSettings

__all__ = ["Asking", "InProcess", "Said", "Writer"]

_BATCHES_AHEAD = 8
"""So many batches of requests are sorted by length together, so that little of a batch is padding."""


class Writer(Protocol):
    """What writes answers: `LocalModel`, or a stand-in for it in a test."""

    limit: int | None

    def encode(self, request: Request) -> tuple[int, ...]: ...
    def write(self, batch: Sequence[Asking]) -> list[Said]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class _Task:
    """A request's attempt that the store does not hold; its call is reserved."""

    request: Request
    first: str
    key: str
    attempt: int
    ids: tuple[int, ...] = ()


class InProcess:
    """An `Asker` over a model in memory. Each answer is stored when its batch is finished; the model is loaded when first needed."""

    def __init__(
        self,
        assignment: Assignment,
        store: AnswerStore,
        spending: Spending | None = None,
        *,
        load: Callable[[str, RoleSettings], Writer] | None = None,
    ) -> None:
        self._assignment = assignment
        self.role, self.settings = assignment.role, assignment.settings
        self.calls = self.hits = 0
        self._store = store
        self._spending = spending or Spending(LlmSettings(), store, self.role)
        self._load = load or LocalModel
        if load is None:
            check_usable(self.role, self.settings)
        self._model: Writer | None = None
        self._at_once = self.settings.local_batch
        self._reserved: list[Request] = []

    def settle(self, requests: Iterable[Request], acceptable: Acceptable = bool, attempts: int = ATTEMPTS) -> Generator[Answer]:
        """See `Asker.settle`."""
        if self._load is LocalModel:
            pin_revision(self.role, self.settings)
        waiting: list[_Task] = []
        try:
            for request in requests:
                step = self._next_step(request, acceptable, (0, attempts))
                if isinstance(step, Answer):
                    yield step
                    continue
                waiting.append(step)
                if len(waiting) >= _BATCHES_AHEAD * self.settings.local_batch:
                    yield from self._work_off(waiting, acceptable, attempts)
            while waiting:
                yield from self._work_off(waiting, acceptable, attempts)
        finally:
            for request in tuple(self._reserved):
                self._give_back(request)
            if self._model is not None:
                self._model.close()
                self._model = None

    def _next_step(self, request: Request, acceptable: Acceptable, span: tuple[int, int]) -> _Task | Answer:
        """What the store says of the attempts in `span`: the request's answer, or the attempt to make."""
        first = answer_key(self.settings, request, 0)
        answer = Answer(first)
        for attempt in range(*span):
            key = answer_key(self.settings, request, attempt)
            stored = self._store.get(key)
            if stored is None:
                refused = self._spending.take(request)
                if refused:
                    return Answer(first, failure=refused, owed=True, unasked=True)
                self._reserved.append(request)
                return _Task(request, first, key, attempt)
            self.hits += 1
            answer = Answer(first, stored.text, stored.finish_reason)
            if acceptable(stored.text):
                break
        return answer

    def _work_off(self, waiting: list[_Task], acceptable: Acceptable, attempts: int) -> Generator[Answer]:
        """Ask all that waits, longest prompts first, since they find the memory's limit; what is to be asked again waits anew."""
        tasks, too_long = self._encoded(waiting)
        waiting.clear()
        yield from too_long
        while tasks:
            batch = tasks[: self._at_once]
            started = time.monotonic()
            said = self._written(batch)
            if said is None:
                if len(batch) == 1:
                    yield self._does_not_fit(tasks.pop(0))
                else:
                    self._at_once = max(1, len(batch) // 2)
                continue
            del tasks[: len(batch)]
            # An answer's share of the batch's time, so that the sum is the time spent.
            seconds = round((time.monotonic() - started) / len(batch), 3)
            for task, text in zip(batch, said, strict=True):
                self._keep(task, text, seconds)
            for task, text in zip(batch, said, strict=True):
                if acceptable(text.text) or task.attempt + 1 >= attempts:
                    yield Answer(task.first, text.text, text.finish_reason)
                    continue
                step = self._next_step(task.request, acceptable, (task.attempt + 1, attempts))
                if isinstance(step, Answer):
                    yield step
                else:
                    waiting.append(step)

    def _encoded(self, waiting: Sequence[_Task]) -> tuple[list[_Task], list[Answer]]:
        model = self._model = self._model or self._load(self.role, self.settings)
        tasks, too_long = [], []
        for task in waiting:
            ids = model.encode(task.request)
            if model.limit is None or len(ids) <= model.limit:
                tasks.append(_Task(task.request, task.first, task.key, task.attempt, ids))
                continue
            self._give_back(task.request)
            room = f"{max(model.limit, 0):,} that the model has room for beside {self.settings.max_output_tokens:,} of answer"
            too_long.append(Answer(task.first, failure=f"the prompt has {len(ids):,} tokens, more than the {room}"))
        return sorted(tasks, key=lambda task: -len(task.ids)), too_long

    def _written(self, batch: Sequence[_Task]) -> list[Said] | None:
        """The answers to a batch; None when it is too much for the memory."""
        assert self._model is not None
        # Seeded by the key, so that neither neighbours nor order have a say in an answer.
        asked = [Asking(task.ids, int(task.key[:16], 16), task.request.schema) for task in batch]
        try:
            return self._model.write(asked)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Only now, when the error no longer holds the tensors.
        if self._load is LocalModel:
            free_memory()
        return None

    def _keep(self, task: _Task, said: Said, seconds: float) -> None:
        self.calls += 1
        answer = StoredAnswer(said.text, said.finish_reason, seconds, len(task.ids), said.tokens)
        asked = purpose(self._assignment, task.request, channel="local", attempt=task.attempt)
        self._store.put(task.key, answer, asked)
        self._reserved.remove(task.request)
        self._spending.paid(task.request, answer)

    def _does_not_fit(self, task: _Task) -> Answer:
        if not self.calls:
            raise ProviderError(
                "memory runs out over a single passage",
                where=f"llm.{self.role}.model",
                next_step=f"use a smaller model, or lower llm.{self.role}.max_output_tokens",
            )
        self._give_back(task.request)
        return Answer(task.first, failure=f"memory ran out over a prompt of {len(task.ids):,} tokens", owed=True)

    def _give_back(self, request: Request) -> None:
        self._reserved.remove(request)
        self._spending.give_back(request)
