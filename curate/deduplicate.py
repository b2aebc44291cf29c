"""Groups documents into clusters of near-duplicates.

One row in: a document. One row out: its cluster, and whether it stands for the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from curate.near import Nearness, Signatures, Signed, clusters, sign_all
from curate.stage import Batch, Context, Reader, Stage
from schemas.settings import DeduplicateSettings

_DOCUMENTS_AT_ONCE = 256
_ROWS_AT_ONCE = 4096
_TEXTS = "SELECT document_id, text FROM documents WHERE document_id IN (SELECT unnest($ids))"


def document_nearness(settings: DeduplicateSettings) -> Nearness:
    """How near two documents must be."""
    return Nearness(settings.threshold, settings.shingle, settings.permutations)


def produce(context: Context) -> Iterator[Batch]:
    """Rows of `document_clusters`; of each cluster the longest text is the representative, ties go to the lowest id."""
    nearness = document_nearness(context.settings.deduplicate)
    members = clusters(_signatures(context, nearness), lambda ids: document_texts(context.reader, ids))
    while batch := list(islice(members, _ROWS_AT_ONCE)):
        yield Batch(
            "document_clusters",
            [
                {
                    "document_id": member.id,
                    "cluster_id": member.cluster_id,
                    "representative": member.representative,
                    "duplicate": member.duplicate,
                    "similarity": member.similarity,
                }
                for member in batch
            ],
        )


def document_texts(reader: Reader, ids: Sequence[str]) -> dict[str, str]:
    """Texts of some documents by id."""
    found = reader.query(_TEXTS, {"ids": list(ids)})
    return dict(zip(found["document_id"].to_list(), found["text"].to_list(), strict=True))


def _signatures(context: Context, nearness: Nearness) -> Signatures:
    frames = context.reader.batches("documents", _DOCUMENTS_AT_ONCE, ["document_id", "text"])
    items = ((list(frame.iter_rows()), nearness) for frame in frames)
    signatures, total = Signatures(nearness), context.reader.count("documents")
    for signed in context.engine.map(_sign, items):
        signatures.add(signed)
        context.progress(len(signatures.ids), total)
    return signatures


def _sign(work: tuple[list[tuple[str, str]], Nearness]) -> Signed:
    documents, nearness = work
    return sign_all(documents, [(-len(text),) for _, text in documents], nearness)


STAGE = Stage(
    name="deduplicate",
    reads=("documents",),
    writes=("document_clusters",),
    produce=produce,
    settings=("deduplicate",),
    libraries=("rensa",),
    conserves="documents",
)
