"""Which passages of a dataset are near copies of each other, and which anchors ask the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from curate.audit.texts import SEED, Dataset
from curate.filter.likeness import likeness, same_question
from curate.near import Nearness, Signatures, Signed, clusters, jaccard, sign_all
from curate.stage import Engine
from schemas.settings import DeduplicateSettings, FilterSettings

NEAR = Nearness(DeduplicateSettings().chunk_threshold, DeduplicateSettings().shingle)
SAME_QUESTION = FilterSettings().duplicate_threshold
SAME_ROW = Nearness(0.6, 3)
"""Of passages of rows with the same anchor: two words changed in a text of thirty."""
Alike = tuple[int, int, int, float]
"""Group, place in it, place of an earlier text that it is like, and how much."""
_AT_ONCE = 2000
_NAMING = frozenset("main primary key common typical".split())
"""Light words that may be part of a name (primary myelofibrosis); "please" and "exactly" never are."""
# Beyond that many anchors of one passage, only so many earlier ones are looked at.
_COMPARED = 64
_LONG = 30
"""Words: longer anchors are not turned."""


def near_copies(dataset: Dataset, engine: Engine) -> pl.DataFrame:
    """key, copy_of (key of the first text that this one is a near copy of, or its own), similarity; of the sides that are no anchors."""
    first = (
        dataset.sides.filter(pl.col("role") != "anchor").unique("key", keep="first", maintain_order=True).select("key", "text")
    )
    keys, numbers, texts = first["key"], first["text"].to_list(), dataset.texts["text"]
    signatures = Signatures(NEAR)
    blocks = [(start, texts.gather(numbers[start : start + _AT_ONCE])) for start in range(0, len(numbers), _AT_ONCE)]
    for signed in engine.map(_signed, ((start, block.to_list()) for start, block in blocks)):
        signatures.add(signed)

    def fetch(ids: Sequence[str]) -> Mapping[str, str]:
        found = texts.gather([numbers[int(id_, 16)] for id_ in ids])
        return dict(zip(ids, found.to_list(), strict=True))

    copy_of, similar = np.arange(len(numbers)), np.ones(len(numbers))
    chief = 0
    members: list[tuple[int, float]] = []
    cluster = ""
    for member in clusters(signatures, fetch):
        if member.cluster_id != cluster:
            _settle(members, chief, copy_of, similar)
            cluster, members = member.cluster_id, []
        chief = int(member.id, 16) if member.representative else chief
        members.append((int(member.id, 16), member.similarity))
    _settle(members, chief, copy_of, similar)
    return pl.DataFrame({"key": keys, "copy_of": keys.gather(copy_of), "similarity": similar})


def _settle(
    members: Sequence[tuple[int, float]], chief: int, copy_of: npt.NDArray[np.int64], similar: npt.NDArray[np.float64]
) -> None:
    """A text that is in the cluster only through others is no copy of its first."""
    for number, similarity in members:
        if similarity >= NEAR.threshold:
            copy_of[number], similar[number] = chief, similarity


def _signed(block: tuple[int, Sequence[str]]) -> Signed:
    start, texts = block
    # Ids in the order of the texts, so that the first text of a cluster represents it.
    return sign_all([(f"{start + n:08x}", text) for n, text in enumerate(texts)], [()] * len(texts), NEAR)


def compare(
    function: Callable[[Sequence[Sequence[str]]], list[Alike]], groups: Sequence[Sequence[str]], engine: Engine
) -> Iterator[Alike]:
    """`alike_anchors` or `alike_passages` for many groups."""
    blocks = list(_blocks(groups))
    for start, found in zip((start for start, _ in blocks), engine.map(function, (block for _, block in blocks)), strict=True):
        yield from ((start + group, place, other, similarity) for group, place, other, similarity in found)


def _blocks(groups: Sequence[Sequence[str]]) -> Iterator[tuple[int, list[Sequence[str]]]]:
    block: list[Sequence[str]] = []
    start = size = 0
    for number, group in enumerate(groups):
        block.append(group)
        size += len(group)
        if size >= _AT_ONCE:
            yield start, block
            block, start, size = [], number + 1, 0
    if block:
        yield start, block


def alike_anchors(groups: Sequence[Sequence[str]]) -> list[Alike]:
    """Of each text the first earlier one of its group that is the same question, or shares most of its word shingles."""
    found = []
    for number, group in enumerate(groups):
        features = [likeness(text) for text in group]
        for place in range(1, len(group)):
            for other in range(min(place, _COMPARED)):
                similarity = same_question(features[place], features[other], SAME_QUESTION)
                if similarity is None and len(group[place]) > 100:
                    close = jaccard(group[place], group[other], NEAR.shingle)
                    similarity = close if close >= NEAR.threshold else None
                if similarity is not None:
                    found.append((number, place, other, similarity))
                    break
    return found


def meanings(dataset: Dataset, engine: Engine) -> pl.DataFrame:
    """text, meaning (UInt64) of the anchors: equal for those that ask the same with the same content words."""
    numbers = dataset.side("anchor")["text"].unique(maintain_order=True)
    texts = dataset.texts["text"].gather(numbers)
    blocks = (texts[start : start + _AT_ONCE].to_list() for start in range(0, len(texts), _AT_ONCE))
    found = [key for block in engine.map(meaning_keys, blocks) for key in block]
    return pl.DataFrame({"text": numbers, "meaning": pl.Series(found, dtype=pl.String).hash(SEED)})


def meaning_keys(texts: Sequence[str]) -> list[str]:
    """A text for each anchor that is equal for those that ask the same (as `same_question` is strict with people's own questions)."""
    return [_meaning(text) for text in texts]


def _meaning(text: str) -> str:
    found = likeness(text)
    content = list(dict.fromkeys(found.content))
    # A clause moved to the front leaves a question what it is, another order does not.
    turned = min(content[n:] + content[:n] for n in range(max(1, len(content)))) if len(content) < _LONG else content
    return "\x1f".join((" ".join(found.manner), " ".join(turned), " ".join(sorted(found.light & _NAMING)), str(found.directions)))


def alike_passages(groups: Sequence[Sequence[str]]) -> list[Alike]:
    """Of each text of a group the first earlier one that shares most of its runs of three words.

    Rows with the same anchor may differ more in their passages than others and still say the same.
    """
    found = []
    for number, group in enumerate(groups):
        for place in range(1, len(group)):
            alike = ((other, jaccard(group[place], group[other], SAME_ROW.shingle)) for other in range(min(place, _COMPARED)))
            first = next(((other, similarity) for other, similarity in alike if similarity >= SAME_ROW.threshold), None)
            if first is not None:
                found.append((number, place, *first))
    return found
