"""What a dataset folder knows of its passages besides the rows: near-copies, which may answer an anchor, and the titles of their documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from schemas.manifest import Manifest

CHUNKS = "provenance/chunks.parquet"


@dataclass(frozen=True)
class Known:
    """Knowledge that keeps false negatives out of batches, and names what a passage is about."""

    copies: Mapping[str, str]
    """Passage → the group of its near-copies."""
    withheld: Mapping[str, frozenset[str]]
    """Anchor → groups that must not stand against it: mining quarantined them, or found that they answer."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Passage → the title of its document, where that is cut into several passages."""


NOTHING = Known({}, {})


def together(parts: Iterable[Known]) -> Known:
    """What is known of several splits."""
    copies: dict[str, str] = {}
    withheld: dict[str, frozenset[str]] = {}
    titles: dict[str, str] = {}
    for part in parts:
        copies |= part.copies
        titles |= part.titles
        for anchor, groups in part.withheld.items():
            withheld[anchor] = withheld.get(anchor, frozenset()) | groups
    return Known(copies, withheld, titles)


def read_known(dataset: Path, name: str, rows: pl.DataFrame, manifest: Manifest) -> Known:
    """From the provenance of the rows of "FORMAT/SPLIT" (which are `rows`, in the same order); nothing, where the folder has none."""
    place = f"provenance/{name}.parquet"
    if place not in manifest.files or CHUNKS not in manifest.files:
        return NOTHING
    origins = pl.read_parquet(dataset / place)
    if origins.height != rows.height:
        return NOTHING
    chunks = pl.read_parquet(dataset / CHUNKS, columns=["chunk_id", "chunk_cluster_id", "document_id", "title"])
    group = {chunk: copies or chunk for chunk, copies in chunks.select("chunk_id", "chunk_cluster_id").rows()}
    parts = chunks.filter((pl.len().over("document_id") > 1) & (pl.col("title") != ""))
    title_of = dict(parts.select("chunk_id", "title").rows())
    passages, titles = {}, {}
    for text, chunk in _passages(rows, origins):
        if chunk in group:
            passages[text] = group[chunk]
        if chunk in title_of:
            titles[text] = title_of[chunk]
    withheld: dict[str, set[str]] = {}
    if "withheld_chunk_ids" in origins.columns:
        for anchor, chunk_ids in zip(rows["anchor"], origins["withheld_chunk_ids"].to_list(), strict=True):
            found = {group[chunk] for chunk in chunk_ids or () if chunk in group}
            if found:
                withheld.setdefault(anchor, set()).update(found)
    return Known(passages, {anchor: frozenset(groups) for anchor, groups in withheld.items()}, titles)


def _passages(rows: pl.DataFrame, origins: pl.DataFrame) -> Iterable[tuple[str, str]]:
    """(text, chunk id) of every passage whose chunk is known."""
    if "positives" in rows.columns:
        for texts, ids in (("positives", "positive_chunk_ids"), ("negatives", "negative_chunk_ids")):
            for passages, chunks in zip(rows[texts].to_list(), origins[ids].to_list(), strict=True):
                yield from zip(passages, chunks, strict=True)
        return
    yield from zip(rows["positive"], origins["chunk_id"], strict=True)
    negatives = [name for name in rows.columns if name.startswith("negative_") and not name.endswith("_score")]
    if negatives:
        for passages, chunks in zip(rows.select(negatives).rows(), origins["negative_chunk_ids"].to_list(), strict=True):
            yield from zip(passages, chunks, strict=True)
