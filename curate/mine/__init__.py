"""Hard negatives by BM25 within the pair's own split: one positive pair in, its candidates and what became of each out."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from curate.mine.anchors import read_anchors
from curate.mine.candidates import Batchwork, Tally, mine_pairs
from curate.mine.guards import Rules
from curate.mine.pool import clusters_in_several_splits, locate_supplied, read_pool
from curate.stage import Batch, Context, Stage
from schemas.tables import SPLITS

PAIRS_A_BATCH = 2048


def produce(context: Context) -> Iterator[Batch]:
    """Rows of `negatives`; pairs that end with fewer than `mine.negatives` are quarantined by `pair_id`."""
    reader = context.reader
    rules = _rules(context)
    anchors = read_anchors(reader)
    supplied = locate_supplied(reader)
    elsewhere = clusters_in_several_splits(reader)
    total, done, tally = reader.count("pairs"), 0, Tally()
    for split in SPLITS:
        if not _has_pairs(context, split):
            continue
        work = Batchwork(context, read_pool(context, split), rules, anchors, supplied, elsewhere)
        for rows in reader.batches("pairs", PAIRS_A_BATCH):
            pairs = rows.filter((pl.col("split") == split) & pl.col("is_positive")).to_dicts()
            if pairs:
                yield mine_pairs(work, pairs, tally)
                done += len(pairs)
                context.progress(done, total)
    for sentence in tally.sentences(context.settings.mine.negatives):
        context.note(sentence)


def _rules(context: Context) -> Rules:
    settings = context.settings
    same_document = settings.mine.same_document
    if not same_document and context.reader.query("mine_split_by_blocks")["by_blocks"][0]:
        # One manual or five filings: other documents are too few, or none, to draw from.
        same_document = True
        context.note("Few documents: negatives may come from other sections of the positive's own document.")
    return Rules(settings.deduplicate.chunk_threshold, settings.deduplicate.shingle, same_document)


def _has_pairs(context: Context, split: str) -> bool:
    return bool(context.reader.query("mine_pairs_in_split", {"split": split})["pairs"][0])


STAGE = Stage(
    name="mine",
    reads=("pairs", "questions", "chunks", "chunk_clusters", "splits", "imported_pairs"),
    writes=("negatives",),
    produce=produce,
    settings=("mine", "seed", "deduplicate.chunk_threshold", "deduplicate.shingle"),
    libraries=("bm25s", "rank-bm25", "numpy"),
    files=(
        "sql/mine_passages.sql",
        "sql/mine_questions.sql",
        "sql/mine_shared_clusters.sql",
        "sql/mine_split_by_blocks.sql",
        "sql/mine_pairs_in_split.sql",
        "sql/mine_supplied.sql",
    ),
)
