"""Audits that no SELECT can make: wording that train shares with dev, test or the user's benchmarks, looked for in the rows to be exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from curate.filter.anchors import Anchor
from curate.filter.decontaminate import Benchmark, open_benchmark
from curate.filter.decontaminate.rows import anchors_in_benchmark, count_passages, matches_in_passages, read_templates
from curate.filter.decontaminate.runs import Numbered, Side, Templates, shared_runs
from curate.filter.likeness import Known, frequencies, likeness
from curate.stage import Context


class Leaks:
    """The pairs of a build as these audits look at them; what several of them need is read once."""

    def __init__(self, context: Context) -> None:
        self.reader = context.reader
        self.settings = context.settings

    @cached_property
    def benchmark(self) -> Benchmark | None:
        """The user's files; None without any."""
        return open_benchmark(self.settings)

    @cached_property
    def anchors(self) -> dict[str, list[Anchor]]:
        """Train pairs, and those of dev and test as "held"; `question_id` is the pair's id."""
        found: dict[str, list[Anchor]] = {"train": [], "held": []}
        for rows in self.reader.batches("pairs", columns=("pair_id", "anchor", "chunk_id", "split", "origin")):
            for pair_id, anchor, chunk_id, split, origin in rows.rows():
                side = "train" if split == "train" else "held"
                found[side].append(Anchor(pair_id, anchor, chunk_id, "", split, origin, measured=False))
        return found

    @cached_property
    def templates(self) -> Templates:
        """Runs of words that are ways of putting a question."""
        return read_templates(self.reader)


def _shared_words(leaks: Leaks) -> list[str]:
    train = leaks.anchors["train"]
    held = Side(anchor.question for anchor in leaks.anchors["held"])
    shared = shared_runs(Numbered(anchor.question for anchor in train), held, leaks.templates)
    return [train[place].question_id for place, _ in shared]


def _nearly_equal(leaks: Leaks) -> list[str]:
    held = list({anchor.question: anchor for anchor in leaks.anchors["held"]}.values())
    features = [likeness(anchor.question) for anchor in held]
    known = Known(leaks.settings.filter.duplicate_threshold, frequencies(features))
    for feature in features:
        known.add(feature)
    return [
        anchor.question_id for anchor in leaks.anchors["train"] if known.alike(likeness(anchor.question), _strict(anchor, held))
    ]


def _strict(anchor: Anchor, held: Sequence[Anchor]) -> Callable[[int], bool]:
    """Between two questions that people wrote, as filter has it."""
    return lambda n: anchor.origin == held[n].origin == "imported"


def _anchor_in_benchmark(leaks: Leaks) -> list[str]:
    benchmark = leaks.benchmark
    if benchmark is None:
        return []
    matched = anchors_in_benchmark(benchmark, leaks.anchors["train"], leaks.templates)
    return [anchor.question_id for anchor, _, _ in matched]


def _passage_in_benchmark(leaks: Leaks) -> list[str]:
    benchmark = leaks.benchmark
    if benchmark is None:
        return []
    count_passages(benchmark, leaks.reader)
    found: list[str] = []
    for rows in leaks.reader.batches("pairs", columns=("pair_id", "positive", "split")):
        train = rows.filter(rows["split"] == "train")
        found += [train["pair_id"][place] for place in matches_in_passages(benchmark, train["positive"].to_list())]
    return found


LEAKS: Mapping[str, tuple[str, Callable[[Leaks], list[str]]]] = {
    "no_train_anchor_shares_words_with_dev_or_test": (
        "No train anchor shares 13 words in a row with a dev or test anchor, nor all words of the shorter one of 8 to 12, except where "
        "more than ten questions do.",
        _shared_words,
    ),
    "no_train_anchor_nearly_equals_dev_or_test": (
        "No train anchor is the same question as a dev or test anchor in nearly the same words.",
        _nearly_equal,
    ),
    "no_train_anchor_in_a_benchmark": (
        "No train anchor matches a query of the files of filter.decontaminate: not exactly, not by words in a row, not nearly.",
        _anchor_in_benchmark,
    ),
    "no_train_passage_in_a_benchmark": (
        "No passage of a train pair holds a query, or matches a passage, of the files of filter.decontaminate.",
        _passage_in_benchmark,
    ),
}
"""Claim → the sentence, and the search for ids of pairs that break it."""
