"""Calls under way: requests are taken as calls come free, sent again when that may help, and given out as their answers arrive."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator

from curate.llm.asking import Answer
from curate.llm.desk import Desk, Job
from curate.llm.endpoint import Reply
from curate.llm.faults import is_load, retry_after_s
from curate.llm.pace import Pace
from curate.llm.wire import Request
from schemas.errors import ProviderError

_AHEAD = 8
"""Requests begun and not answered, a multiple of the concurrency: those that wait for their next try do not stop the rest."""
_ANSWERS_AT_ONCE = 256
"""Answers given out together: those in the store come faster than they are read."""
_GRACE_S = 5.0
"""Seconds that calls under way get to bring their answers, which are paid for, when the build has to stop."""


class Pool:
    """Runs in one event loop; between two calls of `some` nothing moves."""

    def __init__(self, desk: Desk, pace: Pace, requests: Iterator[Request]) -> None:
        self._desk, self._pace, self._requests = desk, pace, requests
        self._most_begun = _AHEAD * desk.assignment.settings.concurrency
        self._exhausted = False
        self._begun: set[Job] = set()
        self._ready: deque[Job] = deque()
        self._calls: dict[asyncio.Task[Reply], Job] = {}
        self._ended: deque[asyncio.Task[Reply]] = deque()
        self._asleep: dict[Job, asyncio.TimerHandle] = {}
        self._answers: list[Answer] = []
        self._news = asyncio.Event()

    async def some(self) -> list[Answer]:
        """The answers that have come, at least one; none at the end of all requests. Raises ProviderError."""
        while True:
            try:
                self._take_in()
            except ProviderError:
                await self._keep_the_last()
                raise
            self._send()
            if self._answers or (self._exhausted and not self._begun):
                answers, self._answers = self._answers, []
                return answers
            await self._wait()

    async def close(self) -> None:
        """Give up what is under way, and its connections."""
        for timer in self._asleep.values():
            timer.cancel()
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        for job in self._begun:
            self._desk.give_back(job)
        await self._desk.endpoint.close()

    def _send(self) -> None:
        now, silent = time.monotonic(), self._desk.judgement.silent
        if silent:
            for timer in self._asleep.values():
                timer.cancel()
            self._ready.extend(self._asleep)
            self._asleep.clear()
        while len(self._answers) < _ANSWERS_AT_ONCE and (silent or self._pace.room(now)):
            job = self._ready.popleft() if self._ready else self._next()
            if job is None:
                return
            answer = self._desk.before_sending(job)
            if answer is None:
                self._call(job)
            else:
                self._settle(job, answer)

    def _next(self) -> Job | None:
        if self._exhausted or len(self._begun) >= self._most_begun:
            return None
        request = next(self._requests, None)
        if request is None:
            self._exhausted = True
            return None
        job = self._desk.job(request)
        self._begun.add(job)
        return job

    def _call(self, job: Job) -> None:
        self._pace.begin()
        task = asyncio.create_task(self._desk.endpoint.send(job.request, job.attempt))
        self._calls[task] = job
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Reply]) -> None:
        self._ended.append(task)
        self._news.set()

    def _take_in(self) -> None:
        while self._ended:
            task = self._ended.popleft()
            reply, job = task.result(), self._calls.pop(task)
            self._pace.end()
            if reply.fault is None:
                self._pace.answered()
            elif is_load(reply.fault):
                self._pace.slow_down(reply.began, time.monotonic(), retry_after_s(reply.fault))
            came = self._desk.after_sending(job, reply)
            if isinstance(came, Answer):
                self._settle(job, came)
            else:
                self._asleep[job] = asyncio.get_running_loop().call_later(came, self._wake, job)

    def _wake(self, job: Job) -> None:
        del self._asleep[job]
        self._ready.append(job)
        self._news.set()

    def _settle(self, job: Job, answer: Answer) -> None:
        self._begun.remove(job)
        self._answers.append(answer)

    async def _wait(self) -> None:
        held_s = self._pace.hold_s(time.monotonic())
        timer = asyncio.get_running_loop().call_later(held_s, self._news.set) if held_s else None
        await self._news.wait()
        self._news.clear()
        if timer is not None:
            timer.cancel()

    async def _keep_the_last(self) -> None:
        if self._calls:
            await asyncio.wait(self._calls, timeout=_GRACE_S)
        for task, job in self._calls.items():
            answer = task.result().answer if task.done() else None
            if answer is not None:
                self._desk.keep(job, answer)
