"""The stage `mine` over a store made for it, and the miner of sentence-transformers on the same texts."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from benchmarks.mine_texts import Texts
from curate.mine import STAGE
from curate.stage import Context, content_id
from curate.store import Store, StoreReader
from pipelines.engine import ProcessEngine
from schemas.settings import load_settings
from schemas.tables import TABLES, frame, polars_schema

ROWS = 20_000
"""Written at a time."""


def write_store(database: Path, texts: Texts) -> None:
    """All tables that the stage reads; ten passages a document, each a chunk of the train split and a cluster of its own."""
    connection = duckdb.connect(str(database))
    store = Store(connection)
    for table in (*STAGE.reads, *STAGE.writes):
        store.create(table)
    for start in range(0, len(texts.passages), ROWS):
        places = range(start, min(start + ROWS, len(texts.passages)))
        store.insert("chunks", _frame("chunks", [_chunk(texts, place) for place in places]))
        clusters = [{"chunk_id": content_id("chunk", str(i)), "chunk_cluster_id": content_id("chunk", str(i))} for i in places]
        store.insert("chunk_clusters", _frame("chunk_clusters", clusters))
    for start in range(0, len(texts.questions), ROWS):
        rows = [_pair(texts, place) for place in range(start, min(start + ROWS, len(texts.questions)))]
        store.insert("pairs", _frame("pairs", rows))
        store.insert("questions", _frame("questions", rows))
    connection.close()


def _chunk(texts: Texts, place: int) -> dict[str, Any]:
    document, position = divmod(place, 10)
    passage = texts.passages[place]
    return {
        "chunk_id": content_id("chunk", str(place)),
        "document_id": content_id("document", str(document)),
        "position": position,
        "text": passage,
        "passage": passage,
        "start": 1000 * position,
        "end": 1000 * position + 900,
        "split": "train",
        "cluster_id": content_id("document", str(document)),
    }


def _pair(texts: Texts, place: int) -> dict[str, Any]:
    question, home = texts.questions[place], texts.homes[place]
    return {
        "pair_id": content_id("pair", str(place)),
        "question_id": content_id("question", str(place)),
        "chunk_id": content_id("chunk", str(home)),
        "question": question,
        "anchor": question,
        "positive": texts.passages[home],
        "split": "train",
        "is_positive": True,
        "cluster_id": content_id("document", str(home // 10)),
    }


def _frame(table: str, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Columns that the stage does not look at are null, or what stands for nothing in a column that may not be null."""
    nothing = {pl.List: [], pl.Boolean: False}
    schema = polars_schema(TABLES[table])
    empty = {name: nothing.get(type(kind) if isinstance(kind, pl.DataType) else kind) for name, kind in schema.items()}
    return frame(TABLES[table], [{name: row.get(name, empty[name]) for name in schema} for row in rows])


def run_stage(database: Path, settings: Sequence[str], workers: int) -> dict[str, Any]:
    """Seconds and peak memory of the stage, its rows written to the store as the pipeline writes them."""
    connection = duckdb.connect(str(database))
    store, engine, notes = Store(connection), ProcessEngine(workers), list[str]()
    chosen = load_settings(None, [*settings])
    context = Context(chosen, StoreReader(connection, STAGE.reads), engine, lambda _done, _total: None, notes.append)
    written = short = 0
    with _Memory() as peak:
        started = time.perf_counter()
        for batch in STAGE.produce(context):
            store.insert("negatives", frame(TABLES["negatives"], batch.rows))
            written += sum(row["chosen"] is not None for row in batch.rows)
            short += len(batch.rejected)
        seconds = time.perf_counter() - started
    engine.close()
    connection.close()
    print(*notes, sep="\n")
    return {"stage_s": seconds, "negatives": written, "pairs_short": short, "stage_peak_gib": peak.gib}


class _Memory:
    """The most resident memory of this process and its children while it lasts, looked at twice a second."""

    def __init__(self) -> None:
        self.gib = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.gib = max(self.gib, sum(_resident(process) for process in _family(os.getpid())) / 2**30)
            if self._ended.wait(0.5):
                return


def _family(parent: int) -> Iterator[int]:
    yield parent
    for thread in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in thread.read_text().split():
            yield from _family(int(child))


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def sentence_transformers_time(texts: Texts, model: str) -> float:
    """Seconds of `mine_hard_negatives` over the same pairs and passages: one negative a pair, rank 2 to 50, margin 5%, on the CPU."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    encoder = SentenceTransformer(model, device="cpu")
    pairs = Dataset.from_dict({"anchor": texts.questions, "positive": [texts.passages[home] for home in texts.homes]})
    started = time.perf_counter()
    mine_hard_negatives(
        pairs,
        encoder,
        corpus=texts.passages,
        range_min=1,
        range_max=50,
        relative_margin=0.05,
        num_negatives=1,
        batch_size=32,
        verbose=False,
    )
    return time.perf_counter() - started
