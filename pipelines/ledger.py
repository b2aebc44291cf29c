"""What was built: one row a stage, written last in the stage's own transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from curate.store import Store
from pipelines.fingerprint import Fingerprint
from schemas.errors import StoreError

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """One stage's last complete run. Counts are rows; seconds are wall-clock."""

    stage: str
    fingerprint: Fingerprint
    outputs: dict[str, str]
    rows_in: dict[str, int]
    kept: dict[str, int]
    rejected: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    owed: int = 0
    seconds: float = 0.0
    finished_at: str = ""


def prepare(store: Store) -> None:
    """Create the ledger and `rejected` in a new build folder. Raises StoreError on a folder of another format."""
    tables = store.tables()
    if "ledger" not in tables:
        with store.transaction():
            store.execute("CREATE TABLE ledger (stage VARCHAR PRIMARY KEY, format INTEGER, entry_json VARCHAR)")
            store.create("rejected")
        return
    newer = store.rows("SELECT max(format) AS format FROM ledger")[0]["format"]
    if newer is not None and newer != FORMAT:
        raise StoreError(
            f"this build has format {newer}, this curate writes {FORMAT}", next_step="build into a new folder with --out"
        )


def read_ledger(store: Store) -> dict[str, Entry]:
    """Stage name → entry; empty for a new folder."""
    if "ledger" not in store.tables():
        return {}
    return {row["stage"]: _entry(row["entry_json"]) for row in store.rows("SELECT stage, entry_json FROM ledger")}


def write_entry(store: Store, entry: Entry) -> None:
    """Replace the stage's row."""
    values = {
        **entry.__dict__,
        "fingerprint": json.loads(entry.fingerprint.to_json()),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = json.dumps(values, ensure_ascii=False)  # `rows_in` stays in the order the stage reads
    store.execute(
        "INSERT OR REPLACE INTO ledger VALUES ($stage, $format, $entry)", {"stage": entry.stage, "format": FORMAT, "entry": text}
    )


def _entry(text: str) -> Entry:
    values = json.loads(text)
    values["fingerprint"] = Fingerprint.from_json(json.dumps(values["fingerprint"]))
    values["notes"] = tuple(values["notes"])
    return Entry(**values)
