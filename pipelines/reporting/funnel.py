"""From files to training rows: what every stage kept, and what it left out for which reason."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.ledger import Entry
from schemas.reasons import State, meaning
from schemas.report import Loss, Step

_STEPS = (
    ("documents", "ingest", ("documents",)),
    ("chunks", "chunk", ("chunks",)),
    ("candidate questions", "generate", ("questions",)),
    ("kept pairs", "filter", ("pairs",)),
)


def funnel(ledger: Mapping[str, Entry], triplets: int | None) -> tuple[Step, ...]:
    """The steps that were run; the last is of pairs with their negatives, where `triplets` are known."""
    found = [
        Step(name=name, stage=stage, kept=sum(ledger[stage].kept.get(table, 0) for table in tables), lost=losses(ledger[stage]))
        for name, stage, tables in _STEPS
        if stage in ledger
    ]
    if "mine" in ledger and triplets is not None:
        found.append(Step(name="pairs with negatives", stage="mine", kept=triplets, lost=losses(ledger["mine"])))
    return tuple(found)


def losses(entry: Entry) -> tuple[Loss, ...]:
    """What a stage left out, the commonest reason first."""
    states: tuple[tuple[State, dict[str, int]], ...] = (("rejected", entry.rejected), ("quarantined", entry.quarantined))
    found = [
        Loss(stage=entry.stage, state=state, reason=reason, text=meaning(reason), count=count)
        for state, reasons in states
        for reason, count in reasons.items()
    ]
    return tuple(sorted(found, key=lambda loss: (-loss.count, loss.reason)))
