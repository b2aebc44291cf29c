"""Candidates of each pair in the order in which they are looked at, until enough of them pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from curate.mine.guards import reason_against
from curate.mine.passages import Passage
from curate.mine.searching import Batchwork, Pair, Search, Slot, by_lot, deepen, own_score, ranks, searches_of, window
from curate.mine.tally import Tally
from curate.mine.teacher import Said
from curate.stage import Batch, Rejection
from schemas.reasons import Reason

MAY_ANSWER = (None, Reason.NEGATIVE_ABOVE_MARGIN, Reason.NEGATIVE_HOLDS_ANSWER)
"""What the promoter is asked about: near-copies of a positive need no second opinion."""
MORE = 3
"""Candidates looked at beyond those still missing, so that most pairs are done after one read; twice as many each time."""


@dataclass(frozen=True)
class Opinions:
    """What models said of the candidates of one round."""

    cosines: Mapping[Said, float] = field(default_factory=dict)
    answers: Mapping[Said, float] = field(default_factory=dict)


def mine_pairs(work: Batchwork, pairs: Sequence[Pair], tally: Tally) -> Batch:
    """All candidates that were looked at for these positive pairs of the pool's split."""
    mine = work.context.settings.mine
    work.passages.forget()
    searches = searches_of(work, pairs, mine.last_rank)
    _look_at_supplied(work, searches)
    hard = mine.negatives - mine.easy_negatives
    _run(work, [(search, window(work, search)) for search in searches], lambda _: hard)
    short = [search for search in searches if search.chosen < hard and len(search.hits) >= mine.last_rank]
    if mine.shortage == "next" and short:
        deepen(work, short)
        _run(work, [(search, ranks(work, search, mine.last_rank + 1)) for search in short], lambda _: hard)
    limits = {search.seed: mine.negatives for search in searches}
    if mine.shortage == "fewer":
        limits |= {search.seed: search.chosen + mine.easy_negatives for search in searches if search.chosen < hard}
    _run(work, [(search, by_lot(work, search)) for search in searches], lambda search: limits[search.seed])
    return _batch(searches, work, tally)


def _run(work: Batchwork, searches: Sequence[tuple[Search, Iterator[Slot]]], limit: Callable[[Search], int]) -> None:
    """Look at slots until every search has as many negatives as its limit or no slot is left."""
    pending, more = [(search, slots) for search, slots in searches if search.chosen < limit(search)], MORE
    while pending:
        rounds = [(search, slots, list(islice(slots, limit(search) - search.chosen + more))) for search, slots in pending]
        aside = {slot for search, _, taken in rounds for slot in taken if _is_aside(work, search, slot)} if more > MORE else set()
        taken_up = [slot for _, _, taken in rounds for slot in taken]
        work.passages.load(str(slot.chunk_id) for slot in taken_up if slot not in aside)
        work.passages.load_texts(str(slot.chunk_id) for slot in aside)
        found = [(search, [(slot, work.passages.of(str(slot.chunk_id))) for slot in taken]) for search, _, taken in rounds]
        opinions = _opinions(work, found)
        for search, taken in found:
            for slot, passage in taken:
                if search.chosen < limit(search):
                    _look_at(work, search, (slot, passage), opinions, aside=slot in aside)
        pending = [(search, slots) for search, slots, taken in rounds if taken and search.chosen < limit(search)]
        more *= 2


def _is_aside(work: Batchwork, search: Search, slot: Slot) -> bool:
    """What scores too high by words is not read closely once a pair has gone past its first candidates: there may be hundreds."""
    no_models = work.models.teacher is None and work.models.promoter is None
    return no_models and _is_above(work, search, slot, None)


def _opinions(work: Batchwork, found: Sequence[tuple[Search, Sequence[tuple[Slot, Passage]]]]) -> Opinions:
    """What the models say of those that no plain rule is against."""
    if work.models.teacher is None and work.models.promoter is None:
        return Opinions()
    asked = [
        (search.pair["anchor"], passage.text)
        for search, taken in found
        for _, passage in taken
        if reason_against(passage, search.positives, work.rules) in MAY_ANSWER
    ]
    return Opinions(work.models.cosines(asked), work.models.answers(asked))


