"""Batches: what must not meet does not meet, like lengths stand together, every epoch is the same for everyone who asks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.known import NOTHING, Known
from train.sampler import Batches, batch_sampler, clashes, pack

# Every anchor shares its second passage with the first of the next.
CHAIN = [(f"a{n}", f"p{(n + turn) % 24}", f"n{n}") for n in range(24) for turn in (0, 1)]


def faults(rows: list[tuple[str, ...]], batches: list[list[int]], known: Known = NOTHING) -> list[tuple[int, int]]:
    """Rows (left, right) of one batch whose right brings what the left's anchor must not meet; by brute force."""
    answers = {anchor: {row[1] for row in rows if row[0] == anchor} for anchor, *_ in rows}

    def group(text: str) -> str:
        return known.copies.get(text, text)

    found = []
    for batch in batches:
        for left in batch:
            for right in batch:
                if left == right:
                    continue
                anchor, *_ = rows[left]
                texts, passages = set(rows[right]), {group(text) for text in rows[right][1:]}
                forbidden = {group(text) for text in answers[anchor]} | known.withheld.get(anchor, frozenset())
                if texts & set(rows[left]) or passages & forbidden or texts & answers[anchor]:
                    found.append((left, right))
    return found


def test_no_positive_of_an_anchor_meets_it_as_a_negative() -> None:
    packed = pack(range(48), 6, clashes(CHAIN))
    assert sorted(index for batch in packed for index in batch) == list(range(48))
    assert faults(CHAIN, packed) == []
    # Without it, that is what happens.
    assert len(faults(CHAIN, pack(range(48), 6))) > 10


def test_near_copies_and_withheld_passages_are_kept_apart() -> None:
    rows = [("a0", "p0", "n0"), ("a1", "copy of p0", "n1"), ("a2", "p2", "n2"), ("a3", "p3", "copy of n0")]
    known = Known({"p0": "g0", "copy of p0": "g0", "p2": "g2", "n0": "g3", "copy of n0": "g3"}, {"a3": frozenset({"g2"})})
    assert pack(range(4), 4, clashes(rows)) == [[0, 1, 2, 3]]
    # a1's positive is a copy of a0's; a2's positive may answer a3; two negatives that are copies harm nobody.
    assert pack(range(4), 4, clashes(rows, known)) == [[0, 2], [1, 3]]
    assert pack([0, 3], 4, clashes(rows, known)) == [[0, 3]]


words = st.integers(0, 8).map(str)


@given(
    rows=st.lists(st.tuples(words.map("a{}".format), words.map("p{}".format), words.map("p{}".format)), min_size=1, max_size=40),
    copies=st.dictionaries(words.map("p{}".format), st.sampled_from(["g1", "g2"]), max_size=4),
    withheld=st.dictionaries(words.map("a{}".format), st.frozensets(st.sampled_from(["g1", "g2"])), max_size=4),
    size=st.integers(2, 9),
)
def test_any_rows_are_packed_once_and_without_fault(
    rows: list[tuple[str, ...]], copies: dict[str, str], withheld: dict[str, frozenset[str]], size: int
) -> None:
    known = Known(copies, withheld)
    packed = pack(range(len(rows)), size, clashes(rows, known))
    assert sorted(index for batch in packed for index in batch) == list(range(len(rows)))
    assert max(map(len, packed)) <= size
    assert faults(rows, packed, known) == []


def test_one_anchor_with_thousands_of_answers_is_no_trouble() -> None:
    rows = [("a", f"p{n}", f"n{n}") for n in range(3000)]
    batches = Batches(3000, 16, 1, clashes(rows))
    assert batches.steps == 3000
    assert {len(batch) for batch in batches.epoch(1)} == {1}


def test_an_epoch_is_the_same_for_everyone_and_another_one_differs() -> None:
    made = [Batches(48, 6, 5, clashes(CHAIN)) for _ in range(2)]
    assert made[0].steps == 8
    assert [made[0].epoch(number) for number in range(3)] == [made[1].epoch(number) for number in range(3)]
    assert made[0].epoch(0) != made[0].epoch(1)
    assert made[0].epoch(0) != Batches(48, 6, 6, clashes(CHAIN)).epoch(0)


def test_every_epoch_has_as_many_batches_for_any_number_of_processes() -> None:
    for processes in (1, 2, 3):
        batches = Batches(48, 6, 5, clashes(CHAIN), processes=processes)
        assert batches.steps == 8 // processes * processes
        assert [len(batches.epoch(number)) for number in range(6)] == [batches.steps] * 6
    lone = Batches(3, 8, 5, processes=2)
    assert (lone.steps, sorted(len(batch) for batch in lone.epoch(0))) == (2, [1, 2])


def test_like_lengths_stand_together() -> None:
    lengths = [(number * 37) % 100 for number in range(512)]
    rows = [(f"a{n}", f"p{n}") for n in range(512)]

    def padding(batches: Batches) -> int:
        return sum(max(lengths[index] for index in batch) * len(batch) for batch in batches.epoch(0)) - sum(lengths)

    mixed, grouped = (Batches(512, 16, 3, clashes(rows), lengths=given) for given in ((), lengths))
    assert padding(grouped) < padding(mixed) / 10
    assert sorted(index for batch in grouped.epoch(0) for index in batch) == list(range(512))
    # The batches themselves come in an order by chance, not from short to long.
    first = [lengths[batch[0]] for batch in grouped.epoch(0)]
    assert first != sorted(first)


@pytest.mark.parametrize("epoch", [0, 1])
def test_the_trainer_gets_the_epoch_it_asks_for(epoch: int) -> None:
    from datasets import Dataset

    batches = Batches(48, 6, 5, clashes(CHAIN))
    columns: dict[str, Any] = {
        name: [row[place] for row in CHAIN] for place, name in enumerate(("anchor", "positive", "negative"))
    }
    sampler = batch_sampler(batches, Dataset.from_dict(columns), batch_size=6, drop_last=False, seed=5)
    sampler.set_epoch(epoch)
    assert (len(sampler), list(sampler)) == (8, batches.epoch(epoch))
