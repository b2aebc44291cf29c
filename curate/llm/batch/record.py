"""What is known of batches: which were handed in, and which requests are in them; two tables beside the answers.

One row of `batches` is a batch, written before it is handed in. One row of `batch_requests` is a request that is under way in a batch,
or that the endpoint refused; a request that was answered, or is to be asked again, has none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from curate.llm.answers import AnswerStore

_TABLES = (
    """CREATE TABLE IF NOT EXISTS batches (nonce TEXT PRIMARY KEY, address TEXT NOT NULL, role TEXT NOT NULL, stage TEXT NOT NULL,
model TEXT NOT NULL, state TEXT NOT NULL, requests INTEGER NOT NULL, created TEXT NOT NULL, features TEXT NOT NULL,
file_id TEXT, batch_id TEXT)""",
    """CREATE TABLE IF NOT EXISTS batch_requests (nonce TEXT NOT NULL, key TEXT NOT NULL, attempt INTEGER NOT NULL,
prompt_estimate INTEGER NOT NULL, completion_estimate INTEGER NOT NULL, refusal TEXT, PRIMARY KEY (nonce, key))""",
    "CREATE INDEX IF NOT EXISTS batch_requests_by_key ON batch_requests (key)",
)
_BATCH = "SELECT nonce, address, role, stage, model, state, requests, created, features, file_id, batch_id FROM batches"
_OPEN_STATES = "('intended', 'submitted')"
_OPEN = f"{_BATCH} WHERE state IN {_OPEN_STATES}"
_ENTRIES = """SELECT r.key, r.attempt, r.prompt_estimate, r.completion_estimate FROM batch_requests r
JOIN batches b ON b.nonce = r.nonce"""
_UNDER_WAY = """SELECT r.refusal, b.batch_id, b.created FROM batch_requests r JOIN batches b ON b.nonce = r.nonce
WHERE r.key = ? AND b.address = ? ORDER BY b.created DESC, r.refusal IS NULL DESC LIMIT 1"""


@dataclass(frozen=True)
class Batch:
    """A batch. `state`: intended (perhaps handed in), submitted, or how it ended; `requests` as it was handed in."""

    nonce: str
    """Drawn for this batch and sent along with it, so that it is known again when its id never arrived."""
    address: str
    """Sha256 of the endpoint's address and the model."""
    role: str
    stage: str
    model: str
    state: str
    requests: int
    created: str
    """UTC, as 2026-01-31T08:15:00Z."""
    features: str
    """Names of what its requests used that an endpoint may not take, with blanks between."""
    file_id: str | None = None
    batch_id: str | None = None


@dataclass(frozen=True)
class Entry:
    """A request in a batch; tokens estimated before it was sent."""

    key: str
    attempt: int
    prompt_estimate: int
    completion_estimate: int
    """0 when the stage did not say what to expect."""

    def tokens(self, most: int) -> tuple[int, int]:
        """Tokens to reserve: of the prompt, and of an answer of at most `most`."""
        return self.prompt_estimate, min(self.completion_estimate or most, most)


@dataclass(frozen=True)
class UnderWay:
    """Where a request is: in which batch since when, or refused for good."""

    refusal: str
    batch_id: str
    created: str


def pending_batches(store: AnswerStore) -> list[Batch]:
    """Batches that were handed in and not yet collected, oldest first, whatever their endpoint and model."""
    if not store.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'batches'"):
        return []
    return [Batch(*row) for row in store.rows(f"{_OPEN} ORDER BY rowid")]


class Record:
    """The tables, in the file of the answers. No key of an endpoint and no address is written."""

    def __init__(self, store: AnswerStore) -> None:
        self._store = store
        with store.transaction() as connection:
            for statement in _TABLES:
                connection.execute(statement)

    def open_batches(self, address: str) -> list[Batch]:
        """Batches of an address whose end is not known, oldest first."""
        return [Batch(*row) for row in self._store.rows(f"{_OPEN} AND address = ? ORDER BY rowid", (address,))]

    def intend(self, batch: Batch, entries: Iterable[Entry]) -> None:
        """Write down a batch that is about to be handed in."""
        row = (batch.nonce, batch.address, batch.role, batch.stage, batch.model, batch.state, batch.requests, batch.created)
        requests = [(batch.nonce, e.key, e.attempt, e.prompt_estimate, e.completion_estimate) for e in entries]
        with self._store.transaction() as connection:
            connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)", (*row, batch.features))
            connection.executemany("INSERT INTO batch_requests VALUES (?, ?, ?, ?, ?, NULL)", requests)

    def uploaded(self, nonce: str, file_id: str) -> None:
        """The file of an intended batch is at the endpoint."""
        with self._store.transaction() as connection:
            connection.execute("UPDATE batches SET file_id = ? WHERE nonce = ?", (file_id, nonce))

    def submitted(self, nonce: str, batch_id: str) -> None:
        """The batch is at the endpoint."""
        with self._store.transaction() as connection:
            connection.execute("UPDATE batches SET state = 'submitted', batch_id = ? WHERE nonce = ?", (batch_id, nonce))

    def forget(self, nonce: str) -> None:
        """An intended batch was never handed in."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM batch_requests WHERE nonce = ?", (nonce,))
            connection.execute("DELETE FROM batches WHERE nonce = ?", (nonce,))

    def ended(self, nonce: str, state: str, refused: Iterable[tuple[str, str]] = ()) -> None:
        """A batch was collected. `refused`: (key, why) of requests not to be asked again; all others are free to be."""
        said = [(refusal, nonce, key) for key, refusal in refused]
        with self._store.transaction() as connection:
            connection.executemany("UPDATE batch_requests SET refusal = ? WHERE nonce = ? AND key = ?", said)
            connection.execute("DELETE FROM batch_requests WHERE nonce = ? AND refusal IS NULL", (nonce,))
            connection.execute("UPDATE batches SET state = ? WHERE nonce = ?", (state, nonce))

    def entries(self, nonce: str) -> dict[str, Entry]:
        """The requests of a batch that are under way, by key."""
        return {row[0]: Entry(*row) for row in self._store.rows(f"{_ENTRIES} WHERE r.nonce = ? AND r.refusal IS NULL", (nonce,))}

    def under_way(self, key: str, address: str) -> UnderWay | None:
        """Where a request is, or None when it is free to be asked."""
        rows = self._store.rows(_UNDER_WAY, (key, address))
        return UnderWay(rows[0][0] or "", rows[0][1] or "", rows[0][2]) if rows else None

    def all_under_way(self) -> list[Entry]:
        """Every request in a batch whose end is not known, of all roles and endpoints."""
        return [Entry(*row) for row in self._store.rows(f"{_ENTRIES} WHERE b.state IN {_OPEN_STATES} AND r.refusal IS NULL")]


def now() -> str:
    """The time as it is written down."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
