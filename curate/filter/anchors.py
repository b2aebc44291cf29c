"""The gates that look at all questions together: one anchor with several passages, anchors across splits, near-duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from curate.filter.decontaminate.runs import NO_TEMPLATES, Numbered, Side, Templates, run_said, shared_runs
from curate.filter.likeness import Known, frequencies, likeness
from curate.text import normalise
from schemas.reasons import Reason
from schemas.tables import SPLITS

_ORIGINS = {"imported": 0, "llm": 1, "extractive": 2}
# Of two near-equal questions in two splits the evaluation query stays and the training row goes.
_SPLITS_NEAR = {"test": 0, "dev": 1, "train": 2}
# An imported anchor with rows in several splits goes where most rows are; on a tie, training data is what the user has most use for.
_SPLITS_HOME = {"train": 0, "dev": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class Anchor:
    """A question that passed the gates on single rows."""

    question_id: str
    question: str
    chunk_id: str
    chunk_cluster_id: str
    split: str
    origin: str
    measured: bool
    """Scored or labelled by the user: the row is about the pair of texts, so a repeated anchor is no fault."""
    group_id: str | None = None
    """Shared by the rows of one question that needs several chunks."""


Decision = tuple[Anchor, Reason, str]
"""An anchor that is not kept, why, and the detail."""


def conflicts(anchors: Iterable[Anchor], threshold: float, templates: Templates = NO_TEMPLATES) -> Iterator[Decision]:
    """Every anchor that cannot stay beside the others; those not named stay.

    Afterwards no two kept anchors in different splits are equal or near-equal or share a run of words (`templates` apart, see
    `curate.filter.decontaminate.runs`), and no generated question is kept for two
    different passages. One imported anchor may keep several passages within its split: they are all positives of it.
    """
    groups: dict[str, list[Anchor]] = {}
    for anchor in anchors:
        groups.setdefault(normalise(anchor.question) or anchor.question, []).append(anchor)
    units: list[list[Anchor]] = []
    for key in sorted(groups):
        group = sorted(groups[key], key=_preference)
        decided = list(_equal_anchors(group))
        yield from decided
        gone = {anchor.question_id for anchor, _, _ in decided}
        kept = [anchor for anchor in group if anchor.question_id not in gone]
        if kept:
            units.append(kept)
    yield from _near_equal_anchors(units, threshold, templates)


def incomplete(anchors: Iterable[Anchor], rejected: Container[str]) -> Iterator[Decision]:
    """Rows of questions that need several chunks when the row for one of them is gone; `rejected` holds the groups' ids."""
    for anchor in anchors:
        if anchor.group_id is not None and anchor.group_id in rejected:
            yield anchor, Reason.QUESTION_PART_REJECTED, f"group {anchor.group_id}"


def _preference(anchor: Anchor) -> tuple[int, int, str]:
    return (_ORIGINS[anchor.origin], _SPLITS_NEAR[anchor.split], anchor.question_id)


def _equal_anchors(group: Sequence[Anchor]) -> Iterator[Decision]:
    imported = [anchor for anchor in group if anchor.origin == "imported"]
    generated = [anchor for anchor in group if anchor.origin != "imported"]
    if imported:
        kept = yield from _imported(imported)
        clusters = {anchor.chunk_cluster_id for anchor in kept}
        for anchor in generated:
            same = anchor.chunk_cluster_id in clusters
            reason = Reason.QUESTION_NEAR_DUPLICATE if same else Reason.ANCHOR_AMBIGUOUS
            yield anchor, reason, f"equals imported {kept[0].question_id}"
        return
    if len({anchor.group_id or anchor.question_id for anchor in generated}) == 1:
        # One question, with a row for each chunk that it needs.
        return
    passages = len({anchor.chunk_cluster_id for anchor in generated})
    if passages > 1:
        for anchor in generated:
            yield anchor, Reason.ANCHOR_AMBIGUOUS, f"written for {passages} different passages"
        return
    for anchor in generated[1:]:
        yield anchor, Reason.QUESTION_NEAR_DUPLICATE, f"equals {generated[0].question_id}"


def _imported(rows: Sequence[Anchor]) -> Generator[Decision, None, list[Anchor]]:
    """Decide on imported rows of one anchor; returns those that stay."""
    counts = Counter(anchor.split for anchor in rows)
    home = min(counts, key=lambda split: (-counts[split], _SPLITS_HOME[split]))
    kept: list[Anchor] = []
    seen: dict[str, str] = {}
    for anchor in rows:
        if anchor.split != home:
            yield anchor, Reason.ANCHOR_IN_OTHER_SPLIT, f"{counts[home]} of {len(rows)} rows are in {home}"
        elif not anchor.measured and anchor.chunk_id in seen:
            yield anchor, Reason.QUESTION_NEAR_DUPLICATE, f"equals {seen[anchor.chunk_id]}"
        else:
            kept.append(anchor)
            if not anchor.measured:
                seen[anchor.chunk_id] = anchor.question_id
    return kept


def _strict(anchor: Anchor, kept: Sequence[list[Anchor]]) -> Callable[[int], bool]:
    """Whether to ask for equal content words: between two imported anchors."""
    return lambda n: anchor.origin == "imported" and kept[n][0].origin == "imported"


def _near_equal_anchors(units: Sequence[list[Anchor]], threshold: float, templates: Templates) -> Iterator[Decision]:
    """Keep a unit (the rows of one anchor, all in one split) unless a preferred one is the same question."""
    ordered = sorted(units, key=lambda unit: _preference(unit[0]))
    features = [likeness(unit[0].question) for unit in ordered]
    sharing = _sharing([unit[0] for unit in ordered], templates)
    known = Known(threshold, frequencies(features))
    kept: list[list[Anchor]] = []
    places: dict[int, int] = {}
    for place, (unit, feature) in enumerate(zip(ordered, features, strict=True)):
        first = unit[0]
        alike = [(n, f"{similarity:.2f} ≥ {threshold}") for n, similarity in known.alike(feature, _strict(first, kept))]
        elsewhere = [(n, said) for n, said in alike if kept[n][0].split != first.split]
        elsewhere += [(places[other], run_said(size)) for other, size in sharing.get(place, ()) if other in places]
        repeats = elsewhere or ([] if all(anchor.measured for anchor in unit) else alike)
        if repeats:
            n, said = repeats[0]
            reason = Reason.ANCHOR_IN_OTHER_SPLIT if elsewhere else Reason.QUESTION_NEAR_DUPLICATE
            detail = f"like {kept[n][0].question_id} in {kept[n][0].split}: {said}"
            for anchor in unit:
                yield anchor, reason, detail
            continue
        places[place] = len(kept)
        known.add(feature)
        kept.append(unit)


def _sharing(anchors: Sequence[Anchor], templates: Templates) -> dict[int, list[tuple[int, int]]]:
    """Place of an anchor → places of anchors in other splits that share a run of words with it, and the words in it."""
    places = {split: [n for n, anchor in enumerate(anchors) if anchor.split == split] for split in SPLITS}
    sides = {split: Side(anchors[n].question for n in places[split]) for split in SPLITS[1:]}
    found: dict[int, list[tuple[int, int]]] = {}
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        texts = Numbered(anchors[n].question for n in places[first])
        for (a, b), size in sorted(shared_runs(texts, sides[second], templates).items()):
            found.setdefault(places[first][a], []).append((places[second][b], size))
            found.setdefault(places[second][b], []).append((places[first][a], size))
    return found
