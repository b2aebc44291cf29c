"""Runs the stage ingest on a folder and holds what comes out to the contracts of its tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.ingest import STAGE
from curate.stage import Context, Rejection
from schemas.settings import load_settings
from schemas.tables import KEYS, TABLES, frame


class InProcess:
    """The engine of these tests."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(function, items)


@dataclass
class Ingested:
    """What came out."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def reasons(self) -> dict[str, str]:
        """Key → reason; every key must be there once."""
        assert len({each.key for each in self.rejected}) == len(self.rejected)
        return {each.key: str(each.reason) for each in self.rejected}

    def texts(self) -> dict[str, str]:
        """Source → text of the documents."""
        return {row["source"]: row["text"] for row in self.documents}


def ingest(*sources: Path | str, sets: tuple[str, ...] = (), engine: Any = None) -> Ingested:
    """Run the stage; every row is validated, every block checked, every rejection written as JSON."""
    made = Ingested()
    context = Context(
        settings=load_settings(None, sets),
        reader=None,  # type: ignore[arg-type] (ingest reads no table)
        engine=engine or InProcess(),
        progress=lambda done, total: None,
        note=made.notes.append,
        sources=tuple(str(source) for source in sources),
    )
    rows = {"documents": made.documents, "imported_pairs": made.pairs}
    for batch in STAGE.produce(context):
        rows[batch.table] += [dict(row) for row in batch.rows]
        made.rejected += batch.rejected
    for table, found in rows.items():
        TABLES[table].validate(frame(TABLES[table], found))
        assert len({row[KEYS[table][0]] for row in found}) == len(found)
    for row in made.documents:
        check_blocks(row["text"], row["blocks"])
    for each in made.rejected:
        json.dumps(dict(each.row), allow_nan=False, ensure_ascii=False).encode()
        each.key.encode()
        each.detail.encode()
    return made


def check_blocks(text: str, blocks: list[dict[str, Any]]) -> None:
    """The blocks tile the text: in order, not empty, and nothing but white space between them."""
    position = 0
    for block in blocks:
        assert not text[position : block["start"]].strip()
        assert text[block["start"] : block["end"]].strip()
        assert (1 <= block["level"] <= 6) if block["kind"] == "heading" else block["level"] == 0
        position = block["end"]
    assert not text[position:].strip()


def block_texts(row: dict[str, Any]) -> list[tuple[str, int, str]]:
    """(kind, level, text) of each block."""
    return [(b["kind"], b["level"], row["text"][b["start"] : b["end"]]) for b in row["blocks"]]


def piece_texts(pieces: Iterable[Any]) -> list[tuple[str, str]]:
    """(kind, text) of pieces that hold text."""
    return [(piece.kind, piece.text) for piece in pieces if piece.text.strip()]
