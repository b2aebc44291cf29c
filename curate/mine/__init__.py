"""Hard negatives within the pair's own split, by words, by meaning, or both: one positive pair in, its candidates and what became of each out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from curate.mine.anchors import read_anchors
from curate.mine.candidates import mine_pairs
from curate.mine.guards import Rules
from curate.mine.known import automatic_margin
from curate.mine.margins import Margin, margin_of
from curate.mine.passages import Lens, Passages
from curate.mine.pool import Pool, clusters_in_several_splits, locate_supplied, open_pool
from curate.mine.rarity import Lexicon
from curate.mine.searching import Batchwork
from curate.mine.tally import Tally
from curate.mine.teacher import open_models
from curate.stage import Batch, Context, Stage
from schemas.tables import SPLITS

PAIRS_A_BATCH = 2048
PAIRS_WITH_MODELS = 256
"""Models take seconds for so many: progress is shown, and vectors are kept, as often."""


def produce(context: Context) -> Iterator[Batch]:
    """Rows of `negatives`; pairs that end with fewer than `mine.negatives` are quarantined by `pair_id`."""
    reader, mine = context.reader, context.settings.mine
    same_document = _same_document(context)
    anchors, supplied, elsewhere = read_anchors(reader), locate_supplied(reader), clusters_in_several_splits(reader)
    total, done, tally = reader.count("pairs"), 0, Tally()
    margin: Margin | None = None
    with open_models(context) as models:
        size = PAIRS_A_BATCH if models.kept is None else PAIRS_WITH_MODELS
        for split in SPLITS:
            if not _has_pairs(context, split):
                continue
            with open_pool(context, split, models) as pool:
                rules = _rules(context, pool, same_document)
                passages = Passages(reader, Lens(rules.shingle, rules.lexicon, elsewhere))
                most = _most_uses(context, pool)
                work = Batchwork(context, pool, rules, anchors, supplied, passages, models, margin or margin_of(mine), most)
                for rows in reader.batches("pairs", size):
                    pairs = rows.filter((pl.col("split") == split) & pl.col("is_positive")).to_dicts()
                    if not pairs:
                        continue
                    if mine.auto_margin and margin is None:
                        # Set once, on the first split that has pairs (train as a rule), and held for the others.
                        margin, sentence = automatic_margin(work, pairs)
                        context.note(sentence)
                        work = replace(work, margin=margin)
                    yield mine_pairs(work, pairs, tally)
                    done += len(pairs)
                    context.progress(done, total)
    for sentence in tally.sentences(mine):
        context.note(sentence)


def _same_document(context: Context) -> bool:
    if context.settings.mine.same_document or not context.reader.query("mine_split_by_blocks")["by_blocks"][0]:
        return context.settings.mine.same_document
    # One manual or five filings: other documents are too few, or none, to draw from.
    context.note("Few documents: negatives may come from other sections of the positive's own document.")
    return True


def _most_uses(context: Context, pool: Pool) -> int | None:
    """The limit as it is set, or twice what an even share would be where that is more: a lower one could only starve pairs."""
    mine = context.settings.mine
    pairs = int(context.reader.query("mine_pairs_in_split", {"split": pool.split})["pairs"][0])
    if mine.max_uses is None or not pool.chunk_ids:
        return mine.max_uses
    fair = -(-2 * pairs * (mine.negatives - mine.easy_negatives) // len(pool.chunk_ids))
    if fair > mine.max_uses:
        context.note(f"mine.max_uses {mine.max_uses} would leave pairs of {pool.split} without negatives: there it is {fair}.")
    return max(mine.max_uses, fair)


def _rules(context: Context, pool: Pool, same_document: bool) -> Rules:
    near = context.settings.deduplicate
    return Rules(near.chunk_threshold, near.shingle, same_document, Lexicon(pool.index))


def _has_pairs(context: Context, split: str) -> bool:
    return bool(context.reader.query("mine_pairs_in_split", {"split": split})["pairs"][0])


STAGE = Stage(
    name="mine",
    reads=("pairs", "questions", "chunks", "chunk_clusters", "splits", "imported_pairs"),
    writes=("negatives",),
    produce=produce,
    settings=("mine", "seed", "deduplicate.chunk_threshold", "deduplicate.shingle"),
    libraries=("numpy", "PyStemmer", "rank-bm25"),
    files=(
        "sql/mine_passages.sql",
        "sql/mine_questions.sql",
        "sql/mine_shared_clusters.sql",
        "sql/mine_split_by_blocks.sql",
        "sql/mine_pairs_in_split.sql",
        "sql/mine_supplied.sql",
    ),
)
