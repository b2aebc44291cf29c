"""What labels say of a build: the precision of what the gates keep, what they kill wrongly, and how far each gate agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curate.agreement import Share, Stratum, kappa, stratified_share
from curate.filter.gates import GATES
from curate.filter.labels import Label, read_marks
from curate.text import counted
from pipelines.labelling.questions import Card, Frame, read_cards, read_frame
from schemas.reasons import Reason

ALL_GATES = "all gates"
_AGAINST_LEAKS = frozenset({Reason.CHUNK_REJECTED, Reason.CHUNK_IN_SPLIT_GAP, Reason.CHUNK_COPY_IN_OTHER_SPLIT})
Cell = tuple[str, str]
"""Origin, and kept or rejected by the gates."""


@dataclass(frozen=True)
class Labelled:
    """A question with its label and the number of questions it stands for."""

    card: Card
    accepted: bool
    weight: float


def label_report(folder: Path) -> dict[str, Any]:
    """Counts, shares with 95% intervals (see `curate.agreement`) and a row a gate, of all labels in a build folder.

    Kept and rejected ones are drawn at different rates, so shares that go over both, and the weighted kappa, count each label by the
    number of questions of its origin and side that it stands for. What a person said decides none of this: "kept" is what the gates
    alone would keep. Raises StoreError where nothing was filtered or the labels cannot be read.
    """
    frame = read_frame(folder)
    marks = read_marks(folder)
    known = frame.of_row()
    decided = _decided(frame, marks)
    drawable = {key: label for key, label in decided.items() if frame.questions[key].drawn}
    cells = _cells(frame, drawable)
    cards = read_cards(folder, frame, (frame.questions[key] for key in drawable))
    labelled = [_labelled(card, drawable[card.question.key], cells) for card in cards]
    said = {"accept": 0, "reject": 0, "skip": 0}
    for label in _by_question(frame, marks).values():
        said[label.label] += 1
    remarks = _remarks(
        gone=len({key for key in marks if key not in known}),
        set_aside=len(decided) - len(drawable),
        moved=sum(label.drawn not in ("", frame.questions[key].drawn) for key, label in drawable.items()),
    )
    return {
        "labels": said,
        "strata": [{"origin": origin, "drawn": drawn, **cell} for (origin, drawn), cell in cells.items()],
        **{name: asdict(share) if share else None for name, share in _shares(cells).items()},
        "gates": list(_gates(labelled)),
        "remarks": remarks,
    }


def _by_question(frame: Frame, marks: Mapping[str, Label]) -> dict[str, Label]:
    found = {}
    for key, question in frame.questions.items():
        label = next((marks[name] for name in question.question_ids if name in marks), None)
        if label is not None:
            found[key] = label
    return found


def _decided(frame: Frame, marks: Mapping[str, Label]) -> dict[str, Label]:
    return {key: label for key, label in _by_question(frame, marks).items() if label.label != "skip"}


def _cells(frame: Frame, labels: Mapping[str, Label]) -> dict[Cell, dict[str, int]]:
    """Counts of each origin and side, in order of origin."""
    found: dict[Cell, dict[str, int]] = {}
    for key, question in frame.questions.items():
        if not question.drawn:
            continue
        cell = found.setdefault((question.origin, question.drawn), {"rows": 0, "labelled": 0, "accepted": 0})
        cell["rows"] += 1
        if key in labels:
            cell["labelled"] += 1
            cell["accepted"] += labels[key].label == "accept"
    return dict(sorted(found.items()))


def _labelled(card: Card, label: Label, cells: Mapping[Cell, Mapping[str, int]]) -> Labelled:
    cell = cells[(card.question.origin, card.question.drawn)]
    return Labelled(card, label.label == "accept", cell["rows"] / cell["labelled"])


def _shares(cells: Mapping[Cell, Mapping[str, int]]) -> dict[str, Share | None]:
    return {
        "precision": stratified_share(_strata(cells, "kept")),
        "good_among_rejected": stratified_share(_strata(cells, "rejected")),
        "false_kill_rate": _false_kills(cells),
    }


def _strata(cells: Mapping[Cell, Mapping[str, int]], side: str, origins: Sequence[str] | None = None) -> list[Stratum]:
    return [
        Stratum(cell["accepted"], cell["labelled"], cell["rows"])
        for (origin, drawn), cell in cells.items()
        if drawn == side and (origins is None or origin in origins)
    ]


def _false_kills(cells: Mapping[Cell, Mapping[str, int]]) -> Share | None:
    """Of all good questions the share that the gates reject, over origins with labels on both sides.

    The bounds take the bounds of both shares at their worst, so they are wider than 95% need be.
    """
    origins = [origin for origin, side in cells if side == "rejected" and cells[origin, side]["labelled"]]
    origins = [origin for origin in origins if cells.get((origin, "kept"), {}).get("labelled")]
    kept, rejected = (_strata(cells, side, origins) for side in ("kept", "rejected"))
    good, killed = stratified_share(kept), stratified_share(rejected)
    if good is None or killed is None:
        return None
    n_kept, n_rejected = (sum(stratum.size for stratum in strata) for strata in (kept, rejected))

    def rate(killed_share: float, kept_share: float) -> float | None:
        total = n_rejected * killed_share + n_kept * kept_share
        return n_rejected * killed_share / total if total else None

    value = rate(killed.value, good.value)
    if value is None:  # nobody found a good one on either side
        return None
    return Share(value, rate(killed.low, good.high) or 0.0, rate(killed.high, good.low) or 0.0, good.rows + killed.rows)


def _gates(labelled: Sequence[Labelled]) -> Iterator[dict[str, Any]]:
    """A row for all gates together, then one for each that applies to any labelled question."""
    if not labelled:
        return
    yield _agreement(ALL_GATES, [(one, one.card.question.drawn == "kept") for one in labelled])
    said = [(one, {reason: passed for reason, passed, _ in one.card.gates}) for one in labelled]
    for reason in GATES:
        verdicts = [(one, gates[reason]) for one, gates in said if reason in gates]
        if verdicts and reason not in _AGAINST_LEAKS:
            yield _agreement(str(reason), verdicts)


def _agreement(name: str, verdicts: Sequence[tuple[Labelled, bool | None]]) -> dict[str, Any]:
    """The two-by-two table of a gate and the labels, with Cohen's kappa of the counts and of the weights."""
    order = ((True, True), (True, False), (False, True), (False, False))
    cells = [[one.weight for one, passed in verdicts if (passed, one.accepted) == cell] for cell in order]
    counts, weights = [len(cell) for cell in cells], [sum(cell) for cell in cells]
    both, first, second, neither = counts
    return {
        "gate": name,
        "pass_accept": both,
        "pass_reject": first,
        "fail_accept": second,
        "fail_reject": neither,
        "unknown": sum(passed is None for _, passed in verdicts),
        "kappa": kappa(both, first, second, neither),
        "kappa_weighted": kappa(weights[0], weights[1], weights[2], weights[3]),
    }


def _remarks(gone: int, set_aside: int, moved: int) -> list[str]:
    told = {
        "of questions that this build does not have count for nothing here": gone,
        "of questions that lie between splits or repeat others are left out": set_aside,
        "from when the gates decided otherwise of their questions: the shares are rough until more are drawn": moved,
    }
    return [f"{counted(count, 'label')} {what}" for what, count in told.items() if count]
