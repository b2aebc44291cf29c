"""Cuts documents into passages along their structure, and groups passages that say the same.

One row in: a document, its cluster and the regions of its split. One row out: a chunk, an exact span of the document; and its near-duplicate cluster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import polars as pl

from curate.chunk.passages import Made, chunk_document
from curate.deduplicate import document_texts
from curate.near import Member, Nearness, Signatures, Signed, clusters, sign_all
from curate.stage import Batch, Context, Reader, Stage
from schemas.settings import ChunkSettings

_DOCUMENTS_AT_ONCE = 32
_ROWS_AT_ONCE = 4096
_COLUMNS = ("document_id", "source", "title", "text", "blocks", "language", "as_is")
_PLACES = (
    'SELECT s.document_id, s.start, s."end", s.split, s.cluster_id, c.representative FROM splits AS s JOIN document_clusters AS c '
    "USING (document_id) WHERE s.document_id IN (SELECT unnest($ids)) ORDER BY s.document_id, s.start"
)
_HOMES = ("train", "dev", "test", "gap")


@dataclass(frozen=True)
class _Work:
    """Some documents with their regions, and the settings: all that a worker needs."""

    documents: list[dict[str, Any]]
    places: dict[str, list[dict[str, Any]]]
    settings: ChunkSettings
    nearness: Nearness


@dataclass(frozen=True)
class _Place:
    """Where a chunk's text is found again, and its split."""

    document_id: str
    start: int
    end: int
    split: str


def produce(context: Context) -> Iterator[Batch]:
    """Rows of `chunks` and what was rejected, then rows of `chunk_clusters` over the kept chunks of all splits."""
    nearness = _nearness(context)
    signatures = Signatures(nearness)
    places: dict[str, _Place] = {}
    overlong = done = 0
    total = context.reader.count("documents")
    for made, signed in context.engine.map(_chunk_all, _work(context, nearness)):
        for one in made:
            overlong += one.overlong
            places.update(
                (row["chunk_id"], _Place(row["document_id"], row["start"], row["end"], row["split"])) for row in one.rows
            )
            yield Batch("chunks", one.rows, one.rejected)
        signatures.add(signed)
        done += len(made)
        context.progress(done, total)
    if overlong:
        passages = "passage taken as it is has" if overlong == 1 else "passages taken as they are have"
        context.note(f"{overlong} {passages} more than chunk.max_tokens tokens: a model cuts off what it cannot read.")
    found = clusters(signatures, lambda ids: _texts(context.reader, places, ids))
    rows = _cluster_rows(found, places)
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        yield Batch("chunk_clusters", batch)


def _nearness(context: Context) -> Nearness:
    settings = context.settings.deduplicate
    return Nearness(settings.chunk_threshold, settings.shingle, settings.permutations)


def _work(context: Context, nearness: Nearness) -> Iterator[_Work]:
    for frame in context.reader.batches("documents", _DOCUMENTS_AT_ONCE, _COLUMNS):
        found = context.reader.query(_PLACES, {"ids": frame["document_id"].to_list()})
        yield _Work(frame.to_dicts(), _by_document(found), context.settings.chunk, nearness)


def _by_document(found: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    places: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in found.iter_rows(named=True):
        places[row["document_id"]].append(row)
    return dict(places)


def _chunk_all(work: _Work) -> tuple[list[Made], Signed]:
    made, chunks, preferences = list[Made](), list[tuple[str, str]](), list[tuple[int, ...]]()
    for document in work.documents:
        places = work.places[document["document_id"]]
        one = chunk_document(document, places, work.settings)
        made.append(one)
        chunks += [(row["chunk_id"], row["text"]) for row in one.rows]
        # The chunk of a document that stands for its cluster stands for its own cluster, too.
        preferences += [(int(not places[0]["representative"]),)] * len(one.rows)
    return made, sign_all(chunks, preferences, work.nearness)


def _texts(reader: Reader, places: dict[str, _Place], ids: Sequence[str]) -> dict[str, str]:
    documents = document_texts(reader, sorted({places[id_].document_id for id_ in ids}))
    return {id_: documents[places[id_].document_id][places[id_].start : places[id_].end] for id_ in ids}


def _cluster_rows(members: Iterable[Member], places: dict[str, _Place]) -> Iterator[dict[str, Any]]:
    for cluster_id, group in groupby(members, key=lambda member: member.cluster_id):
        cluster = list(group)
        splits = {places[member.id].split for member in cluster}
        home = next(name for name in _HOMES if name in splits)
        for member in cluster:
            yield {
                "chunk_id": member.id,
                "chunk_cluster_id": cluster_id,
                "representative": member.representative,
                "home_split": home,
                "similarity": member.similarity,
            }


STAGE = Stage(
    name="chunk",
    reads=("documents", "document_clusters", "splits"),
    writes=("chunks", "chunk_clusters"),
    produce=produce,
    settings=("chunk", "deduplicate"),
    libraries=("sentencex", "rensa", "py3langid"),
)
