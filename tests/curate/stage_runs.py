"""Runs one stage over real tables as the runner does: pandera checks, key order, unique keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curate.stage import Context, Rejection, Stage, content_id
from curate.store import Store
from schemas.settings import Settings
from schemas.tables import KEYS, TABLES, frame

Rows = list[dict[str, Any]]


class InProcess:
    """The engine of these tests."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(function, items)


@dataclass
class Done:
    """What a stage made."""

    tables: dict[str, Rows]
    rejected: list[Rejection] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run_stage(stage: Stage, store: Store, settings: Settings | None = None) -> Done:
    """Produce, check and store all rows of `stage`."""
    done = Done({table: [] for table in stage.writes})
    context = Context(settings or Settings(), store.reader(stage.reads), InProcess(), lambda n, total: None, done.notes.append)
    for batch in stage.produce(context):
        done.tables[batch.table] += [dict(row) for row in batch.rows]
        done.rejected += batch.rejected
    for table, rows in done.tables.items():
        rows.sort(key=lambda row: tuple(row[key] for key in KEYS[table]))
        put(store, table, rows)
        assert store.repeated_keys(table) == []
    return done


def put(store: Store, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace a table by these rows, held to its contract."""
    store.create(table)
    store.insert(table, TABLES[table].validate(frame(TABLES[table], rows)))


def document(name: str, text: str, **other: Any) -> dict[str, Any]:
    """A document whose blocks are its paragraphs; `# ` starts a heading, `- ` a list item, four blanks a line of code."""
    row = {"document_id": content_id("document", name), "source": name, "title": other.pop("title", ""), "text": text}
    row |= {"format": "markdown", "language": "en", "as_is": False, "blocks": blocks_of(text)}
    return row | other


def blocks_of(text: str) -> Rows:
    found: Rows = []
    position = 0
    for part in text.split("\n\n"):
        lines = part.split("\n") if part.startswith("- ") else [part]
        for line in lines:
            if line.strip():
                level = len(line) - len(line.lstrip("#"))
                kind = (
                    "heading"
                    if level
                    else "list_item"
                    if line.startswith("- ")
                    else "code"
                    if line.startswith("    ")
                    else "paragraph"
                )
                found.append({"kind": kind, "level": level, "start": position, "end": position + len(line)})
            position += len(line) + 1
        position += 1
    return found


def ids(*names: str) -> list[str]:
    """Document ids of names."""
    return [content_id("document", name) for name in names]
