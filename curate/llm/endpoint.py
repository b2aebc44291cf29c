"""One live endpoint: a request goes out, an answer or a fault comes back; what the endpoint does not take is left out."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from curate.llm.answers import AnswerStore, StoredAnswer, request_key
from curate.llm.asking import Assignment
from curate.llm.faults import message, shown_url, untaken_feature
from curate.llm.wire import Request, call_parameters, read_completion
from schemas.errors import SettingsError
from schemas.settings import RoleSettings

_CALLS_A_LINE = 16
"""Calls that share a pool of connections: looking for a free one takes the pool longer the more it has."""


@dataclass
class Counts:
    """What a run of a stage has asked for: requests sent, and answers found in the store."""

    calls: int = 0
    hits: int = 0


@dataclass(frozen=True)
class Reply:
    """What came back: an answer or a fault. `began` is monotonic, in seconds; `used` and `untaken` say how it was asked."""

    began: float
    used: tuple[str, ...]
    untaken: frozenset[str]
    answer: StoredAnswer | None = None
    fault: Exception | None = None


class Endpoint:
    """Connections to an endpoint, made on the first call."""

    def __init__(self, assignment: Assignment, key: str, store: AnswerStore, counts: Counts) -> None:
        self._role, self._settings, self._key = assignment.role, assignment.settings, key
        self._store, self._counts = store, counts
        self._capabilities = request_key({"base_url": self._settings.base_url.rstrip("/"), "model": self._settings.model})
        self._untaken = self._known_untaken = store.untaken(self._capabilities)
        self._format_proven = False
        self._lines: list[Any] = []
        self._free: list[Any] = []

    async def send(self, request: Request, attempt: int) -> Reply:
        """One call. Faults of the network and the endpoint are values here."""
        if not self._lines:
            self._connect()
        untaken = self._untaken
        parameters, used = call_parameters(self._settings, request, attempt, untaken)
        line = self._free.pop()
        self._counts.calls += 1
        began = time.monotonic()
        try:
            # The client's own time-out is between bytes; a server that drips would never end.
            async with asyncio.timeout(self._settings.timeout_s):
                # Not `chat.completions.create`: walking the types of what is sent and received costs more than the call.
                text = await line.post("/chat/completions", body=parameters, cast_to=str)
            answer = read_completion(json.loads(text), time.monotonic() - began)
        except _network_faults() as fault:
            return Reply(began, tuple(used), untaken, fault=fault)
        finally:
            self._free.append(line)
        return Reply(began, tuple(used), untaken, answer)

    def works(self, reply: Reply) -> None:
        """Remember how an answered request was asked."""
        self._format_proven = True
        if reply.untaken != self._known_untaken:
            self._store.remember_untaken(self._capabilities, reply.untaken)
            self._known_untaken = reply.untaken

    def leave_out(self, reply: Reply) -> str | None:
        """The feature that a fault puts the blame on, which is not sent from now on; None when it blames something else."""
        if reply.fault is None:
            return None
        feature = untaken_feature(reply.fault, reply.used, self._format_proven)
        if feature is not None:
            self._untaken |= {feature}
        return feature

    def take_back(self, guessed: frozenset[str]) -> None:
        """What was left out of a request on a guess was not to blame: it is sent again."""
        self._untaken -= guessed - self._known_untaken

    def _connect(self) -> None:
        for _ in range(0, self._settings.concurrency, _CALLS_A_LINE):
            self._lines.append(connect(self._role, self._settings, self._key))
        self._free = [line for line in self._lines for _ in range(_CALLS_A_LINE)]

    async def close(self) -> None:
        """End all connections; the next call makes new ones."""
        lines, self._lines, self._free = self._lines, [], []
        for line in lines:
            await line.close()


def connect(role: str, settings: RoleSettings, key: str) -> Any:
    """An `openai.AsyncOpenAI` for one role; belongs to the event loop that first uses it. Raises SettingsError."""
    import openai  # 0.4 s to load

    try:
        return openai.AsyncOpenAI(api_key=key, base_url=settings.base_url, timeout=settings.timeout_s, max_retries=0)
    except Exception as error:
        raise SettingsError(
            f"cannot use {shown_url(settings.base_url)} as an endpoint: {message(error)}",
            where=f"llm.{role}.base_url",
            next_step="write it like http://127.0.0.1:8000/v1",
        ) from error


def _network_faults() -> tuple[type[Exception], ...]:
    import openai

    return (openai.OpenAIError, TimeoutError, OSError, ValueError)
