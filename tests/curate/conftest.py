"""Small tables for the stages from verify to validate, run through the real store and held to the tables' contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pytest

from curate.stage import Batch, Context, Rejection, Stage, content_id
from curate.store import Store, StoreReader, validated
from schemas.reasons import Reason
from schemas.settings import Settings
from schemas.tables import KEYS, TABLES, frame

Rows = list[dict[str, Any]]

PASSAGE = "The heron is a wading bird that stands still in shallow water and waits for fish to come near."


class InProcess:
    """The engine of these tests."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(function, items)


@dataclass
class Result:
    """What a stage made of the tables."""

    rows: Rows
    rejected: list[Rejection]

    def reasons(self) -> dict[str, tuple[Reason, str]]:
        """Question id → reason and detail."""
        return {rejection.key: (rejection.reason, rejection.detail) for rejection in self.rejected}


@dataclass
class Tables:
    """Rows in the making; names become ids."""

    rows: dict[str, Rows] = field(default_factory=lambda: {name: [] for name in TABLES})

    def chunk(self, name: str, text: str = PASSAGE, split: str = "train", **other: Any) -> str:
        """A document of one chunk; `cluster` names its near-duplicate cluster, `document_cluster` the document's."""
        document, cluster = content_id("document", name), content_id("cluster", other.get("document_cluster", name))
        row = {"document_id": document, "source": f"{name}.txt", "title": "", "text": text, "blocks": [], "format": "text"}
        self.rows["documents"].append(row | {"language": "en", "as_is": False})
        row = {"document_id": document, "cluster_id": cluster, "representative": True, "duplicate": "none", "similarity": 1.0}
        self.rows["document_clusters"].append(row)
        row = {"document_id": document, "start": 0, "end": len(text), "cluster_id": cluster, "split": split, "method": "clusters"}
        self.rows["splits"].append(row)
        chunk = content_id("chunk", name)
        row = {"chunk_id": chunk, "document_id": document, "position": 0, "start": 0, "end": len(text), "heading_path": []}
        row |= {"text": text, "passage": other.get("prefix", "") + text, "tokens": 20, "language": "en", "split": split}
        self.rows["chunks"].append(row | {"cluster_id": cluster})
        row = {"chunk_id": chunk, "chunk_cluster_id": content_id("copies", other.get("cluster", name)), "representative": True}
        self.rows["chunk_clusters"].append(row | {"home_split": other.get("home_split", split), "similarity": 1.0})
        return chunk

    def question(self, name: str, text: str, chunk: str, **other: Any) -> str:
        """A question of the chunk of that name; style "plain" and origin "llm" unless said otherwise."""
        row = {"question_id": content_id("question", name), "chunk_id": content_id("chunk", chunk), "question": text}
        row |= {"style": "plain", "answer": None, "evidence": None, "origin": "llm", "train_only": False, "is_positive": True}
        row |= {"model": None, "prompt": None, "group_id": None, "imported_pair_id": None, "score": None, "label": None}
        self.rows["questions"].append(row | other)
        return str(row["question_id"])

    def checks(self, name: str, **scores: Any) -> None:
        """Checks that pass every gate, except for what is given."""
        row = {"question_id": content_id("question", name), "question_words": 8, "passage_words": 20, "question_form": True}
        row |= {
            "verbatim": False,
            "word_overlap": 0.5,
            "context_bound": None,
            "language_match": True,
            "bm25_rank": 1,
            "specific_words": 3,
        }
        row |= dict.fromkeys(
            ("evidence_found", "evidence_words", "answered_under_heading", "evidence_start", "evidence_end", "negation_differs")
        )
        row |= dict.fromkeys(
            (
                "answer_overlap",
                "bm25_answer_margin",
                "dense_rank",
                "dense_score",
                "dense_margin",
                "checker_score",
                "judge",
                "judge_note",
            )
        )
        row |= {"unsupported_numbers": [], "unsupported_names": [], "bm25_margin": 0.3, "judge_failed": []}
        self.rows["checks"].append(row | scores)

    def reader(self, stage: Stage) -> StoreReader:
        """The tables that a stage reads."""
        connection = duckdb.connect()
        store = Store(connection)
        for table in stage.reads:
            store.create(table)
            store.insert(table, frame(TABLES[table], self.rows[table]))
        return StoreReader(connection, stage.reads)

    def run(self, stage: Stage, settings: Settings | None = None) -> Result:
        """Run a stage; rows in key order, all of them held to the contract, and conservation as the runner checks it."""
        reader = self.reader(stage)
        context = Context(settings or Settings(), reader, InProcess(), lambda done, total: None, lambda sentence: None)
        batches: list[Batch] = list(stage.produce(context))
        made = [dict(row) for batch in batches for row in batch.rows]
        for batch in batches:
            validated(TABLES[batch.table], batch.rows, stage.name)
        result = Result(
            sorted(made, key=lambda row: tuple(row[name] for name in KEYS[stage.writes[0]])),
            [rejection for batch in batches for rejection in batch.rejected],
        )
        if stage.conserves:
            _conserved(result, self.rows[stage.conserves], KEYS[stage.conserves][0])
        return result


def _conserved(result: Result, source: Rows, key: str) -> None:
    ends = [row[key] for row in result.rows] + [rejection.key for rejection in result.rejected]
    assert sorted(ends) == sorted(row[key] for row in source)


@pytest.fixture
def tables() -> Tables:
    """Empty tables, with methods that add rows to them and run a stage on them."""
    return Tables()
