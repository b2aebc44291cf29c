"""Small corpora for the tests of stage `generate`, put into real tables, and the stage run on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.generate import STAGE
from curate.generate.frequencies import Frequencies
from curate.generate.passage import Passage
from curate.stage import Context, Rejection, content_id
from curate.store import Store
from curate.text import estimate_tokens
from schemas.settings import Settings, load_settings
from tests.curate.stage_runs import InProcess, put

HERON = (
    "The grey heron is a wading bird that breeds in colonies beside lakes and slow rivers. Heronries in tall trees can hold hundreds of nests, "
    "some of them used for decades. It waits without a move. Fishermen once believed that oil from its feet attracted trout to the shallows."
)
KILN = (
    "A rotary kiln is a slowly turning steel cylinder in which limestone and clay are burnt to clinker. Coal dust or waste oil heats the "
    "cylinder to 1450 degrees at its lower end. Grinding the clinker with gypsum gives portland cement of the desired setting time."
)
PASSAGE = Passage(
    chunk_id=content_id("chunk", "passage"),
    text=HERON,
    passage="Birds > Heron\n\n" + HERON,
    heading_path=("Birds", "Heron"),
    tokens=80,
    language="en",
    split="train",
    blocks=(),
    begins_section=True,
    heading_sections=1,
    path_sections=1,
)
RARE = Frequencies(1000, {})
"""Every word is rare."""


@dataclass
class Corpus:
    """Rows in the making; names become ids."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {table: [] for table in STAGE.reads})

    def chunk(self, name: str, text: str = HERON, split: str = "train", **other: Any) -> str:
        """A document of one chunk. `cluster`, `representative`, `home_split` are the chunk's; `original` is false for a document that copies another."""
        language, path = other.get("language", "en"), other.get("path", [name])
        document, chunk = content_id("document", other.get("document", name)), content_id("chunk", name)
        row = {"document_id": document, "source": name, "title": path[0], "text": text, "blocks": other.get("blocks", [])}
        row |= {"format": "markdown", "language": language, "as_is": other.get("as_is", False)}
        if document not in [known["document_id"] for known in self.rows["documents"]]:
            self.rows["documents"].append(row)
            row = {"document_id": document, "cluster_id": document, "representative": other.get("original", True)}
            self.rows["document_clusters"].append(row | {"duplicate": "none", "similarity": 1.0})
        passage = text if other.get("bare") else " > ".join(path) + "\n\n" + text
        row = {"chunk_id": chunk, "document_id": document, "position": other.get("position", 0), "start": 0, "end": len(text)}
        row |= {"heading_path": path, "text": text, "passage": passage, "tokens": estimate_tokens(passage), "language": language}
        self.rows["chunks"].append(row | {"split": split, "cluster_id": document})
        row = {"chunk_id": chunk, "chunk_cluster_id": content_id("copies", other.get("cluster", name))}
        row |= {"representative": other.get("representative", True), "home_split": other.get("home_split", split)}
        self.rows["chunk_clusters"].append(row | {"similarity": 1.0})
        return chunk

    def pair(self, name: str, document: str, **other: Any) -> str:
        """A pair of the user's own, with the document of that name."""
        row = {"imported_pair_id": content_id("pair", name), "source": "pairs.csv", "anchor": name, "negatives": []}
        row |= {"document_id": content_id("document", document), "score": None, "label": None, "is_positive": True}
        self.rows["imported_pairs"].append(row | other)
        return str(row["imported_pair_id"])


@dataclass
class Made:
    """What the stage made."""

    rows: list[dict[str, Any]]
    rejected: list[Rejection]
    notes: list[str]
    owed: list[str]

    def questions(self, chunk: str, **fields: Any) -> list[str]:
        """Questions of a chunk whose columns have these values, in alphabetical order."""
        return sorted(row["question"] for row in self.rows if row["chunk_id"] == chunk and fields.items() <= row.items())

    def reasons(self) -> list[tuple[str, str]]:
        """(key, reason), sorted."""
        return sorted((rejection.key, rejection.reason.value) for rejection in self.rejected)


def run_generate(store: Store, corpus: Corpus, sets: Iterable[str] = (), engine: Any = None) -> Made:
    """Run the stage and hold its rows to the table's contract; the LLM store lies beside the database."""
    for table, rows in corpus.rows.items():
        put(store, table, rows)
    settings: Settings = load_settings(None, list(sets))
    made = Made([], [], [], [])
    silent: Callable[[int, int | None], None] = lambda done, total: None  # noqa: E731
    folder = Path(store.connection.execute("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()[0][0]).parent
    context = Context(
        settings, store.reader(STAGE.reads), engine or InProcess(), silent, made.notes.append, folder=str(folder), owed=made.owed
    )
    for batch in STAGE.produce(context):
        assert batch.table == "questions"
        made.rows += [dict(row) for row in batch.rows]
        made.rejected += batch.rejected
    made.rows.sort(key=lambda row: str(row["question_id"]))
    put(store, "questions", made.rows)
    assert store.repeated_keys("questions") == []
    return made


def shown(rows: Iterable[Mapping[str, Any]], *columns: str) -> Iterator[tuple[Any, ...]]:
    """The values of some columns."""
    return (tuple(row[column] for column in columns) for row in rows)
