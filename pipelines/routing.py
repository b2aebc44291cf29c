"""Routes one stage's batches: kept rows to its tables, the rest to `rejected` with their reasons, none lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from curate.stage import Batch, Rejection, Row, Stage
from curate.store import Store, validated
from schemas.errors import ContractError
from schemas.tables import KEYS, TABLES

ROWS_AT_A_TIME = 2048
"""Rows that are checked and written together."""


@dataclass
class Routing:
    """One stage's rows on their way into the open transaction, counted as they pass."""

    store: Store
    stage: Stage
    kept: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Counter[str]] = field(default_factory=lambda: {"rejected": Counter(), "quarantined": Counter()})
    ended_keys: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, list[Row]] = field(default_factory=dict)

    def take(self, batch: Batch) -> None:
        """Queue a batch's rows; checking and writing costs the same for one row as for thousands."""
        if batch.rows and batch.table not in self.stage.writes:
            raise ContractError(
                f"writes {batch.table} without declaring it", where=f"stage {self.stage.name}", next_step="report this bug"
            )
        key = KEYS[self.stage.conserves][0] if self.stage.conserves else None
        if key:
            self.ended_keys.update(str(row[key]) for row in batch.rows if key in row)
            self.ended_keys.update(rejection.key for rejection in batch.rejected)
        for rejection in batch.rejected:
            self.reasons[rejection.state][str(rejection.reason)] += 1
        self.kept[batch.table] += len(batch.rows)
        self._queue(batch.table, batch.rows)
        self._queue("rejected", [_rejected_row(self.stage.name, rejection) for rejection in batch.rejected])

    def finish(self, rows_in: dict[str, int]) -> None:
        """Write what still waits, and hold unique keys and conservation. Raises ContractError."""
        for table in tuple(self.waiting):
            self._flush(table)
        self._check(rows_in)

    def _queue(self, table: str, rows: Sequence[Row]) -> None:
        waiting = self.waiting.setdefault(table, [])
        waiting.extend(rows)
        if len(waiting) >= ROWS_AT_A_TIME:
            self._flush(table)

    def _flush(self, table: str) -> None:
        waiting = self.waiting.pop(table, [])
        if waiting:
            self.store.insert(table, validated(TABLES[table], waiting, f"stage {self.stage.name}"))

    def _check(self, rows_in: dict[str, int]) -> None:
        where = f"stage {self.stage.name}"
        for table in self.stage.writes:
            repeated = self.store.repeated_keys(table)
            if repeated:
                raise ContractError(f"{table} has repeated keys: {', '.join(repeated)}", where=where, next_step="report this bug")
        source = self.stage.conserves
        if source is not None:
            twice = [key for key, times in self.ended_keys.items() if times > 1]
            if len(self.ended_keys) != rows_in[source] or twice:
                raise ContractError(
                    f"{rows_in[source]} rows of {source} went in, {len(self.ended_keys)} came out kept or rejected, "
                    f"{len(twice)} more than once",
                    where=where,
                    next_step="report this bug",
                )


def _rejected_row(stage: str, rejection: Rejection) -> dict[str, str]:
    return {
        "stage": stage,
        "row_key": rejection.key,
        "state": rejection.state,
        "reason": str(rejection.reason),
        "detail": rejection.detail,
        "row_json": json.dumps(dict(rejection.row), ensure_ascii=False, sort_keys=True),
    }
