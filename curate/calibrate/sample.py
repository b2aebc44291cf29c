"""The rows that are measured: questions of the build as they are, the sound ones among them, and the faults planted into those."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from curate.calibrate.material import read_material
from curate.calibrate.plant import KINDS, plant
from curate.calibrate.rates import Flags
from curate.filter.anchors import Anchor, conflicts
from curate.filter.exemptions import is_measured
from curate.filter.gates import verdicts
from curate.filter.labels import Label
from curate.stage import Context, Reader
from curate.verify.scoring import Scorer
from schemas.errors import InputError
from schemas.reasons import Reason
from schemas.settings import FilterSettings

Row = dict[str, Any]
Progress = Callable[[str, int, int | None], None]
"""Called with (step, rows done, rows in all)."""

ROWS_AT_A_TIME = 256
FEWEST = 30
"""With fewer questions of a language model, or fewer rows that people called good, others stand in."""

SCORE_GATES_OFF: dict[str, Any] = {
    "numbers": False,
    "names": False,
    "negation": False,
    "min_answer_overlap": 0.0,
    "max_round_trip_rank": None,
    "min_bm25_margin": None,
    "min_bm25_answer_margin": None,
    "min_dense_margin": None,
    "min_checker_score": None,
    "decision": "thresholds",
    "judge": False,
}
"""The gates on scores, wide open: what is left are rules of form, language and evidence. `min_specific_words` stays as it is set and may only
be tightened: no planted fault is vague, so that faults cannot tell what loosening it lets through."""


@dataclass(frozen=True)
class Wanted:
    """What to measure: how many originals, which kinds of faults, by which seed; labels of people by question id.

    `target` is the share of false kills that is allowed; `fit` asks for a fitted decision, `judge` for the language model's opinion.
    """

    rows: int = 1000
    target: float = 0.05
    kinds: tuple[str, ...] = KINDS
    seed: int = 13
    fit: bool = False
    judge: bool = False
    labels: Mapping[str, Label] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """All rows with their checks, in one order: originals first, then planted ones. Flags have one place for each row."""

    rows: list[Row]
    originals: Flags
    """Questions of the build, drawn without a look at any score."""
    sound: Flags
    """Those that all rules of form, language and evidence keep: faults were planted into these."""
    good: Flags
    """Questions that people called good, in the sample or beside it."""
    bad: Flags
    """Those that people rejected: faults that nobody planted."""
    kinds: dict[str, Flags]
    """Planted rows of each kind."""
    together: list[Reason | None]
    """The reason of the gates that look at all questions together, for each row."""
    skipped: dict[str, int]
    origins: dict[str, int]
    """Originals of each origin."""

    @property
    def searched(self) -> Flags:
        """Rows that gates on searches may decide: those of train."""
        return np.array([row["split"] == "train" for row in self.rows], dtype=np.bool_)

    @property
    def clusters(self) -> list[str]:
        """The document cluster (or block of sections) of each row; a planted one has its original's."""
        return [row["cluster_id"] for row in self.rows]

    def failed(self, settings: FilterSettings) -> list[frozenset[Reason]]:
        """The gates that each row does not pass, those on all questions together included."""
        return [
            failed_gates(row, settings) | ({reason} if reason else set())
            for row, reason in zip(self.rows, self.together, strict=True)
        ]


def open_gates(settings: FilterSettings) -> FilterSettings:
    """The settings with all gates on scores wide open."""
    return settings.model_copy(update=SCORE_GATES_OFF)


def rules_beside_fit(settings: FilterSettings) -> FilterSettings:
    """The settings under which a fitted decision would stand, without it: what is left for a language model's questions are rules of form."""
    return settings.model_copy(update={"decision": "fitted", "combiner": None, "combiner_no_search": None, "judge": False})


def failed_gates(row: Mapping[str, Any], settings: FilterSettings) -> frozenset[Reason]:
    """The gates on single questions that the row does not pass; a gate that cannot decide keeps nothing, so it counts."""
    return frozenset(verdict.reason for verdict in verdicts(row, settings) if not verdict.passed)