def _look_at(
    work: Batchwork, search: Search, candidate: tuple[Slot, Passage], opinions: Opinions, *, aside: bool = False
) -> None:
    """Judge one candidate and keep a row of it; what is set aside has been judged by its score alone."""
    slot, passage = candidate
    mine = work.context.settings.mine
    said = (search.pair["anchor"], passage.text)
    cosine = opinions.cosines.get(said)
    reason = Reason.NEGATIVE_ABOVE_MARGIN if aside else reason_against(passage, search.positives, work.rules)
    if reason is None and not search.seen.isdisjoint((*passage.keys, passage.cluster_id)):
        reason = Reason.NEGATIVE_REPEATED
    if reason is None and _is_above(work, search, slot, cosine):
        reason = Reason.NEGATIVE_ABOVE_MARGIN
    own = slot.origin == "supplied"
    used = slot.origin == work.pool.searcher.origin and work.uses[slot.chunk_id or ""] >= (work.most_uses or math.inf)
    answers = opinions.answers.get(said, -1.0) >= mine.min_promote_score
    if answers and reason in MAY_ANSWER and not own and not passage.elsewhere:
        reason = Reason.NEGATIVE_ANSWERS
    if reason is None and used:
        reason = Reason.NEGATIVE_USED_ENOUGH
    search.seen |= passage.keys
    if passage.cluster_id:
        search.seen.add(passage.cluster_id)
    if reason is None:
        search.chosen += 1
        work.uses[slot.chunk_id or ""] += 1
    row = {"pair_id": search.pair["pair_id"], "candidate": len(search.rows) + 1, "chunk_id": slot.chunk_id}
    row |= {"text": passage.text, "origin": slot.origin, "rank": slot.rank, "score": slot.score}
    row |= {"teacher_score": cosine, "positive_score": None if cosine is None else search.positive_score}
    row["relative_margin"] = work.margin.relative
    state = "negative" if reason is None else "promoted" if reason == Reason.NEGATIVE_ANSWERS else "quarantined"
    row |= {"state": state, "reason": str(reason) if reason else None}
    search.rows.append(row | {"chosen": None if reason else search.chosen})


def _is_above(work: Batchwork, search: Search, slot: Slot, cosine: float | None) -> bool:
    """Margins are taken on the teacher's cosines; without one on BM25 scores, which supplied and random candidates do not have."""
    if work.margin.is_open:
        return False
    if search.positive_score is not None:
        return cosine is not None and work.margin.exceeded(cosine, search.positive_score)
    return slot.score is not None and work.margin.exceeded(slot.score, own_score(work, search))


def _look_at_supplied(work: Batchwork, searches: Sequence[Search]) -> None:
    """Every supplied negative gets a row, the surplus too: they are the user's own."""
    names = sorted({search.pair["imported_pair_id"] for search in searches if search.pair["imported_pair_id"]})
    if not names:
        return
    rows = work.context.reader.query("mine_supplied", {"ids": names}).iter_rows(named=True)
    texts = {row["imported_pair_id"]: [text for text in row["negatives"] if text] for row in rows}
    given = [(search, texts.get(search.pair["imported_pair_id"], [])) for search in searches]
    found = [(search, _supplied(work, own)) for search, own in given if own]
    opinions = _opinions(work, found)
    for search, candidates in found:
        for candidate in candidates:
            _look_at(work, search, candidate, opinions)
            if search.chosen > work.context.settings.mine.negatives:
                search.chosen -= 1
                search.rows[-1]["chosen"] = None


def _supplied(work: Batchwork, texts: Sequence[str]) -> list[tuple[Slot, Passage]]:
    split = work.pool.split
    chunk_ids = [work.supplied.chunk_in(split, text) for text in texts]
    work.passages.load(name for name in chunk_ids if name)
    found = []
    for text, chunk_id in zip(texts, chunk_ids, strict=True):
        outside = work.supplied.is_outside(split, text)
        known = (
            work.passages.by_id[chunk_id] if chunk_id and not outside else work.passages.lens.supplied(text, elsewhere=outside)
        )
        found.append((Slot("supplied", chunk_id), known))
    return found


def _batch(searches: Sequence[Search], work: Batchwork, tally: Tally) -> Batch:
    wanted = work.context.settings.mine.negatives
    tally.count(searches, work.context.settings.mine)
    return Batch(
        "negatives",
        [row for search in searches for row in search.rows],
        [
            Rejection(
                key=search.pair["pair_id"],
                reason=Reason.NEGATIVES_TOO_FEW,
                detail=f"{search.chosen} of {wanted}",
                row={"anchor": search.pair["anchor"], "split": search.pair["split"]},
                state="quarantined",
            )
            for search in searches
            if search.chosen < wanted
        ],
    )
