"""Answers already paid for: a SQLite file beside the build, one row an answer, keyed by all that shaped it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

from schemas.errors import StoreError

STORE_NAME = "llm.sqlite"
_BUSY_S = 30.0

_ANSWERS = """CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, role TEXT NOT NULL, stage TEXT NOT NULL, model TEXT NOT NULL,
answer TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, finish_reason TEXT NOT NULL, seconds REAL NOT NULL,
created TEXT NOT NULL, channel TEXT NOT NULL DEFAULT 'live', attempt INTEGER NOT NULL DEFAULT 0,
prompt_estimate INTEGER, completion_estimate INTEGER, imported INTEGER NOT NULL DEFAULT 0)"""
_LATER_COLUMNS = (
    "channel TEXT NOT NULL DEFAULT 'live'",
    "attempt INTEGER NOT NULL DEFAULT 0",
    "prompt_estimate INTEGER",
    "completion_estimate INTEGER",
    "imported INTEGER NOT NULL DEFAULT 0",
)
"""Columns that a store written by an earlier version lacks; its answers are paid for and stay."""
_ENDPOINTS = "CREATE TABLE IF NOT EXISTS endpoints (key TEXT PRIMARY KEY, untaken TEXT NOT NULL)"
_READ = "SELECT answer, prompt_tokens, completion_tokens, finish_reason, seconds FROM answers WHERE key = ?"
_WRITE = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"


@dataclass(frozen=True)
class StoredAnswer:
    """What a model said, and what it cost: tokens as the server counted them, seconds from sending to the whole answer."""

    text: str
    finish_reason: str
    seconds: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Purpose:
    """What an answer was asked for. `channel`: live, batch or local; estimates in tokens, as they stood before the call."""

    role: str
    stage: str
    model: str
    channel: str = "live"
    attempt: int = 0
    prompt_estimate: int = 0
    completion_estimate: int = 0


class AnswerStore:
    """`FOLDER/llm.sqlite`. Every answer is committed when it arrives; keys, headers and addresses are never written."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / STORE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error
        try:
            # In WAL mode NORMAL loses nothing when the process is killed, only when the machine loses power.
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _ANSWERS, _ENDPOINTS):
                self._connection.execute(statement)
            self._add_later_columns()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._error(error) from error

    def __enter__(self) -> AnswerStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is pending."""
        self._connection.close()

    def get(self, key: str) -> StoredAnswer | None:
        """The answer under a key, or None."""
        row = self._one(_READ, (key,))
        if row is None:
            return None
        text, prompt_tokens, completion_tokens, finish_reason, seconds = row
        return StoredAnswer(text, finish_reason, seconds, prompt_tokens, completion_tokens)

    def put(self, key: str, answer: StoredAnswer, purpose: Purpose) -> None:
        """Keep an answer; it is on disk when this returns."""
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        asked = (purpose.role, purpose.stage, purpose.model)
        tokens = (answer.prompt_tokens, answer.completion_tokens)
        how = (purpose.channel, purpose.attempt, purpose.prompt_estimate, purpose.completion_estimate)
        self._one(_WRITE, (key, *asked, answer.text, *tokens, answer.finish_reason, answer.seconds, created, *how))

    def paid_calls(self) -> int:
        """Answers that were paid for here, not brought in from another store."""
        return int(self._one("SELECT count(*) FROM answers WHERE imported = 0", ())[0])

    def untaken(self, endpoint: str) -> frozenset[str]:
        """Names of request features this endpoint was found not to take."""
        row = self._one("SELECT untaken FROM endpoints WHERE key = ?", (endpoint,))
        return frozenset(row[0].split()) if row else frozenset()

    def remember_untaken(self, endpoint: str, features: frozenset[str]) -> None:
        """Remember them for the next run."""
        self._one("INSERT OR REPLACE INTO endpoints VALUES (?, ?)", (endpoint, " ".join(sorted(features))))

    def _add_later_columns(self) -> None:
        known = {row[1] for row in self._connection.execute("PRAGMA table_info(answers)")}
        for column in _LATER_COLUMNS:
            if column.split()[0] not in known:
                self._connection.execute(f"ALTER TABLE answers ADD COLUMN {column}")

    def _one(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        try:
            return self._connection.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StoreError:
        return StoreError(
            f"cannot use the store of answers: {error}",
            where=str(self.path),
            next_step="check the folder's rights and free space; a damaged file can be moved away, its answers are then asked for again",
        )


def request_key(parts: Mapping[str, Any]) -> str:
    """Sha256, in hex, of the parts as canonical JSON: equal parts, equal key, on any machine."""
    return sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def clean_text(text: str) -> str:
    """The text without lone surrogates, which neither SQLite nor UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
