"""Counts what a rebuilt split moved: only a new document that bridges two clusters may move anything."""

from __future__ import annotations

from curate.store import Store


def count_moves(store: Store) -> list[str]:
    """Notes comparing the temporary table `old_splits` with `splits`; empty when nothing moved."""
    moved = store.rows(
        "SELECT count(DISTINCT document_id) AS n FROM old_splits AS o JOIN splits AS s USING (document_id, start) "
        "WHERE o.split <> s.split AND o.method = s.method"
    )[0]["n"]
    methods = store.rows(
        "SELECT (SELECT any_value(method) FROM old_splits) AS old, (SELECT any_value(method) FROM splits) AS new"
    )[0]
    notes = []
    if moved:
        notes.append(f"{moved} documents changed their split since the last build: compare scores within one build only.")
    if methods["old"] and methods["new"] and methods["old"] != methods["new"]:
        notes.append(f"The split went by {methods['old']} before and goes by {methods['new']} now.")
    return notes
