"""The calls of the batch API: upload, hand in, find again, look, fetch; each tried again while its fault may pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import IO, Any, TypeVar

from curate.llm.client import api_key
from curate.llm.faults import meaning, message, provider_error, retry_after_s, shown_url, status_code
from schemas.errors import ProviderError, SettingsError
from schemas.settings import RoleSettings

T = TypeVar("T")
CHAT = "/v1/chat/completions"
WINDOW = "24h"
NONCE = "curate"
"""Name under which a batch's nonce is sent along."""
_CLOCKS_DIFFER_S = 86_400
_LONGEST_BACKOFF_S = 60.0
_NO_SUCH_API = (404, 405, 501)


class UnansweredError(ProviderError):
    """The endpoint failed to answer for a passing reason, as often as it was tried."""


class BatchApi:
    """One role's endpoint. Nothing is loaded or connected before the first call."""

    def __init__(self, role: str, settings: RoleSettings, backoff_s: float) -> None:
        self._role, self._settings, self._backoff_s = role, settings, backoff_s
        self._key = api_key(role, settings)
        self._connected: Any = None

    def close(self) -> None:
        """Close the connections."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def upload(self, file: IO[bytes]) -> str:
        """The id of the uploaded file."""

        def send() -> str:
            file.seek(0)
            sent = self._openai().files.create(file=("requests.jsonl", file, "application/jsonl"), purpose="batch")
            return _id(sent)

        return self._tried(send)

    def create(self, file_id: str, nonce: str, created: str) -> str:
        """The id of the batch made of an uploaded file. When the answer is lost, the batch is looked for before it is made again."""
        unsure = False

        def make() -> str:
            nonlocal unsure
            found = self.find(file_id, nonce, created) if unsure else None
            if found is not None:
                return found
            unsure = True
            batches = self._openai().batches
            return _id(batches.create(input_file_id=file_id, endpoint=CHAT, completion_window=WINDOW, metadata={NONCE: nonce}))

        try:
            return self._tried(make)
        except UnansweredError:
            found = self.find(file_id, nonce, created)
            if found is None:
                raise
            return found

    def find(self, file_id: str, nonce: str, created: str) -> str | None:
        """The id of the batch that carries the nonce, or that was made of the file; None when there is none."""
        earliest = datetime.fromisoformat(created).timestamp() - _CLOCKS_DIFFER_S

        def search() -> str | None:
            for batch in self._openai().batches.list(limit=100):
                sent_along = getattr(batch, "metadata", None) or {}
                if sent_along.get(NONCE) == nonce or getattr(batch, "input_file_id", None) == file_id:
                    return _id(batch)
                if (getattr(batch, "created_at", None) or earliest) < earliest:
                    break
            return None

        return self._tried(search)

    def retrieve(self, batch_id: str) -> Any | None:
        """The batch as it stands; None when the endpoint does not know it."""
        return self._tried(lambda: _found(lambda: self._openai().batches.retrieve(batch_id)))

    def fetch(self, file_id: str, into: IO[bytes]) -> None:
        """Write the content of a file; nothing when the endpoint no longer has it."""

        def load() -> None:
            into.seek(0)
            into.truncate()
            with self._openai().files.with_streaming_response.content(file_id) as response:
                for part in response.iter_bytes():
                    into.write(part)

        self._tried(lambda: _found(load))

    def _openai(self) -> Any:
        if self._connected is None:
            import openai  # 0.4 s to load

            settings = self._settings
            try:
                self._connected = openai.OpenAI(
                    api_key=self._key, base_url=settings.base_url, timeout=settings.timeout_s, max_retries=0
                )
            except Exception as error:
                raise SettingsError(
                    f"cannot use {shown_url(settings.base_url)} as an endpoint: {message(error)}",
                    where=f"llm.{self._role}.base_url",
                    next_step="write it like http://127.0.0.1:8000/v1",
                ) from error
        return self._connected

    def _tried(self, call: Callable[[], T]) -> T:
        for pause in self._pauses():
            try:
                return call()
            except _network_faults() as error:
                self._raise_if_final(error, last=pause is None)
                asked = retry_after_s(error)
                time.sleep(pause or 0.0 if asked is None else asked)
        raise AssertionError("the last try returns or raises")

    def _pauses(self) -> Iterator[float | None]:
        """Seconds to wait after each try; None after the last."""
        yield from (min(self._backoff_s * 2**tries, _LONGEST_BACKOFF_S) for tries in range(self._settings.retries))
        yield None

    def _raise_if_final(self, error: Exception, *, last: bool) -> None:
        where, shown = f"llm.{self._role}", shown_url(self._settings.base_url)
        if status_code(error) in _NO_SUCH_API:
            raise ProviderError(
                f"{shown} has no batch API ({status_code(error)}: {message(error)})",
                where=f"{where}.provider",
                next_step=f'set {where}.provider = "endpoint" for live calls, or check {where}.base_url (it usually ends in /v1)',
            ) from error
        if meaning(error) != "passing":
            raise provider_error(error, self._role, self._settings) from error
        if last:
            final = provider_error(error, self._role, self._settings)
            raise UnansweredError(final.what, where=final.where, next_step=final.next_step) from error


def _found(call: Callable[[], T]) -> T | None:
    import openai

    with suppress(openai.NotFoundError):
        return call()
    return None


def _id(made: Any) -> str:
    name = getattr(made, "id", None)
    if not isinstance(name, str) or not name:
        raise ValueError("the server sent no id")
    return name


def _network_faults() -> tuple[type[Exception], ...]:
    import openai

    return (openai.OpenAIError, OSError, ValueError)
