"""Asks through the batch API: collects what earlier runs handed in, hands in what is missing, and waits for as long as it may.

A batch is written down before it is handed in, and found again by the nonce it carries: killed at any instant, nothing is handed in twice.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field

from curate.llm.answers import AnswerStore, request_key
from curate.llm.asking import ATTEMPTS, Acceptable, Answer, Assignment, answer_key, estimated_prompt_tokens
from curate.llm.batch.api import BatchApi, UnansweredError
from curate.llm.batch.collect import Collector
from curate.llm.batch.lines import Part, request_line
from curate.llm.batch.record import Batch, Entry, Record, now
from curate.llm.batch.spool import Spool, Waiting
from curate.llm.spending import Spending
from curate.llm.wire import Request, call_parameters
from schemas.errors import ProviderError
from schemas.settings import LlmSettings

_ENDS = ("completed", "failed", "expired", "cancelled")
_NONCE_BYTES = 16


@dataclass
class _Round:
    """One walk through requests that have no answer yet."""

    acceptable: Acceptable
    attempts: int
    part: Part
    first: bool = True


@dataclass
class _Run:
    """What is known only while this run lasts."""

    mine: set[str] = field(default_factory=set)
    """Nonces of the batches it handed in."""
    lost: dict[str, str] = field(default_factory=dict)
    """Requests it handed in that came to nothing, with the reason: a matter for the next run."""
    lost_before: dict[str, str] = field(default_factory=dict)
    """Requests of earlier runs that came to nothing, and are handed in once more."""
    held: bool = False
    deadline: float | None = None


class BatchAsker:
    """One role's batches during one run of a stage. `calls` counts requests handed in, `hits` answers found in the store."""

    def __init__(
        self, assignment: Assignment, store: AnswerStore, spending: Spending | None = None, *, backoff_s: float = 0.5
    ) -> None:
        self._assignment, self._settings = assignment, assignment.settings
        self.calls = self.hits = 0
        self._store = store
        self._spending = spending or Spending(LlmSettings(), store)
        self._record = Record(store)
        self._api = BatchApi(assignment.role, self._settings, backoff_s)
        self._address = request_key({"base_url": self._settings.base_url.rstrip("/"), "model": self._settings.model})
        self._collector = Collector(assignment, store, self._record, self._spending, self._api, self._address)
        self._run = _Run()

    def settle(self, requests: Iterable[Request], acceptable: Acceptable = bool, attempts: int = ATTEMPTS) -> Generator[Answer]:
        """See `Asker.settle`. What is not there after `batch_wait_s` is owed; the next run collects it."""
        with closing(self._api):
            self._find_intended()
            self._hold()
            self._look()
            yield from self._settled(requests, (acceptable, attempts), first=True)

    def _settled(self, requests: Iterable[Request], wanted: tuple[Acceptable, int], *, first: bool) -> Generator[Answer]:
        folder, last = self._store.path.parent, not first and self._left_s() <= 0
        with Spool(folder) as waiting:
            with Part(folder) as part:
                round_ = _Round(*wanted, part, first)
                for request in requests:
                    answer = self._answer(request, round_)
                    if isinstance(answer, Answer):
                        yield answer
                    else:
                        waiting.add(answer)
                self._hand_in(part)
            if last:
                yield from (self._owed(one) for one in waiting)
            elif waiting.count:
                self._wait()
                # As many rounds as attempts, at most: a request is handed in once a run for each.
                yield from self._settled((one.request for one in waiting), wanted, first=False)

    def _answer(self, request: Request, round_: _Round) -> Answer | Waiting:
        """The answer, or where it will come: a batch that is under way, or the part that is being filled."""
        first = answer_key(self._settings, request, 0)
        for attempt in range(round_.attempts):
            key = first if attempt == 0 else answer_key(self._settings, request, attempt)
            stored = self._store.get(key)
            if stored is None:
                return self._ask(Waiting(request, first, key), attempt, round_.part)
            self.hits += round_.first
            if attempt + 1 == round_.attempts or round_.acceptable(stored.text):
                return Answer(first, stored.text, stored.finish_reason)
        raise AssertionError("at least one attempt")

    def _ask(self, asked: Waiting, attempt: int, part: Part) -> Answer | Waiting:
        if asked.key in part.keys:
            return asked
        if asked.key in self._run.lost:
            return Answer(asked.first, failure=self._run.lost[asked.key], owed=True)
        under_way = self._record.under_way(asked.key, self._address)
        if under_way is not None:
            return Answer(asked.first, failure=under_way.refusal) if under_way.refusal else asked
        request = asked.request
        entry = Entry(asked.key, attempt, estimated_prompt_tokens(request), request.expected_tokens)
        refused = self._spending.take(entry.tokens(self._settings.max_output_tokens))
        if refused:
            return Answer(asked.first, failure=refused, owed=True, unasked=True)
        parameters, features = call_parameters(self._settings, request, attempt, self._store.untaken(self._address))
        line = request_line(asked.key, parameters)
        if not part.takes(line, self._settings.batch_requests):
            self._hand_in(part)
        part.add(entry, line, features)
        return asked

    def _owed(self, waiting: Waiting) -> Answer:
        found = self._record.under_way(waiting.key, self._address)
        where = f"in batch {found.batch_id}, submitted {found.created}" if found else "not in a batch"
        before = self._run.lost_before.get(waiting.key)
        where += f" (before that: {before})" if before else ""
        return Answer(waiting.first, failure=f"{where}; run the same command again to collect it", owed=True)

    def _hand_in(self, part: Part) -> None:
        """Send what the part holds, if anything, and empty it."""
        if not part.entries:
            return
        nonce, asked = secrets.token_hex(_NONCE_BYTES), self._assignment
        batch = Batch(
            nonce=nonce,
            address=self._address,
            role=asked.role,
            stage=asked.stage,
            model=self._settings.model or "",
            state="intended",
            requests=len(part.entries),
            created=now(),
            features=" ".join(sorted(part.features)),
        )
        self._record.intend(batch, part.entries)
        self._run.mine.add(nonce)
        try:
            file_id = self._api.upload(part.file)
            self._record.uploaded(nonce, file_id)
        except ProviderError:
            self._record.forget(nonce)
            raise
        try:
            batch_id = self._api.create(file_id, nonce, batch.created)
        except UnansweredError:
            # Perhaps it was handed in; the next run looks for it.
            raise
        except ProviderError:
            self._record.forget(nonce)
            raise
        self._record.submitted(nonce, batch_id)
        self.calls += len(part.entries)
        part.clear()

    def _hold(self) -> None:
        """What earlier runs handed in will be paid for, and counts from now on."""
        if not self._run.held:
            self._run.held = True
            for entry in self._record.all_under_way():
                self._spending.hold(entry.tokens(self._settings.max_output_tokens))

    def _find_intended(self) -> None:
        """Batches of which an earlier run did not hear whether they were handed in."""
        for batch in self._record.open_batches(self._address):
            if batch.state != "intended":
                continue
            found = self._api.find(batch.file_id, batch.nonce, batch.created) if batch.file_id else None
            if found is None:
                self._record.forget(batch.nonce)
            else:
                self._record.submitted(batch.nonce, found)

    def _look(self) -> int:
        """Collect the batches that have ended; the number of those that have not."""
        still = 0
        for batch in self._record.open_batches(self._address):
            found = self._api.retrieve(batch.batch_id) if batch.batch_id else None
            if found is None and batch.nonce not in self._run.mine:
                self._collector.lose(batch, "lost")
            elif found is None or found.status not in _ENDS:
                still += 1
            else:
                came_to_nothing = self._run.lost if batch.nonce in self._run.mine else self._run.lost_before
                came_to_nothing |= self._collector.collect(batch, found)
        return still

    def _wait(self) -> None:
        """Until every batch has ended, or the time is up."""
        self._run.deadline = self._run.deadline or time.monotonic() + self._settings.batch_wait_s
        while True:
            try:
                if not self._look():
                    return
            except UnansweredError:
                # The batch goes on without us; only the deadline ends the wait.
                pass
            left = self._left_s()
            if left <= 0:
                return
            time.sleep(min(self._settings.batch_poll_s, left))

    def _left_s(self) -> float:
        return (self._run.deadline or 0.0) - time.monotonic()