def take_sample(context: Context, scorer: Scorer, wanted: Wanted, progress: Progress) -> Sample:
    """Score the build's questions, plant faults into the sound ones, and score those. `context.reader` needs questions, chunks, chunk_clusters.

    Raises InputError when the build has no question that faults can be planted into.
    """
    settings = context.settings.filter
    questions = list(read_questions(context.reader, wanted))
    scored = score(scorer, questions, lambda done, total: progress("scoring questions", done, total))
    drawn = _drawn(scored, wanted)
    together = _conflicts(scored, settings)
    rejected = {key for key, label in wanted.labels.items() if label.label == "reject"} | together.keys()
    wide = open_gates(settings)
    sound = [row for row in drawn if row["question_id"] not in rejected and not failed_gates(row, wide)]
    if not sound:
        raise InputError(
            "no question of this build passes the gates, so there is nothing to plant faults into",
            where=context.folder,
            next_step="`curate rejects DIR --stage filter` says why they fall",
        )
    progress("planting faults", 0, None)
    planting = plant(sound, read_material(context.reader, scorer.corpus), wanted.seed, wanted.kinds)
    planted = score(scorer, planting.rows, lambda done, total: progress("scoring planted faults", done, total))
    together |= _repeats(sound, planted, settings)
    rows = [*scored, *planted]
    origins = Counter(row["origin"] for row in drawn)
    return Sample(
        rows=rows,
        originals=_marked(rows, {row["question_id"] for row in drawn}),
        sound=_marked(rows, {row["question_id"] for row in sound}),
        good=_marked(rows, {key for key, label in wanted.labels.items() if label.label == "accept"}),
        bad=_marked(rows, {key for key, label in wanted.labels.items() if label.label == "reject"}),
        kinds={kind: np.array([row.get("kind") == kind for row in rows], dtype=np.bool_) for kind in wanted.kinds},
        together=[together.get(row["question_id"]) for row in rows],
        skipped=planting.skipped,
        origins=dict(sorted(origins.items())),
    )


def _marked(rows: Sequence[Row], ids: Collection[str]) -> Flags:
    return np.array([row["question_id"] in ids for row in rows], dtype=np.bool_)


def read_questions(reader: Reader, wanted: Wanted) -> Iterator[Row]:
    """Questions with their chunks in order of ids: a language model's, if there are enough; others too, if not; and the labelled ones."""
    count = int(reader.query("SELECT count(*) AS n FROM questions WHERE origin = 'llm'")["n"][0])
    origins = ["llm"] if count >= FEWEST else ["llm", "imported", "extractive"]
    labelled = sorted(wanted.labels)
    values = {"origins": origins, "wanted": labelled, "rows": wanted.rows + len(labelled)}
    rows = reader.query("calibrate_questions", values).iter_rows(named=True)
    yield from sorted(rows, key=lambda row: row["question_id"])


def _drawn(rows: Sequence[Row], wanted: Wanted) -> list[Row]:
    """The originals: without the labelled rows that came besides, so that what people chose to look at weighs no more than the rest."""
    llm = sum(row["origin"] == "llm" for row in rows) >= FEWEST
    order = {"llm": 0, "imported": 1, "extractive": 2}
    eligible = [row for row in rows if not llm or row["origin"] == "llm"]
    return sorted(eligible, key=lambda row: (order[row["origin"]], row["question_id"]))[: wanted.rows]


def score(scorer: Scorer, items: Sequence[Row], progress: Callable[[int, int | None], None]) -> list[Row]:
    """The items with their checks, in the order given; scored chunk by chunk."""
    order = sorted(range(len(items)), key=lambda i: (items[i]["chunk_id"], items[i]["question_id"]))
    scored: dict[int, Row] = {}
    for start in range(0, len(order), ROWS_AT_A_TIME):
        part = order[start : start + ROWS_AT_A_TIME]
        progress(start, len(order))
        checks = scorer.check([items[i] for i in part])
        scored |= {i: {**items[i], **row} for i, row in zip(part, checks, strict=True)}
    return [scored[i] for i in range(len(items))]


def _conflicts(rows: Sequence[Row], settings: FilterSettings) -> dict[str, Reason]:
    """What the gates on all questions together reject of the rows that pass the others."""
    left = [_anchor(row) for row in rows if not failed_gates(row, open_gates(settings))]
    return {anchor.question_id: reason for anchor, reason, _ in conflicts(left, settings.duplicate_threshold)}


def _repeats(originals: Sequence[Row], planted: Sequence[Row], settings: FilterSettings) -> dict[str, Reason]:
    """Planted duplicates of which no more than one is kept beside its original."""
    repeated = [row for row in planted if row["kind"] == "duplicate"]
    anchors = [_anchor(row) for row in (*originals, *repeated)]
    gone = {anchor.question_id: reason for anchor, reason, _ in conflicts(anchors, settings.duplicate_threshold)}
    pairs = ((row["question_id"], gone.get(row["question_id"]) or gone.get(row["original_id"])) for row in repeated)
    return {question_id: reason for question_id, reason in pairs if reason}


def _anchor(row: Row) -> Anchor:
    known = {
        name: row[name] for name in ("question_id", "question", "chunk_id", "chunk_cluster_id", "split", "origin", "group_id")
    }
    return Anchor(**known, measured=is_measured(row))
