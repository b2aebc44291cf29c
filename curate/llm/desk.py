"""One request at a time: what the store already says of it, whether it may be paid for, and what came of sending it."""

from __future__ import annotations

from dataclasses import dataclass, field

from curate.llm.answers import AnswerStore, StoredAnswer
from curate.llm.asking import Acceptable, Answer, Assignment, answer_key, purpose
from curate.llm.endpoint import Counts, Endpoint, Reply
from curate.llm.spending import Spending
from curate.llm.verdict import SILENT, Judgement, Tries
from curate.llm.wire import Request


@dataclass(eq=False)
class Job:
    """A request on its way to an answer. `first` is the key of attempt 0; `tries` are those of the present attempt."""

    request: Request
    first: str
    attempt: int = 0
    tries: Tries = field(default_factory=Tries)
    reserved: bool = False
    guessed: frozenset[str] = frozenset()
    """Features left out of it because a fault may have meant them."""


@dataclass
class Desk:
    """Settles the requests of one `settle`."""

    assignment: Assignment
    store: AnswerStore
    spending: Spending
    endpoint: Endpoint
    judgement: Judgement
    counts: Counts
    acceptable: Acceptable
    attempts: int

    def job(self, request: Request) -> Job:
        """A request that has not been looked at."""
        return Job(request, answer_key(self.assignment.settings, request, 0))

    def key(self, job: Job) -> str:
        """The key of the present attempt."""
        return job.first if job.attempt == 0 else answer_key(self.assignment.settings, job.request, job.attempt)

    def before_sending(self, job: Job) -> Answer | None:
        """The answer when there is nothing to send: stored, not to be paid for, or nobody there. None: send it."""
        while not job.reserved:
            stored = self.store.get(self.key(job))
            if stored is None:
                break
            self.counts.hits += 1
            answer = self._read(job, stored)
            if answer is not None:
                return answer
        if self.judgement.silent:
            return self._lost(job, SILENT, owed=True)
        if not job.reserved:
            refused = self.spending.take(job.request)
            if refused:
                return Answer(job.first, failure=refused, owed=True, unasked=True)
            job.reserved = True
        return None

    def after_sending(self, job: Job, reply: Reply) -> Answer | float:
        """The answer, or in how many seconds the request is to be looked at again. Raises ProviderError when no request can succeed."""
        if reply.answer is not None:
            self.judgement.answered()
            self.endpoint.works(reply)
            return self.keep(job, reply.answer) or 0.0
        feature = self.endpoint.leave_out(reply)
        if feature is not None:
            job.guessed |= {feature}
            return 0.0
        assert reply.fault is not None
        verdict = self.judgement.of(reply.fault, job.tries, job.first)
        if verdict.again_s is not None:
            return verdict.again_s
        if not verdict.owed:
            self.endpoint.take_back(job.guessed)
        return self._lost(job, verdict.failure, owed=verdict.owed)

    def keep(self, job: Job, stored: StoredAnswer) -> Answer | None:
        """Store what a call brought; None when the request needs another attempt."""
        asked = purpose(self.assignment, job.request, channel="live", attempt=job.attempt)
        self.store.put(self.key(job), stored, asked)
        self.spending.paid(job.request, stored)
        job.reserved = False
        return self._read(job, stored)

    def give_back(self, job: Job) -> None:
        """The request is not sent again: what was reserved for it is free."""
        if job.reserved:
            self.spending.give_back(job.request)
            job.reserved = False

    def _read(self, job: Job, stored: StoredAnswer) -> Answer | None:
        if job.attempt + 1 >= self.attempts or self.acceptable(stored.text):
            return Answer(job.first, stored.text, stored.finish_reason)
        job.attempt, job.tries, job.guessed = job.attempt + 1, Tries(), frozenset()
        return None

    def _lost(self, job: Job, failure: str, *, owed: bool) -> Answer:
        self.give_back(job)
        return Answer(job.first, failure=failure, owed=owed)
