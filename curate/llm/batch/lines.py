"""The lines of a batch: requests written into a part of limited size, and results read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any

from curate.llm.answers import StoredAnswer
from curate.llm.batch.api import CHAT
from curate.llm.batch.record import Entry
from curate.llm.wire import read_completion

MAX_REQUESTS = 50_000
"""Requests in one batch, by OpenAI's limit."""
MAX_BYTES = 150_000_000
"""Bytes of one batch's file; OpenAI takes 200 MB, others less."""


class LineError(Exception):
    """What a line says went wrong; `status_code` as of a live call, None when the request was never run."""

    def __init__(self, said: str, status_code: int | None) -> None:
        super().__init__(said)
        self.status_code = status_code


@dataclass
class Part:
    """Requests on their way into one batch, in a temporary file in `folder`; nobody else sees it."""

    folder: Path
    entries: list[Entry] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    features: set[str] = field(default_factory=set)
    size: int = 0

    def __post_init__(self) -> None:
        self.file: IO[bytes] = TemporaryFile(dir=self.folder)  # noqa: SIM115 (closed by `__exit__`)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()

    def clear(self) -> None:
        """Begin the next part."""
        self.file.seek(0)
        self.file.truncate()
        self.entries, self.keys, self.features, self.size = [], set(), set(), 0

    def add(self, entry: Entry, line: bytes, features: list[str]) -> None:
        """One more request."""
        self.file.write(line)
        self.size += len(line)
        self.entries.append(entry)
        self.keys.add(entry.key)
        self.features.update(features)

    def takes(self, line: bytes, most: int) -> bool:
        """Whether there is room for the line; an empty part takes any."""
        return not self.entries or (len(self.entries) < min(most, MAX_REQUESTS) and self.size + len(line) <= MAX_BYTES)


def request_line(key: str, parameters: Mapping[str, Any]) -> bytes:
    """A line of the input file."""
    line = {"custom_id": key, "method": "POST", "url": CHAT, "body": parameters}
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def read_results(file: IO[bytes]) -> Iterator[tuple[str, StoredAnswer | LineError]]:
    """(key, answer or fault) of each line that can be read at all."""
    file.seek(0)
    for line in file:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("custom_id"), str):
            yield value["custom_id"], _result(value)


def _result(line: Mapping[str, Any]) -> StoredAnswer | LineError:
    response = line.get("response")
    if isinstance(response, dict) and isinstance(response.get("status_code"), int):
        if response["status_code"] != 200:
            return LineError(_said(response.get("body")), response["status_code"])
        try:
            # A batch says nothing of how long one answer took.
            return read_completion(response.get("body"), 0.0)
        except ValueError as error:
            return LineError(str(error), None)
    return LineError(_said(line), None)


def _said(value: Any) -> str:
    """Code and message of an error, in whichever form it comes."""
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        parts = [str(error[name]) for name in ("code", "message") if error.get(name)]
        return ": ".join(parts) or "no reason given"
    return str(error)[:300] or "no reason given"
