"""Numbers that models gave: a SQLite file in the build folder, keyed by the texts and by what stands for the model."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import StoreError

KEPT_NAME = "scores.sqlite"
_BUSY_S = 30.0
_ASKED_AT_ONCE = 500
"""Keys in one SELECT; old builds of SQLite take 999 parameters."""

Vectors = npt.NDArray[np.float32]

_TABLES = (
    "CREATE TABLE IF NOT EXISTS models (model INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS vectors (model INTEGER NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (model, text))",
    "CREATE TABLE IF NOT EXISTS scores (model INTEGER NOT NULL, pair BLOB NOT NULL, score REAL NOT NULL, PRIMARY KEY (model, pair)) WITHOUT ROWID",
)


def text_sha256(text: str) -> str:
    """Hex sha256 of a text."""
    return sha256(_bytes(text)).hexdigest()


def pair_sha256(question: str, passage: str) -> str:
    """Hex sha256 of a question and a passage; the length in front keeps ("ab", "c") and ("a", "bc") apart."""
    first = _bytes(question)
    return sha256(len(first).to_bytes(8, "big") + first + _bytes(passage)).hexdigest()


class Kept:
    """`FOLDER/scores.sqlite`. What one call of `put_…` brings is on disk, whole, when it returns: a kill loses the block at work.

    Numbers that cannot be right (not finite, half a vector) are never written and, where a damaged file holds them, not given out.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / KEPT_NAME
        self._models: dict[str, int] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error
        try:
            # In WAL mode NORMAL loses nothing when the process is killed, only when the machine loses power.
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", *_TABLES):
                self._connection.execute(statement)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._error(error) from error

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is pending."""
        self._connection.close()

    def vectors(self, model_key: str, texts: Sequence[str]) -> dict[str, Vectors]:
        """`text_sha256` → vector, for those of the texts that are known."""
        found = {}
        for key, blob in self._known("vectors", "text", model_key, [text_sha256(text) for text in texts]):
            if isinstance(blob, bytes) and blob and len(blob) % 4 == 0:
                vector = np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False)
                if np.isfinite(vector).all():
                    found[key] = vector
        return found

    def put_vectors(self, model_key: str, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep one vector a text, [texts, dimensions]. Raises ValueError when one is not finite."""
        if not np.isfinite(vectors).all():
            raise ValueError("a vector is not finite")
        rows = {text_sha256(text): row.astype("<f4").tobytes() for text, row in zip(texts, vectors, strict=True)}
        self._write("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", model_key, rows)

    def scores(self, model_key: str, pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
        """`pair_sha256` → score, for those of the pairs that are known."""
        known = self._known("scores", "pair", model_key, [pair_sha256(*pair) for pair in pairs])
        return {key: score for key, score in known if isinstance(score, float) and np.isfinite(score)}

    def put_scores(self, model_key: str, pairs: Sequence[tuple[str, str]], scores: Sequence[float]) -> None:
        """Keep one score a pair. Raises ValueError when one is not finite."""
        if not np.isfinite(scores).all():
            raise ValueError("a score is not finite")
        rows = {pair_sha256(*pair): float(score) for pair, score in zip(pairs, scores, strict=True)}
        self._write("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", model_key, rows)

    def _known(self, table: str, column: str, model_key: str, keys: Sequence[str]) -> Iterator[tuple[str, Any]]:
        model = self._model(model_key)
        value = table.removesuffix("s")
        wanted = sorted(set(keys))
        for start in range(0, len(wanted), _ASKED_AT_ONCE):
            part = wanted[start : start + _ASKED_AT_ONCE]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT {column}, {value} FROM {table} WHERE model = ? AND {column} IN ({marks})"  # noqa: S608 (our own names)
            for key, number in self._rows(sql, (model, *map(bytes.fromhex, part))):
                yield key.hex(), number

    def _write(self, sql: str, model_key: str, rows: Mapping[str, Any]) -> None:
        model = self._model(model_key)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(sql, [(model, bytes.fromhex(key), value) for key, value in sorted(rows.items())])
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _model(self, model_key: str) -> int:
        if model_key not in self._models:
            self._rows("INSERT OR IGNORE INTO models (key) VALUES (?)", (model_key,))
            self._models[model_key] = self._rows("SELECT model FROM models WHERE key = ?", (model_key,))[0][0]
        return self._models[model_key]

    def _rows(self, sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StoreError:
        return StoreError(
            f"cannot use the store of vectors and scores: {error}",
            where=str(self.path),
            next_step="check the folder's rights and free space; a damaged file can be deleted, its numbers are then computed again",
        )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
