"""Decides what trains and what tests, before anything is generated.

One row in: a document and its cluster. One row out: a region of a document and its split; the regions of a document tile its text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from curate.split.blocks import Region, split_blocks
from curate.split.borders import Manual
from curate.stage import Batch, Context, Reader, Row, Stage, content_id
from schemas.settings import SplitSettings

_DOCUMENTS_AT_ONCE = 256
_CLUSTERS = "SELECT DISTINCT cluster_id FROM document_clusters ORDER BY cluster_id"
_REPRESENTATIVES = (
    "SELECT c.document_id, c.cluster_id, c.representative, d.as_is, length(d.text) AS characters "
    "FROM document_clusters AS c JOIN documents AS d USING (document_id) ORDER BY c.document_id"
)
_DOCUMENT = "SELECT document_id, text, blocks, language FROM documents WHERE document_id = $id"


def produce(context: Context) -> Iterator[Batch]:
    """Rows of `splits`: whole documents by the hash of their cluster, or regions of documents where clusters are too few for that."""
    settings, seed = context.settings.split, context.settings.seed
    clusters = context.reader.query(_CLUSTERS)["cluster_id"].to_list()
    splits = {cluster_id: split_of(cluster_id, seed, settings) for cluster_id in clusters}
    missing = [name for name in wanted(settings) if name not in set(splits.values())]
    if len(clusters) >= settings.min_clusters and not missing:
        yield from _whole_documents(context, splits)
        return
    if not clusters:
        return
    if len(clusters) >= settings.min_clusters:
        why = f"By their hashes none of the {len(clusters)} document clusters falls into {' or '.join(missing)}"
    else:
        why = f"Only {len(clusters)} document cluster{'s' * (len(clusters) > 1)} (split.min_clusters is {settings.min_clusters})"
    context.note(f"{why}: split by blocks of sections with a gap between splits; scores on it say less about new documents.")
    rows = list(_parts_of_documents(context))
    found = Counter(row["split"] for row in rows)
    if short := [name for name in wanted(settings) if not found[name]]:
        context.note(f"Too little text for {' and '.join(short)}: add documents, or set these shares to 0.")
    yield Batch("splits", rows)


def split_of(cluster_id: str, seed: int, shares: SplitSettings) -> str:
    """train, dev or test; depends on nothing but the seed, the cluster's id and the shares."""
    place = int(content_id("split", str(seed), cluster_id), 16) / 2**64
    if place < shares.train:
        return "train"
    if place < shares.train + shares.dev:
        return "dev"
    return wanted(shares)[-1]


def wanted(shares: SplitSettings) -> list[str]:
    """The splits with a share above 0, in the order train, dev, test."""
    return [name for name in ("train", "dev", "test") if getattr(shares, name) > 0]


def _whole_documents(context: Context, splits: dict[str, str]) -> Iterator[Batch]:
    frame = context.reader.query(_REPRESENTATIVES)
    for part in frame.iter_slices(_DOCUMENTS_AT_ONCE * 16):
        rows = [
            _row(Region(row["document_id"], 0, row["characters"], splits[row["cluster_id"]]), row["cluster_id"], "clusters")
            for row in part.iter_rows(named=True)
        ]
        yield Batch("splits", rows)


def _parts_of_documents(context: Context) -> Iterator[Row]:
    settings, seed = context.settings.split, context.settings.seed
    frame = context.reader.query(_REPRESENTATIVES)
    manuals, whole = [], dict[str, str]()
    regions: list[Region] = []
    for row in frame.iter_rows(named=True):
        if not row["representative"]:
            # A near-copy of text that is cut into several splits belongs to all of them at once.
            regions.append(Region(row["document_id"], 0, row["characters"], "gap"))
        elif row["as_is"] or context.settings.chunk.method == "as-is":
            whole[row["cluster_id"]] = row["document_id"]
        else:
            manuals.append(row["document_id"])
    lengths = dict(frame.select("document_id", "characters").iter_rows())
    by_quota = _quota(sorted(whole, key=lambda cluster_id: content_id("split", str(seed), cluster_id)), settings)
    regions += [Region(whole[cluster_id], 0, lengths[whole[cluster_id]], split) for cluster_id, split in by_quota.items()]
    regions += split_blocks(manuals, lambda id_: _manual(context.reader, id_), settings)
    for region in sorted(regions):
        yield _row(region, content_id("block", region.document_id, str(region.start)), "blocks")


def _quota(ordered: list[str], shares: SplitSettings) -> dict[str, str]:
    """Shares of a list too short for chance: at least one each for test and dev when there are enough."""
    names = [name for name in reversed(wanted(shares)) if name != "train"]
    found, start = dict[str, str](), 0
    for number, name in enumerate(names, 1):
        count = max(round(getattr(shares, name) * len(ordered)), int(len(ordered) > number))
        found.update(dict.fromkeys(ordered[start : start + count], name))
        start += count
    return dict.fromkeys(ordered, "train") | found


def _manual(reader: Reader, document_id: str) -> Manual:
    row = reader.query(_DOCUMENT, {"id": document_id}).row(0, named=True)
    return Manual(row["document_id"], row["text"], row["blocks"], row["language"])


def _row(region: Region, cluster_id: str, method: str) -> Row:
    return {
        "document_id": region.document_id,
        "start": region.start,
        "end": region.end,
        "cluster_id": cluster_id,
        "split": region.split,
        "method": method,
    }


STAGE = Stage(
    name="split",
    reads=("documents", "document_clusters"),
    writes=("splits",),
    produce=produce,
    settings=("split", "seed", "chunk.method"),
    libraries=("sentencex",),
)
