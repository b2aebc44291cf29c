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


def document(name: str, source: str, **other: Any) -> dict[str, Any]:
    """A document of text with blocks as `parsed` finds them."""
    text, blocks = parsed(source)
    row = {"document_id": content_id("document", name), "source": name, "title": "", "text": text, "blocks": blocks}
    return row | {"format": "markdown", "language": "en", "as_is": False} | other


def parsed(source: str) -> tuple[str, Rows]:
    """Text and blocks: paragraphs, headings after `# ` (which is taken away), list items after `- `, code after four blanks."""
    blocks: Rows = []
    parts: list[str] = []
    position = 0
    for part in source.split("\n\n"):
        level = len(part) - len(part.lstrip("#"))
        clean = part[level:].lstrip() if level and "\n" not in part else part
        for line in clean.split("\n") if clean.startswith("- ") else [clean]:
            if line.strip():
                kind = "list_item" if line.startswith("- ") else "code" if line.startswith("    ") else "paragraph"
                kind = "heading" if level and clean != part else kind
                level = level if kind == "heading" else 0
                blocks.append({"kind": kind, "level": min(level, 6), "start": position, "end": position + len(line)})
            position += len(line) + 1
        parts.append(clean)
        position += 1
    return "\n\n".join(parts), blocks


def ids(*names: str) -> list[str]:
    """Document ids of names."""
    return [content_id("document", name) for name in names]
