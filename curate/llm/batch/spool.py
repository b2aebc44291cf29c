"""Requests that wait for a batch, on disk: there may be more of them than memory should hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType

from curate.llm.wire import Request


@dataclass(frozen=True)
class Waiting:
    """A request, the key of its first attempt and the key that it waits for."""

    request: Request
    first: str
    key: str


class Spool:
    """A temporary file in `folder`, written, then read in the same order."""

    def __init__(self, folder: Path) -> None:
        self._file = TemporaryFile("w+", dir=folder, encoding="ascii")  # noqa: SIM115 (closed by `__exit__`)
        self.count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, waiting: Waiting) -> None:
        """One more request."""
        request = waiting.request
        parts = (list(request.messages), request.schema, request.prompt, request.seed, request.expected_tokens)
        self._file.write(json.dumps([waiting.first, waiting.key, *parts]) + "\n")
        self.count += 1

    def __iter__(self) -> Iterator[Waiting]:
        self._file.seek(0)
        for line in self._file:
            first, key, messages, *others = json.loads(line)
            yield Waiting(Request(tuple(messages), *others), first, key)
