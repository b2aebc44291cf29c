"""Answers already paid for: a SQLite file beside the build, one row an answer, keyed by all that shaped it."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
_RUNS = """CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, started TEXT NOT NULL, stage TEXT NOT NULL, role TEXT NOT NULL,
model TEXT NOT NULL, channel TEXT NOT NULL, calls INTEGER NOT NULL, hits INTEGER NOT NULL, failed INTEGER NOT NULL,
seconds REAL NOT NULL)"""
_ENDPOINTS = "CREATE TABLE IF NOT EXISTS endpoints (key TEXT PRIMARY KEY, untaken TEXT NOT NULL)"
_READ = "SELECT answer, prompt_tokens, completion_tokens, finish_reason, seconds FROM answers WHERE key = ?"
_WRITE = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
_OLDER = "role, stage, model, answer, prompt_tokens, completion_tokens, finish_reason, seconds, created"


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


@dataclass(frozen=True)
class Run:
    """What one stage asked in one build. `calls`: requests sent; `hits`: answers that were there; `failed`: requests left without one."""

    stage: str
    role: str
    model: str
    channel: str
    calls: int
    hits: int
    failed: int
    seconds: float
    """Wall-clock time of the asking."""
    started: str = ""


class AnswerStore:
    """`FOLDER/llm.sqlite`. Every answer is committed when it arrives; keys, headers and addresses are never written.

    `read_only` changes nothing on disk, creates nothing, and raises StoreError where there is no store.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.path = folder / STORE_NAME
        if read_only and not self.path.is_file():
            raise StoreError(
                "no answers of language models here",
                where=str(folder),
                next_step="`curate build SOURCE --out DIR --set llm.generator.model=NAME` asks a model",
            )
        try:
            if not read_only:
                folder.mkdir(parents=True, exist_ok=True)
            # Not mode=ro: such a connection leaves the files of the WAL behind it.
            mode = "rwc" if not read_only else "rw" if os.access(self.path, os.W_OK) else "ro"
            address = f"{self.path.absolute().as_uri()}?mode={mode}"
            self._connection = sqlite3.connect(address, timeout=_BUSY_S, isolation_level=None, uri=True)
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error
        try:
            self._look_like_today() if read_only else self._prepare()
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

    def record_run(self, run: Run) -> None:
        """Keep what a stage asked, when it has ended; `started` is reckoned back from now where it is empty."""
        started = run.started or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - run.seconds))
        asked = (started, run.stage, run.role, run.model, run.channel)
        self._one(
            "INSERT INTO runs VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*asked, run.calls, run.hits, run.failed, run.seconds)
        )

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The result of a SELECT, for reports."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def each(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT one by one, for results that may not fit into memory."""
        try:
            yield from self._connection.execute(sql)
        except sqlite3.Error as error:
            raise self._error(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of several writes or none."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._error(error) from error

    def untaken(self, endpoint: str) -> frozenset[str]:
        """Names of request features this endpoint was found not to take."""
        row = self._one("SELECT untaken FROM endpoints WHERE key = ?", (endpoint,))
        return frozenset(row[0].split()) if row else frozenset()

    def remember_untaken(self, endpoint: str, features: frozenset[str]) -> None:
        """Remember them for the next run."""
        self._one("INSERT OR REPLACE INTO endpoints VALUES (?, ?)", (endpoint, " ".join(sorted(features))))

    def _prepare(self) -> None:
        # In WAL mode NORMAL loses nothing when the process is killed, only when the machine loses power.
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _ANSWERS, _RUNS, _ENDPOINTS):
            self._connection.execute(statement)
        known = {row[1] for row in self._connection.execute("PRAGMA table_info(answers)")}
        for column in _LATER_COLUMNS:
            if column.split()[0] not in known:
                self._connection.execute(f"ALTER TABLE answers ADD COLUMN {column}")

    def _look_like_today(self) -> None:
        """Lay temporary views and tables over what a store of an earlier version lacks."""
        known = {row[1] for row in self._connection.execute("PRAGMA table_info(answers)")}
        if not known:
            self._connection.execute(_ANSWERS.replace("CREATE TABLE", "CREATE TEMP TABLE"))
        elif any(column.split()[0] not in known for column in _LATER_COLUMNS):
            later = "'live' AS channel, 0 AS attempt, NULL AS prompt_estimate, NULL AS completion_estimate, 0 AS imported"
            self._connection.execute(f"CREATE TEMP VIEW answers AS SELECT rowid, key, {_OLDER}, {later} FROM main.answers")  # noqa: S608
        tables = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")}
        if "runs" not in tables:
            self._connection.execute(_RUNS.replace("CREATE TABLE", "CREATE TEMP TABLE"))
        self._connection.execute("PRAGMA query_only = ON")

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
