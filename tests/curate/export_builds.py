"""Tables that export reads, made by hand, and the stage run on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from curate.export import STAGE
from curate.stage import Batch, Context, Rejection, content_id
from curate.store import Store, StoreReader
from schemas.reasons import Reason
from schemas.settings import MineSettings, Settings
from schemas.tables import TABLES, frame

Rows = list[dict[str, Any]]
EMBEDDED_TEXT = "SECRET-DOCUMENT-TEXT"


class InProcess:
    """The engine of these tests."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(function, items)


class Build:
    """The tables that export reads, in the making."""

    def __init__(self) -> None:
        self.tables: dict[str, Rows] = {name: [] for name in STAGE.reads}

    def chunk(self, name: str, split: str, **other: Any) -> None:
        """One chunk in a document of its own."""
        document = {"document_id": content_id("document", name)}
        row = {"source": f"{name}.md", "title": name, "text": f"{EMBEDDED_TEXT} {name}", "blocks": [], "format": "markdown"}
        self.tables["documents"].append(document | row | {"language": "en", "as_is": False})
        place = {"start": 0, "end": 9, "cluster_id": content_id("block", name), "split": split}
        self.tables["splits"].append(document | place | {"method": other.get("method", "clusters")})
        row = document | place | {"chunk_id": content_id(name), "position": 0, "heading_path": [name], "text": name}
        row |= {"passage": other.get("passage", f"passage {name}"), "tokens": 3, "language": "en"}
        self.tables["chunks"].append(row)
        cluster = {"chunk_id": row["chunk_id"], "chunk_cluster_id": content_id("cluster", other.get("cluster", name))}
        self.tables["chunk_clusters"].append(cluster | {"representative": True, "home_split": split, "similarity": 1.0})

    def pair(self, name: str, anchor: str, chunk: str, negatives: Iterable[str | None] = (), **other: Any) -> str:
        """A kept pair and its chosen negatives: chunk names, or None for a supplied text."""
        home = next(row for row in self.tables["chunks"] if row["chunk_id"] == content_id(chunk))
        row = {"question_id": content_id("question", name), "chunk_id": home["chunk_id"], "style": other.get("style", "heading")}
        row |= {"origin": other.get("origin", "extractive"), "train_only": other.get("train_only", False)}
        row |= {"imported_pair_id": other.get("imported"), "is_positive": other.get("is_positive", True)}
        row |= {"score": other.get("score"), "label": other.get("label")}
        question = {
            "question": anchor,
            "answer": None,
            "evidence": None,
            "model": other.get("model"),
            "prompt": None,
            "group_id": None,
        }
        self.tables["questions"].append(row | question)
        pair = {"pair_id": content_id("pair", name), "anchor": anchor, "positive": home["passage"]}
        self.tables["pairs"].append(row | pair | {"split": home["split"], "cluster_id": home["cluster_id"]})
        for number, negative in enumerate(negatives, start=1):
            text, origin = (f"passage {negative}", "bm25") if negative else (f"supplied for {name}", "supplied")
            row = {
                "pair_id": pair["pair_id"],
                "candidate": number,
                "text": text,
                "origin": origin,
                "score": None,
                "chosen": number,
            }
            row |= {
                "chunk_id": content_id(negative) if negative else None,
                "rank": None,
                "teacher_score": other.get("teacher", [None] * number)[number - 1],
                "positive_score": other.get("positive_score"),
                "relative_margin": None,
                "state": "negative",
                "reason": None,
            }
            self.tables["negatives"].append(row)
        return pair["pair_id"]

    def promoted(self, name: str, *chunks: str | None, **other: Any) -> None:
        """Further candidates of a pair, found to answer: chunk names, or None for a supplied text."""
        pair_id = content_id("pair", name)
        known = sum(row["pair_id"] == pair_id for row in self.tables["negatives"])
        for number, chunk in enumerate(chunks, start=known + 1):
            row = {"pair_id": pair_id, "candidate": number, "chunk_id": content_id(chunk) if chunk else None}
            row |= {"text": f"passage {chunk}" if chunk else f"answer for {name}", "origin": "bm25" if chunk else "supplied"}
            row |= {"rank": None, "score": None, "teacher_score": None, "positive_score": None, "relative_margin": None}
            self.tables["negatives"].append(
                row | {"chosen": None, "state": "promoted", "reason": str(Reason.NEGATIVE_ANSWERS)} | other
            )

    def export(self, folder: Path, **settings: Any) -> tuple[Rows, list[Rejection]]:
        """Run the stage; its rows are held to their contract."""
        connection = duckdb.connect()
        store = Store(connection)
        for table, rows in self.tables.items():
            store.create(table)
            store.insert(table, frame(TABLES[table], rows))
        settings.setdefault("mine", MineSettings(negatives=2))
        context = Context(
            settings=Settings(**settings),
            reader=StoreReader(connection, STAGE.reads),
            engine=InProcess(),
            progress=lambda done, total: None,
            note=lambda sentence: None,
            folder=str(folder),
        )
        batches: list[Batch] = list(STAGE.produce(context))
        connection.close()
        rows = [dict(row) for batch in batches for row in batch.rows]
        TABLES["exported_files"].validate(frame(TABLES["exported_files"], rows))
        return rows, [rejection for batch in batches for rejection in batch.rejected]


def small() -> Build:
    """Three splits, every origin, one pair without negatives, one imported non-positive."""
    build = Build()
    for name in ("a", "b", "c", "d"):
        build.chunk(name, "train")
    for name in ("e", "f", "g"):
        build.chunk(name, "dev")
    for name in ("h", "i", "j"):
        build.chunk(name, "test")
    build.pair("one", "what is a?", "a", ["b", "c"])
    build.pair("two", "sentence of b", "b", ["a", None], train_only=True, style="sentence")
    build.pair("three", "what is d?", "d", ["a"], model="m", origin="llm")
    build.pair("four", "what is e?", "e", ["f", "g"])
    build.pair("five", "what is h?", "h", ["i", "j"])
    row = {"imported_pair_id": content_id("imported"), "source": "pairs.jsonl#3", "anchor": "h or i?", "negatives": []}
    row |= {"document_id": content_id("document", "i"), "score": 0.25, "label": None, "is_positive": False}
    build.tables["imported_pairs"].append(row)
    build.pair("six", "h or i?", "i", origin="imported", imported=row["imported_pair_id"], score=0.25, is_positive=False)
    return build


def rich() -> Build:
    """`small` with teacher's scores, promoted candidates, and pairs that ask the same: a row in every file of every format."""
    build = small()
    for name, split in (("k", "train"), ("l", "train"), ("m", "train"), ("n", "dev"), ("o", "test")):
        build.chunk(name, split)
    scores = {"teacher": [0.25, -0.5], "positive_score": 0.75}
    build.pair("seven", "Why k?", "k", ["a", "b"], **scores)
    build.pair("eight", "why K", "l", ["m", "a"], teacher=[0.5, None], positive_score=0.5)
    build.promoted("seven", "m", None)
    build.pair("nine", "where is f?", "f", ["e", "g"], **scores)
    build.pair("ten", "where is i?", "i", ["h", "j"], score=1.0, **scores)
    build.promoted("nine", "n")
    build.promoted("ten", "o")
    return build


def parquet(folder: Path, name: str) -> Rows:
    return pl.read_parquet(folder / "dataset" / name).to_dicts()


def lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
